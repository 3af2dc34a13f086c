"""Random patches of images, rotated, mirrored and at random contrast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.integrators.network import WINDOW
from skimage_tvflow.core.published_network import PUBLISHED_SCALE
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
        for k, (deviation, patch) in enumerate(self._pick(rng, count)):
            contrast = np.exp(rng.uniform(*np.log(CONTRASTS))) if rng.random() < 0.5 else 1.0
            # The network sees only the image divided by the step: c times the contrast is 1/c times
            # the step.
            windows[k] = WINDOW * deviation / contrast if deviation > 0 else 1.0
            chosen.append(patch)
        return _stacked(chosen), torch.from_numpy(windows)

    def draw_at_published_contrast(self, rng: np.random.Generator, count: int) -> Tensor:
        """
        Draw patches of one shape at the contrasts of images given to the published network.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers.
        count : int
            Number of patches.

        Returns
        -------
        Tensor of shape (count, 1, *shape)
            Patches minus their mean.
        """
        chosen: list[np.ndarray] = []
        for _, patch in self._pick(rng, count):
            extent = float(np.ptp(patch))
            share = 1 - rng.uniform(0, 0.5) if rng.random() < 0.5 else 1.0
            chosen.append(patch * (PUBLISHED_SCALE * share / extent if extent > 0 else 1.0))
        return _stacked(chosen)

    def _pick(self, rng: np.random.Generator, count: int) -> Iterator[tuple[float, np.ndarray]]:
        """Yield patches of one shape, without their mean, and the deviations of their images."""
        shape: tuple[int, ...] = ()
        found = 0
        while found < count:
            which = int(rng.integers(len(self._images)))
            image = self._images[which]
            shape = shape or self._patch_shape(image)
            if any(n < m for n, m in zip(image.shape, shape)):
                continue
            begin = [int(rng.integers(n - m + 1)) for n, m in zip(image.shape, shape)]
            patch = image[tuple(slice(b, b + m) for b, m in zip(begin, shape))]
            patch = _rotate_and_flip(rng, patch)
            found += 1
            yield self._deviations[which], np.ascontiguousarray(patch - patch.mean())

    def _patch_shape(self, image: np.ndarray) -> tuple[int, ...]:
        """Return equal sides, as patches are rotated; an axis of one pixel stays one."""
        side = min([self._size, *(n for n in image.shape if n > 1)])
        return tuple(min(side, n) for n in image.shape)


def _stacked(patches: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(patches).astype(np.float32))[:, None]


def _rotate_and_flip(rng: np.random.Generator, patch: np.ndarray) -> np.ndarray:
    order, axes = list(range(patch.ndim)), [a for a, n in enumerate(patch.shape) if n > 1]
    for axis, other in zip(axes, rng.permutation(axes)):
        order[axis] = int(other)
    flips = tuple(axis for axis in axes if rng.random() < 0.5)
    return np.flip(patch.transpose(order), flips)
