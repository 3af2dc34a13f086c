"""The balance of a piece of a trajectory on the CPU, compiled by numba, for up to three axes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import duality_gap_kernel as _balance
from skimage_tvflow.core.backends.protocol import ROUNDING, GapAndResidual
from skimage_tvflow.core.parallel import run_all

# Less than this is done before another thread has woken up.
_PIXELS_PER_TASK = 2**16


def gap_and_residual(
    before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray, spacing: Sequence[float]
) -> GapAndResidual:
    """See :func:`skimage_tvflow.core.backends.torch.duality_gap.balance`."""
    if len({before.dtype, after.dtype, dual.dtype}) > 1:
        before, after, dual = before.double(), after.double(), dual.double()
    sums = [
        _sums(_array(u), _array(v), _array(phi), float(length), spacing)
        for u, v, phi, length in zip(before, after, dual, lengths, strict=True)
    ]
    variation, product, size, square = np.split(np.array(sums).T, [3, 5, 7])
    # Both are linear along the piece, but for the sizes: those of the middle are less.
    product = np.stack([product[0], product.mean(0), product[1]])
    size = np.stack([size[0], size.mean(0), size[1]])
    gaps = np.maximum(variation + product + ROUNDING * (variation + size), 0)
    residual, *images = np.sqrt(square / before[0].numel())
    return GapAndResidual(gaps, residual + ROUNDING * (images[0] + images[1] + lengths * images[2]))


def _sums(
    before: np.ndarray,
    after: np.ndarray,
    dual: np.ndarray,
    length: float,
    spacing: Sequence[float],
) -> np.ndarray:
    channels, n_axes, *sizes = dual.shape
    volume = (*[1] * (3 - n_axes), *sizes)
    dual = dual.reshape(channels, n_axes, *volume)
    before, after = (u.reshape(channels, *volume) for u in (before, after))
    n_rows, width = volume[0] * volume[1], volume[2]
    factor = np.empty((n_rows, width))
    sums = np.empty((_balance.N_SUMS, n_rows, -(-width // _balance.SEGMENT)))
    inverse = 1 / np.array(spacing, np.float64)
    _in_bands(n_rows, width, lambda *rows: _balance.shortening(dual, ROUNDING, *rows, factor))
    _in_bands(
        n_rows,
        width,
        lambda *rows: _balance.balance(before, after, dual, factor, length, inverse, *rows, sums),
    )
    # NumPy adds up pairwise along the last axis.
    return sums.reshape(_balance.N_SUMS, -1).sum(1)


def _array(x: Tensor) -> np.ndarray:
    return x.contiguous().numpy()


def _in_bands(n_rows: int, width: int, work: Callable[[int, int], None]) -> None:
    rows = max(1, _PIXELS_PER_TASK // width)
    bands = [(begin, min(begin + rows, n_rows)) for begin in range(0, n_rows, rows)]
    run_all([functools.partial(work, *band) for band in bands], torch.get_num_threads())
