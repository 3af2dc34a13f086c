"""The error of a step that the duality gap of its solve allows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import Trajectory
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.operators import pairing, rms, total_variation


def gap_error(
    trajectory: Trajectory,
    items: np.ndarray,
    u: Tensor,
    step: np.ndarray,
    spacing: Sequence[float],
    domain: Domain | None,
) -> np.ndarray:
    r"""Return :math:`\sqrt{2 \tau\,\mathrm{gap}}` of the last step, an RMS, for each of ``items``.

    Two trajectories that both lag behind, as when large structures merge, agree all the same; the
    gap sees it.

    Parameters
    ----------
    trajectory : Trajectory, which has taken the steps
    items : integer array of shape (n,)
    u : Tensor of shape (n, C, *spatial), the image after the step
    step : array of shape (n,), the length of the step
    spacing : one per spatial axis
    domain : Domain of these items, or None
    """
    paired = pairing(u, lambda slab: trajectory.dual(items, slab), spacing)
    variation = total_variation(u, spacing, domain)
    size, pixels = rms(u), u[0].numel()
    # A smaller gap is rounding, and its square root would drown a tight tolerance.
    differences = size * math.sqrt(pixels) * sum(1 / h for h in spacing)
    gap = variation - paired - 16 * torch.finfo(u.dtype).eps * (variation + differences)
    error = np.sqrt(2 * step * gap.clamp_(min=0).cpu().numpy() / pixels)
    # An image cannot be further from the flow than its own size when it is all but extinct.
    return np.minimum(error, size.cpu().numpy())
