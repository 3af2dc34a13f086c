"""What a piece of a trajectory fails to dissipate, in plain torch; see :mod:`.certificate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.operators import (
    divergence,
    exact_dtype,
    inner,
    magnitude,
    rms,
    total_variation,
)

# Sums in any order over 256 numbers, then pairwise, are off by less than 128 + log2(n) rounding
# errors; every term has a few more.
ROUNDING = 256 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Balance:
    """The gap and the residual on a piece where the image is linear and phi constant in time.

    Attributes
    ----------
    gaps : array of shape (3, N)
        ``J(u) + <u, div phi>`` at the start, in the middle and at the end, with phi shortened to
        1: at least the exact value, whatever the rounding.
    residual : array of shape (N,)
        RMS of ``after - before - length div phi``, not below the exact value either.
    """

    gaps: np.ndarray
    residual: np.ndarray


def balance(
    before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray, spacing: Sequence[float]
) -> Balance:
    """The balance of every item over its piece.

    Parameters
    ----------
    before, after : Tensors of shape (N, C, *spatial)
    dual : Tensor of shape (N, C, n_spatial, *spatial), of any length
    lengths : array of shape (N,), how much time the piece takes
    spacing : one per spatial axis
    """
    before, after, dual = (x.to(exact_dtype(x)) for x in (before, after, dual))
    dual = dual / magnitude(dual).clamp_(min=1).mul_(1 + ROUNDING)[:, None, None]
    slope = divergence(dual, spacing)
    gaps = [_gap(u, slope, spacing) for u in (before, (before + after) / 2, after)]
    scale = torch.as_tensor(lengths, dtype=slope.dtype, device=slope.device)
    slope *= scale.reshape(-1, *[1] * (slope.ndim - 1))
    noise = ROUNDING * (rms(before) + rms(after) + rms(slope))
    residual = rms(after - before - slope) + noise
    return Balance(np.stack(gaps), residual.cpu().numpy())


def _gap(u: Tensor, slope: Tensor, spacing: Sequence[float]) -> np.ndarray:
    variation = total_variation(u, spacing)
    product, size = inner(u, slope), inner(u.abs(), slope.abs())
    gap = variation + product + ROUNDING * (variation + size)
    return gap.clamp_(min=0).cpu().numpy()
