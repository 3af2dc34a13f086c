"""What every compute backend offers: protocols, and the data that goes in and comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.operators import gradient, magnitude, norm_bound
from skimage_tvflow.core.progress import Report

# Bound of the relative rounding error of a float64 sum: 256 numbers in any order, then pairwise,
# cost less than 128 + log2(n) rounding errors, and every term has a few of its own. If it were too
# small, error bounds would not be rigorous.
ROUNDING = 256 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class FrameBuffer:
    """Where a trajectory writes its images, as ``scale u + offset``.

    Attributes
    ----------
    out : Tensor of shape (n, M, C, *spatial), every image contiguous
    scale : array of shape (n,)
    offset : Tensor of shape (n, C), on the CPU
    """

    out: Tensor
    scale: np.ndarray
    offset: Tensor

    def put(self, m: int, u: Tensor) -> None:
        """Write images ``u``, shape (n, C, *spatial), as the m-th ones."""
        ones = [1] * (u.ndim - 2)
        scale = torch.as_tensor(self.scale).to(u).reshape(-1, 1, *ones)
        image = torch.mul(u, scale, out=self.out[:, m])
        image += self.offset.to(u).reshape(*u.shape[:2], *ones)


def representable(lengths: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Raise ``lengths`` of steps to where the square of ``u / length`` does not overflow.

    The largest value of u is of size one, so the change is far below the rounding errors of u.
    """
    return np.maximum(lengths, 4 * torch.finfo(dtype).tiny ** 0.49)


class Trajectory(Protocol):
    """Implicit Euler trajectories of N independent items.

    The state is the image, the dual variable and the momentum of every item; the momentum lives on
    across time steps and calls.
    """

    def advance(
        self,
        items: np.ndarray,
        n_steps: Sequence[int],
        lengths: np.ndarray,
        n_iter: int,
        frames: FrameBuffer | None = None,
        report: Report | None = None,
        n_cycles: int = 0,
    ) -> None:
        """Take ``n_steps[m]`` time steps of ``lengths[m]`` for each m.

        Parameters
        ----------
        items : integer array of shape (n,), which items
        n_steps : M integers >= 1
        lengths : array of shape (M, n), the lengths of the steps, one column per item; raised by
            :func:`representable` where they are extremely short
        n_iter : iterations of the dual solve in every step
        n_cycles : multigrid cycles in every step, spread over its iterations, the first one before
            them
        frames : receives the image after each m
        report : called at least every 20 ms with the fraction done; an exception that it raises
            stops the computation, and the state is then lost
        """

    def primal(self, items: np.ndarray) -> Tensor:
        """Return the current image, shape (n, C, *spatial)."""

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """Replace the image by ``u``; keep the dual variable and its momentum."""

    def dual(self, items: np.ndarray, slab: slice | None = None) -> Tensor:
        """Return the current dual variable, shape (n, C, n_spatial, *spatial).

        ``slab`` selects a range of the first spatial axis.
        """


@dataclass(frozen=True)
class ScaledImage:
    """An image without its means and in a scale of its own: ``image = scale u + mean``.

    Attributes
    ----------
    u : Tensor of shape (N, C, *spatial), its largest value in [1, 2) unless that is subnormal
    mean : Tensor of shape (N, C), rounded to the precision of the image
    scale : array of shape (N,), powers of two
    deviation : array of shape (N,), the standard deviation of each item of ``u``
    """

    u: Tensor
    mean: Tensor
    scale: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True)
class GapAndResidual:
    """Duality gap and residual of a step in which the image is linear and phi constant in time.

    Both are rigorous upper bounds: rounding errors are added.

    Attributes
    ----------
    gaps : array of shape (3, N)
        ``J(u) + <u, div phi>`` at the start, in the middle and at the end, with phi projected to
        length 1.
    residual : array of shape (N,)
        RMS of ``after - before - length div phi``.
    """

    gaps: np.ndarray
    residual: np.ndarray


@dataclass(frozen=True)
class EnergyChange:
    """What the energy balance of a piece of a trajectory needs, sums over the pixels, float64.

    Attributes
    ----------
    variation : array of shape (N,), J at the end
    halfway : array of shape (N,), J in the middle, where the image is the mean of both ends
    growth : array of shape (N,), the squared norm at the end minus that at the start
    norm : array of shape (N,), the squared norm at the start
    """

    variation: np.ndarray
    halfway: np.ndarray
    growth: np.ndarray
    norm: np.ndarray


@dataclass(frozen=True)
class SpaceTimeGrid:
    """An image and the time steps of its flow, from 0 to the last time.

    Attributes
    ----------
    image : Tensor of shape (C, *spatial)
    lengths : N floats, the lengths of the time steps
    spacing : one per spatial axis
    """

    image: Tensor
    lengths: tuple[float, ...]
    spacing: tuple[float, ...]

    @property
    def norm_bound(self) -> float:
        """Return the upper bound of the squared norm of D; see :func:`.operators.norm_bound`."""
        return norm_bound(self.spacing, self.image.shape[1:])

    def start(self) -> tuple[Tensor, Tensor]:
        """Return the image, (C, *spatial), and ``Du / |Du|``, (C, n_spatial, *spatial)."""
        du = gradient(self.image[None], self.spacing)
        size = magnitude(du)[:, None, None]
        return self.image, (du / (size + 1e-8 * size.amax().clamp(min=1e-30)))[0]


class Minimisation(Protocol):
    """The trajectory of one image, found by minimisation over all time steps at once."""

    def iterate(self, n_iter: int, cancelled: Sequence[object]) -> list[float]:
        """Take ``n_iter`` iterations; return the objective before each if that costs nothing.

        Anything that another thread puts into ``cancelled`` stops the iterations.
        """

    def gaps(self) -> Tensor:
        """Return ``J(u_n) + <u_n, div phi_n>`` of every step, phi projected; float64, (N,)."""

    def start(self) -> Tensor:
        """Return the image at time 0, shape (C, *spatial)."""

    def trajectory(self) -> Iterator[Tensor]:
        """Yield the image at the end of each step, shape (C, *spatial)."""

    def dual(self, n: int) -> Tensor:
        """Return the projected dual variable of step ``n``, shape (C, n_spatial, *spatial)."""
