"""Random patches of images, rotated, mirrored and at random contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.integrators.network import WINDOW
from skimage_tvflow.learned.recipe import CONTRASTS

__all__ = ["PatchSampler"]


class PatchSampler:
    """
    Draws patches of images.

    Parameters
    ----------
    images : sequence of arrays, float32
        All with 2, or all with 3 axes.
    size : int
        Side of a patch; along an axis that is shorter, a patch has the whole axis.
    """

    def __init__(self, images: Sequence[np.ndarray], size: int) -> None:
        self._images = images
        self._deviations = [float(image.std(dtype=np.float64)) for image in images]
        self._size = size

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """
        Draw patches of one shape.

        The first image that is drawn determines the shape, and smaller images are then passed over:
        one small image among large ones does not shorten all patches.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers.
        count : int
            Number of patches.

        Returns
        -------
        patches : Tensor of shape (count, 1, *shape)
            Patches minus their mean.
        windows : Tensor of shape (count,)
            The time in which the network takes ``n_steps`` steps, for each patch.
        """
        chosen: list[np.ndarray] = []
        windows = np.empty(count, np.float32)
        shape: tuple[int, ...] = ()
        while len(chosen) < count:
            which = int(rng.integers(len(self._images)))
            image = self._images[which]
            shape = shape or self._patch_shape(image)
            if any(n < m for n, m in zip(image.shape, shape)):
                continue
            begin = [int(rng.integers(n - m + 1)) for n, m in zip(image.shape, shape)]
            patch = image[tuple(slice(b, b + m) for b, m in zip(begin, shape))]
            patch = _rotate_and_flip(rng, patch)
            contrast = np.exp(rng.uniform(*np.log(CONTRASTS))) if rng.random() < 0.5 else 1.0
            deviation = self._deviations[which]
            # The network sees only the image divided by the step: c times the contrast is 1/c times
            # the step.
            windows[len(chosen)] = WINDOW * deviation / contrast if deviation > 0 else 1.0
            chosen.append(np.ascontiguousarray(patch - patch.mean()))
        patches = torch.from_numpy(np.stack(chosen).astype(np.float32))[:, None]
        return patches, torch.from_numpy(windows)

    def _patch_shape(self, image: np.ndarray) -> tuple[int, ...]:
        """Return equal sides, as patches are rotated; an axis of one pixel stays one."""
        side = min([self._size, *(n for n in image.shape if n > 1)])
        return tuple(min(side, n) for n in image.shape)


def _rotate_and_flip(rng: np.random.Generator, patch: np.ndarray) -> np.ndarray:
    order, axes = list(range(patch.ndim)), [a for a, n in enumerate(patch.shape) if n > 1]
    for axis, other in zip(axes, rng.permutation(axes)):
        order[axis] = int(other)
    flips = tuple(axis for axis in axes if rng.random() < 0.5)
    return np.flip(patch.transpose(order), flips)
