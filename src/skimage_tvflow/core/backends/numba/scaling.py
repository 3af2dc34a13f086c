"""Take off the means and scale by a power of two, compiled by numba and spread over threads."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import scaling_kernel
from skimage_tvflow.core.backends.protocol import ScaledImage
from skimage_tvflow.core.backends.torch.scaling import power_of_two_scales
from skimage_tvflow.core.parallel import run_all

# Pixels of one task for one thread; fewer are done before another thread has woken up.
_PIXELS_PER_TASK = 2**17


def centre_and_scale(image: Tensor) -> ScaledImage:
    """Do what :func:`skimage_tvflow.core.backends.torch.scaling.centre_and_scale` does."""
    n, channels = image.shape[:2]
    pixels = image.contiguous().numpy().reshape(n, channels, -1)
    # Sums of distances from the first pixel are exactly zero where the image is constant.
    first = pixels[:, :, 0].astype(np.float64)

    def measure(i: int, c: int, part: slice) -> tuple[float, ...]:
        here = pixels[i, c, part]
        return scaling_kernel.sum_of_distances(here, first[i, c]), here.min(), here.max()

    distances, lowest, highest = np.moveaxis(_for_every_part(pixels.shape, 3, measure), -1, 0)
    mean = (first + distances.sum(2) / pixels.shape[2]).astype(pixels.dtype)
    exact_mean = mean.astype(np.float64)
    largest = np.maximum(highest.max(2) - exact_mean, exact_mean - lowest.min(2)).max(1)
    scale, factor = power_of_two_scales(largest, torch.finfo(torch.float64))
    u = np.empty_like(pixels)

    def rescale(i: int, c: int, part: slice) -> tuple[float, ...]:
        where = i, c, part
        return (scaling_kernel.rescale(pixels[where], exact_mean[i, c], factor[i], u[where]),)

    squares = _for_every_part(pixels.shape, 1, rescale).sum((1, 2, 3))
    deviation = np.sqrt(squares / pixels[0].size)
    return ScaledImage(
        torch.from_numpy(u.reshape(image.shape)), torch.from_numpy(mean), scale, deviation
    )


def _for_every_part(
    shape: tuple[int, ...], n_results: int, work: Callable[[int, int, slice], tuple[float, ...]]
) -> np.ndarray:
    """Call ``work`` for all parts of every item and channel: (N, C, parts, n_results)."""
    n, channels, size = shape
    starts = range(0, size, _PIXELS_PER_TASK)
    results = np.empty((n, channels, len(starts), n_results))

    def run(i: int, c: int, p: int) -> None:
        results[i, c, p] = work(i, c, slice(starts[p], starts[p] + _PIXELS_PER_TASK))

    tasks = [functools.partial(run, *where) for where in np.ndindex(*results.shape[:-1])]
    run_all(tasks, torch.get_num_threads() if len(starts) > 1 else 1)
    return results
