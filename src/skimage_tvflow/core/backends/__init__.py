"""Compute backends: each marches implicit Euler trajectories and gives the same numbers.

A fused GPU backend belongs here as ``triton_cuda.py`` with a class of the same shape, chosen in
:func:`start`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from skimage_tvflow.core import balance as plain_balance
from skimage_tvflow.core import normalise as plain_normalise
from skimage_tvflow.core.backends.torch_ops import TorchTrajectory
from skimage_tvflow.core.backends.trajectory import Frames, Trajectory
from skimage_tvflow.core.normalise import Normalised
from skimage_tvflow.core.spacetime import Descent, Grid, Minimisation, PrimalDual

__all__ = [
    "Frames",
    "Trajectory",
    "balance",
    "descent",
    "has_compiled",
    "normalise",
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
        from skimage_tvflow.core.backends.numba_cpu import NumbaTrajectory

        return NumbaTrajectory(u, spacing)
    return TorchTrajectory(u, spacing, algorithm)


def normalise(image: Tensor) -> Normalised:
    """The image as :func:`skimage_tvflow.core.normalise.normalise` has it."""
    if image.device.type == "cpu":
        from skimage_tvflow.core.backends import numba_normalise

        return numba_normalise.normalise(image)
    return plain_normalise.normalise(image)


def balance(
    before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray, spacing: Sequence[float]
) -> plain_balance.Balance:
    """The balance of a piece, as :func:`skimage_tvflow.core.balance.balance` has it."""
    if before.device.type == "cpu" and before.ndim <= 5:
        from skimage_tvflow.core.backends import numba_balance

        return numba_balance.balance(before, after, dual, lengths, spacing)
    return plain_balance.balance(before, after, dual, lengths, spacing)


def primal_dual(grid: Grid, step: float) -> Minimisation:
    """The primal-dual iteration of :class:`~.spacetime.PrimalDual` with ``step``."""
    if grid.image.device.type == "cpu":
        from skimage_tvflow.core.backends.numba_spacetime import NumbaPrimalDual

        return NumbaPrimalDual(grid, step)
    return PrimalDual(grid, step)


def descent(grid: Grid, lr: float) -> Minimisation:
    """Adam of :class:`~.spacetime.Descent` with the rate ``lr``."""
    if grid.image.device.type == "cpu":
        from skimage_tvflow.core.backends.numba_spacetime import NumbaDescent

        return NumbaDescent(grid, lr)
    return Descent(grid, lr)
