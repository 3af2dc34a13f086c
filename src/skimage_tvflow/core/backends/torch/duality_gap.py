"""Duality gap and residual of a time step in plain torch, from which error bounds are made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import ROUNDING, GapAndResidual
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.operators import (
    divergence,
    exact_dtype,
    inner,
    magnitude,
    rms,
    total_variation,
)


def gap_and_residual(
    before: Tensor,
    after: Tensor,
    dual: Tensor,
    lengths: np.ndarray,
    spacing: Sequence[float],
    domain: Domain | None = None,
) -> GapAndResidual:
    """Return gap and residual of a step of every item.

    Parameters
    ----------
    before, after : Tensors of shape (N, C, *spatial)
    dual : Tensor of shape (N, C, n_spatial, *spatial), of any length
    lengths : array of shape (N,), the lengths of the steps
    spacing : one per spatial axis
    domain : Domain, optional
    """
    before, after, dual = (x.to(exact_dtype(x)) for x in (before, after, dual))
    if domain is None:
        dual = dual / magnitude(dual).clamp_(min=1).mul_(1 + ROUNDING)[:, None, None]
    else:
        domain = domain.to(dual)
        dual = domain.confine(dual, 1 + ROUNDING)
    slope = divergence(dual, spacing)
    gaps = [_gap(u, slope, spacing, domain) for u in (before, (before + after) / 2, after)]
    scale = torch.as_tensor(lengths, dtype=slope.dtype, device=slope.device)
    slope *= scale.reshape(-1, *[1] * (slope.ndim - 1))
    noise = ROUNDING * (rms(before) + rms(after) + rms(slope))
    residual = rms(after - before - slope) + noise
    return GapAndResidual(np.stack(gaps), residual.cpu().numpy())


def _gap(u: Tensor, slope: Tensor, spacing: Sequence[float], domain: Domain | None) -> np.ndarray:
    variation = total_variation(u, spacing, domain)
    product, size = inner(u, slope), inner(u.abs(), slope.abs())
    gap = variation + product + ROUNDING * (variation + size)
    return gap.clamp_(min=0).cpu().numpy()
