"""Compute backends: each marches implicit Euler trajectories and gives the same numbers.

A fused GPU backend belongs here as ``triton_cuda.py`` with a class of the same shape, chosen in
:func:`start`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from skimage_tvflow.core.backends.torch_ops import TorchTrajectory


class Trajectory(Protocol):
    """One implicit Euler trajectory for each of N items, all somewhere on their way.

    It holds the image, the dual variable and the momentum; the momentum lives on across time steps
    and calls.
    """

    def advance(
        self,
        items: np.ndarray,
        n_steps: Sequence[int],
        lengths: np.ndarray,
        n_iter: int,
        frames: Tensor | None = None,
        poll: Callable[[float], None] | None = None,
    ) -> None:
        """Take ``n_steps[m]`` time steps of ``lengths[m]`` for each m.

        Parameters
        ----------
        items : integer array of shape (n,), which items
        n_steps : M integers >= 1
        lengths : array of shape (M, n), the lengths of the steps, one column per item
        n_iter : iterations of the dual solve in every step
        frames : Tensor of shape (n, M, C, *spatial), gets the image after each m
        poll : called every 40 ms with the fraction done; what it raises stops the march, and the
            state is then lost
        """

    def primal(self, items: np.ndarray) -> Tensor:
        """The image now, shape (n, C, *spatial)."""

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """Put the image back to ``u`` and keep the dual variable and its momentum."""

    def dual(self, items: np.ndarray) -> Tensor:
        """The dual variable now, shape (n, C, n_spatial, *spatial)."""


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
