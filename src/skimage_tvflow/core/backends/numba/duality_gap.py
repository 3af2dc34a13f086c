"""Duality gap and residual of a time step on the CPU, compiled by numba, for up to three axes."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import duality_gap_kernel as kernel
from skimage_tvflow.core.backends.protocol import ROUNDING, GapAndResidual
from skimage_tvflow.core.parallel import run_pieces

# Pixels per task, about 0.1 ms of work: smaller tasks end before another thread has woken up.
_PIXELS_PER_TASK = 2**16


def gap_and_residual(
    before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray, spacing: Sequence[float]
) -> GapAndResidual:
    """See :func:`.torch.duality_gap.gap_and_residual`."""
    if len({before.dtype, after.dtype, dual.dtype}) > 1:
        before, after, dual = before.double(), after.double(), dual.double()
    items = zip(before, after, dual, lengths, strict=True)
    sums = [_sums(u, v, phi, float(length), spacing) for u, v, phi, length in items]
    variation, product, size, square = np.split(np.array(sums).T, [3, 5, 7])
    # <u, div phi> in the middle is the mean of both ends, and <|u|, |div phi|> is at most that.
    product = np.stack([product[0], product.mean(0), product[1]])
    size = np.stack([size[0], size.mean(0), size[1]])
    gaps = np.maximum(variation + product + ROUNDING * (variation + size), 0)
    residual, *images = np.sqrt(square / before[0].numel())
    return GapAndResidual(gaps, residual + ROUNDING * (images[0] + images[1] + lengths * images[2]))


def _sums(
    before: Tensor, after: Tensor, dual: Tensor, length: float, spacing: Sequence[float]
) -> np.ndarray:
    """Sum over the pixels of one item; see :func:`.duality_gap_kernel.sum_rows`."""
    channels, n_axes, *sizes = dual.shape
    volume = (*[1] * (3 - n_axes), *sizes)
    phi = dual.contiguous().numpy().reshape(channels, n_axes, *volume)
    u, v = (x.contiguous().numpy().reshape(channels, *volume) for x in (before, after))
    n_rows, width = volume[0] * volume[1], volume[2]
    factor = np.empty((n_rows, width))
    sums = np.empty((kernel.N_SUMS, n_rows, -(-width // kernel.SEGMENT)))
    inverse = 1 / np.array(spacing, np.float64)
    run = functools.partial(
        run_pieces,
        size=n_rows,
        piece=max(1, _PIXELS_PER_TASK // width),
        n_threads=torch.get_num_threads(),
    )
    run(lambda *rows: kernel.shorten(phi, ROUNDING, *rows, factor))
    run(lambda *rows: kernel.sum_rows(u, v, phi, factor, length, inverse, *rows, sums))
    # NumPy adds up pairwise along the last axis.
    return sums.reshape(kernel.N_SUMS, -1).sum(1)
