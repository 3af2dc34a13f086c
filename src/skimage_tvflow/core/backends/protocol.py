"""What every compute backend offers: the data it takes and gives, and the protocols it follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.operators import gradient, magnitude, norm_bound
from skimage_tvflow.core.progress import Report

# Sums in any order over 256 numbers, then pairwise, are off by less than 128 + log2(n) rounding
# errors; every term has a few more.
ROUNDING = 256 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class FrameBuffer:
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
        frames: FrameBuffer | None = None,
        report: Report | None = None,
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
        report : called at least every 20 ms with the fraction done; what it raises stops the march,
            and the state is then lost
        """

    def primal(self, items: np.ndarray) -> Tensor:
        """The image now, shape (n, C, *spatial)."""

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """Put the image back to ``u`` and keep the dual variable and its momentum."""

    def dual(self, items: np.ndarray, slab: slice | None = None) -> Tensor:
        """The dual variable now, shape (n, C, n_spatial, *spatial); of a slab of the first axis."""


@dataclass(frozen=True)
class ScaledImage:
    """``image = scale u + mean``, item by item.

    Attributes
    ----------
    u : Tensor of shape (N, C, *spatial), the largest value in [1, 2), if the image's is normal
    mean : Tensor of shape (N, C), rounded to the precision of the image
    scale : array of shape (N,), powers of two
    deviation : array of shape (N,), the standard deviation of every item of ``u``
    """

    u: Tensor
    mean: Tensor
    scale: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True)
class GapAndResidual:
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


@dataclass(frozen=True)
class SpaceTimeGrid:
    """An image and the steps of its flow.

    Attributes
    ----------
    image : Tensor of shape (C, *spatial)
    lengths : N floats, the lengths of the steps
    spacing : one per spatial axis
    """

    image: Tensor
    lengths: tuple[float, ...]
    spacing: tuple[float, ...]

    @property
    def norm_bound(self) -> float:
        """The bound of the squared norm of D."""
        return norm_bound(self.spacing, self.image.shape[1:])

    def start(self) -> tuple[Tensor, Tensor]:
        """The image and its own dual variable: (C, *spatial) and (C, n_spatial, *spatial)."""
        du = gradient(self.image[None], self.spacing)
        size = magnitude(du)[:, None, None]
        return self.image, (du / (size + 1e-8 * size.amax().clamp(min=1e-30)))[0]


class Minimisation(Protocol):
    """One image's trajectory on the way to a minimum.

    ``cancelled`` is a list that is no longer empty once somebody wants it to end.
    """

    def iterate(self, n_iter: int, cancelled: Sequence[object]) -> list[float]:
        """Take ``n_iter`` iterations; the value of the objective before each, where known."""

    def gaps(self) -> Tensor:
        """``J(u_n) + <u_n, div phi_n>`` of the admissible trajectory, per step; float64, (N,)."""

    def start(self) -> Tensor:
        """The image at time 0; (C, *spatial)."""

    def trajectory(self) -> Iterator[Tensor]:
        """The image at the end of one step after the other; (C, *spatial)."""

    def dual(self, n: int) -> Tensor:
        """The dual variable in step ``n``; (C, n_spatial, *spatial)."""
