"""What every compute backend offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.clock import Poll


@dataclass(frozen=True)
class Frames:
    """Where a march puts its images, and in which values: ``scale u + offset``.

    Attributes
    ----------
    out : Tensor of shape (n, M, C, *spatial), every image contiguous
    scale : array of shape (n,)
    offset : Tensor of shape (n, C), on the CPU
    """

    out: Tensor
    scale: np.ndarray
    offset: Tensor


def representable(lengths: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """``lengths`` of steps, the shortest such that the square of ``u / length`` is in range.

    What is added is far below the rounding errors of u, whose largest value is of size one.
    """
    return np.maximum(lengths, 4 * torch.finfo(dtype).tiny ** 0.49)


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
        frames: Frames | None = None,
        poll: Poll | None = None,
    ) -> None:
        """Take ``n_steps[m]`` time steps of ``lengths[m]`` for each m.

        Parameters
        ----------
        items : integer array of shape (n,), which items
        n_steps : M integers >= 1
        lengths : array of shape (M, n), the lengths of the steps, one column per item; those of
            which the numbers cannot hold the square of the inverse count as :func:`representable`
        n_iter : iterations of the dual solve in every step
        frames : gets the image after each m
        poll : called at least every 20 ms with the fraction done; what it raises stops the march,
            and the state is then lost
        """

    def primal(self, items: np.ndarray) -> Tensor:
        """The image now, shape (n, C, *spatial)."""

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """Put the image back to ``u`` and keep the dual variable and its momentum."""

    def dual(self, items: np.ndarray, slab: slice | None = None) -> Tensor:
        """The dual variable now, shape (n, C, n_spatial, *spatial); of a slab of the first axis."""
