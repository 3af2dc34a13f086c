"""Total variation and change of the norm along a trajectory, in plain torch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from skimage_tvflow.core.backends.protocol import EnergyChange
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.operators import exact_dtype, inner, total_variation


def energy_change(
    before: Tensor, after: Tensor, spacing: Sequence[float], domain: Domain | None = None
) -> EnergyChange:
    """What the energy balance needs of the images at both ends of a piece, (N, C, *spatial).

    In float64: the rounding errors of every difference in float32 would count.
    """
    u, v = (x.to(exact_dtype(x)) for x in (before, after))
    return EnergyChange(
        variation=total_variation(v, spacing, domain).cpu().numpy(),
        halfway=total_variation((u + v) / 2, spacing, domain).cpu().numpy(),
        growth=inner(v - u, v + u).cpu().numpy(),
        norm=inner(u, u).cpu().numpy(),
    )
