"""Choose the backend for a problem: numba on the CPU, torch for everything else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from skimage_tvflow.core.backends.coarse_grids import LEAST_PIXELS
from skimage_tvflow.core.backends.protocol import (
    EnergyChange,
    FrameBuffer,
    GapAndResidual,
    Minimisation,
    ScaledImage,
    SpaceTimeGrid,
    Trajectory,
)
from skimage_tvflow.core.backends.torch import duality_gap, energy, scaling, space_time, sweep
from skimage_tvflow.core.domain import Domain

__all__ = [
    "FrameBuffer",
    "Trajectory",
    "centre_and_scale",
    "descent",
    "energy_change",
    "gap_and_residual",
    "has_compiled",
    "has_cycles",
    "primal_dual",
    "start",
]

# A cycle in torch launches as many operations as 210, 260 and 320 iterations on 256, 512 and 1024
# pixels a side, and spares about 100 of them (counted). On a GPU an iteration takes .44 ms, the
# time to launch it, up to 2**21 numbers and .57 ms for 2**22 (measured), so iterations alone are
# faster up to about 2**24 (estimated).
_LEAST_SIDE_ELSEWHERE, _LEAST_NUMBERS_ELSEWHERE = 256, 2**24

# Numba takes half a second to import, so the functions that use it import it themselves.


def has_compiled(u: Tensor, algorithm: str) -> bool:
    """Return True if the time steps of this problem are compiled by numba."""
    n_axes = sum(n > 1 for n in u.shape[2:])
    return _is_on_cpu(u) and n_axes <= 3 and algorithm == "accelerated"


def has_cycles(u: Tensor, algorithm: str) -> bool:
    """Return True if multigrid cycles speed up long steps of this problem."""
    if algorithm != "accelerated":
        return False
    if _is_on_cpu(u):
        return max(u.shape[2:]) >= LEAST_PIXELS
    return max(u.shape[2:]) >= _LEAST_SIDE_ELSEWHERE and u.numel() >= _LEAST_NUMBERS_ELSEWHERE


def start(
    u: Tensor, spacing: Sequence[float], algorithm: str, domain: Domain | None = None
) -> Trajectory:
    """Begin a trajectory at ``u``, shape (N, C, *spatial), on a domain or on the whole grid."""
    if has_compiled(u, algorithm):
        from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory

        return NumbaTrajectory(u, spacing, domain)
    return sweep.TorchTrajectory(u, spacing, algorithm, domain)


def centre_and_scale(image: Tensor) -> ScaledImage:
    """Subtract the means of ``image``, shape (N, C, *spatial), and scale each item."""
    if _is_on_cpu(image):
        from skimage_tvflow.core.backends.numba import scaling as numba_scaling

        return numba_scaling.centre_and_scale(image)
    return scaling.centre_and_scale(image)


def gap_and_residual(
    before: Tensor,
    after: Tensor,
    dual: Tensor,
    lengths: np.ndarray,
    spacing: Sequence[float],
    domain: Domain | None = None,
) -> GapAndResidual:
    """Return gap and residual of one step; see :func:`.torch.duality_gap.gap_and_residual`."""
    if _is_on_cpu(before) and before.ndim <= 5 and domain is None:
        from skimage_tvflow.core.backends.numba import duality_gap as numba_duality_gap

        return numba_duality_gap.gap_and_residual(before, after, dual, lengths, spacing)
    return duality_gap.gap_and_residual(before, after, dual, lengths, spacing, domain)


def energy_change(
    before: Tensor, after: Tensor, spacing: Sequence[float], domain: Domain | None = None
) -> EnergyChange:
    """Return J at the end and the change of the norm; see :func:`.torch.energy.energy_change`."""
    if _is_on_cpu(before) and before.ndim <= 5 and domain is None:
        from skimage_tvflow.core.backends.numba import energy as numba_energy

        return numba_energy.energy_change(before, after, spacing)
    return energy.energy_change(before, after, spacing, domain)


def primal_dual(grid: SpaceTimeGrid, step: float) -> Minimisation:
    """Begin the primal-dual iteration with ``step``; see :mod:`.torch.space_time`."""
    if _is_on_cpu(grid.image):
        from skimage_tvflow.core.backends.numba.space_time import NumbaPrimalDual

        return NumbaPrimalDual(grid, step)
    return space_time.TorchPrimalDual(grid, step)


def descent(grid: SpaceTimeGrid, lr: float) -> Minimisation:
    """Begin Adam with the learning rate ``lr``; see :mod:`.torch.space_time`."""
    if _is_on_cpu(grid.image):
        from skimage_tvflow.core.backends.numba.space_time import NumbaDescent

        return NumbaDescent(grid, lr)
    return space_time.TorchDescent(grid, lr)


def _is_on_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu"
