"""Compute backends: each marches implicit Euler trajectories and gives the same numbers.

A fused GPU backend belongs here as ``triton_cuda.py`` with a class of the same shape, chosen in
:func:`start`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from skimage_tvflow.core.backends.protocol import (
    FrameBuffer,
    Minimisation,
    ScaledImage,
    SpaceTimeGrid,
    Trajectory,
)
from skimage_tvflow.core.backends.torch import duality_gap as torch_duality_gap
from skimage_tvflow.core.backends.torch import scaling as torch_scaling
from skimage_tvflow.core.backends.torch.space_time import Descent, PrimalDual
from skimage_tvflow.core.backends.torch.trajectory import TorchTrajectory

__all__ = [
    "FrameBuffer",
    "Trajectory",
    "gap_and_residual",
    "descent",
    "has_compiled",
    "centre_and_scale",
    "primal_dual",
    "start",
]


def has_compiled(u: Tensor, algorithm: str) -> bool:
    """Whether numba marches this problem; torch does the others."""
    n_axes = sum(n > 1 for n in u.shape[2:])
    return u.device.type == "cpu" and n_axes <= 3 and algorithm == "accelerated"


def start(u: Tensor, spacing: Sequence[float], algorithm: str) -> Trajectory:
    """A trajectory that starts at ``u``, shape (N, C, *spatial), on the fastest backend for it."""
    if has_compiled(u, algorithm):
        # Numba costs half a second to import: only those who use it pay.
        from skimage_tvflow.core.backends.numba.trajectory import NumbaTrajectory

        return NumbaTrajectory(u, spacing)
    return TorchTrajectory(u, spacing, algorithm)


def centre_and_scale(image: Tensor) -> ScaledImage:
    """The image as :func:`skimage_tvflow.core.backends.torch.scaling.normalise` has it."""
    if image.device.type == "cpu":
        from skimage_tvflow.core.backends.numba import scaling as numba_scaling

        return numba_scaling.centre_and_scale(image)
    return torch_scaling.centre_and_scale(image)


def gap_and_residual(
    before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray, spacing: Sequence[float]
) -> torch_duality_gap.GapAndResidual:
    """The balance of a piece, as :func:`skimage_tvflow.core.backends.torch.duality_gap.balance` has it."""
    if before.device.type == "cpu" and before.ndim <= 5:
        from skimage_tvflow.core.backends.numba import duality_gap as numba_duality_gap

        return numba_duality_gap.gap_and_residual(before, after, dual, lengths, spacing)
    return torch_duality_gap.gap_and_residual(before, after, dual, lengths, spacing)


def primal_dual(grid: SpaceTimeGrid, step: float) -> Minimisation:
    """The primal-dual iteration of :class:`~.spacetime.PrimalDual` with ``step``."""
    if grid.image.device.type == "cpu":
        from skimage_tvflow.core.backends.numba.space_time import NumbaPrimalDual

        return NumbaPrimalDual(grid, step)
    return PrimalDual(grid, step)


def descent(grid: SpaceTimeGrid, lr: float) -> Minimisation:
    """Adam of :class:`~.spacetime.Descent` with the rate ``lr``."""
    if grid.image.device.type == "cpu":
        from skimage_tvflow.core.backends.numba.space_time import NumbaDescent

        return NumbaDescent(grid, lr)
    return Descent(grid, lr)
