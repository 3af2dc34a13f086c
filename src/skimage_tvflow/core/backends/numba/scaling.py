"""Images without their means, in units of their own, compiled by numba."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import scaling_kernel as _normalise
from skimage_tvflow.core.backends.protocol import ScaledImage
from skimage_tvflow.core.backends.torch.scaling import scales
from skimage_tvflow.core.parallel import run_all

# Less than this is done before another thread has woken up.
_PIXELS_PER_TASK = 2**17


def centre_and_scale(image: Tensor) -> ScaledImage:
    """See :func:`skimage_tvflow.core.backends.torch.scaling.normalise`."""
    n, channels = image.shape[:2]
    pixels = image.contiguous().numpy().reshape(n, channels, -1)
    # From a value of the image, so that the mean of a constant one is exact.
    first = pixels[:, :, 0].astype(np.float64)

    def look(i: int, c: int, part: slice) -> tuple[float, ...]:
        here = pixels[i, c, part]
        return _normalise.excess(here, first[i, c]), here.min(), here.max()

    excess, lowest, highest = np.moveaxis(_each(pixels.shape, 3, look), -1, 0)
    mean = (first + excess.sum(2) / pixels.shape[2]).astype(pixels.dtype)
    offset = mean.astype(np.float64)
    largest = np.maximum(highest.max(2) - offset, offset - lowest.min(2)).max(1)
    scale, factor = scales(largest, np.abs(offset).max(1), torch.finfo(torch.float64))
    u = np.empty_like(pixels)

    def rescale(i: int, c: int, part: slice) -> tuple[float, ...]:
        where = i, c, part
        return (_normalise.rescale(pixels[where], offset[i, c], factor[i], u[where]),)

    squares = _each(pixels.shape, 1, rescale).sum((1, 2, 3))
    deviation = np.sqrt(squares / pixels[0].size)
    return ScaledImage(
        torch.from_numpy(u.reshape(image.shape)), torch.from_numpy(mean), scale, deviation
    )


def _each(
    shape: tuple[int, ...], n_sums: int, work: Callable[[int, int, slice], tuple[float, ...]]
) -> np.ndarray:
    """What ``work`` finds in the parts of every item and channel, shape (N, C, parts, n_sums)."""
    n, channels, size = shape
    starts = range(0, size, _PIXELS_PER_TASK)
    found = np.empty((n, channels, len(starts), n_sums))

    def run(i: int, c: int, p: int) -> None:
        found[i, c, p] = work(i, c, slice(starts[p], starts[p] + _PIXELS_PER_TASK))

    tasks = [functools.partial(run, *where) for where in np.ndindex(*found.shape[:-1])]
    run_all(tasks, torch.get_num_threads() if len(starts) > 1 else 1)
    return found
