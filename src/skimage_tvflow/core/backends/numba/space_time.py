"""The flow of one image at all times at once on the CPU, compiled by numba."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import space_time_kernel as kernel
from skimage_tvflow.core.backends.protocol import SpaceTimeGrid
from skimage_tvflow.core.backends.torch.space_time import BETAS, EPSILON, RELAXATION, project

# Pixels of all time steps in one compiled call, a few milliseconds: between calls an iteration can
# be cancelled.
_PIXELS_PER_CALL = 2**21


class _FlatMinimisation(ABC):
    """A :class:`~.protocol.Minimisation` in flat arrays: neighbours are a stride apart."""

    def __init__(self, grid: SpaceTimeGrid) -> None:
        self._image = grid.image.contiguous().flatten(1).numpy()
        self._dtype = self._image.dtype
        self._sizes = grid.image.shape[1:]
        self._lengths = np.array(grid.lengths, self._dtype)
        edges = np.zeros((len(self._sizes), self._image.shape[1]), self._dtype)
        for axis, h in enumerate(grid.spacing):
            np.moveaxis(edges[axis].reshape(self._sizes), axis, 0)[:-1] = 1 / h
        strides = np.array(np.empty(self._sizes, np.bool_).strides)
        self._grid = (strides, 1 / np.array(grid.spacing, self._dtype), edges)
        phi = grid.start()[1].flatten(2).numpy()
        self._phi = np.repeat(phi[None], len(self._lengths), 0)
        self._projected = np.zeros_like(phi)

    def _pieces(self) -> list[tuple[int, int]]:
        n, count = len(self._lengths), max(1, _PIXELS_PER_CALL // self._image.size)
        return [(begin, min(begin + count, n)) for begin in range(0, n, count)]

    @abstractmethod
    def _steps(self) -> Iterator[tuple[np.ndarray, float]]:
        """Yield the image at the end of each time step, and its gap."""

    def gaps(self) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        return torch.tensor([gap for _, gap in self._steps()], dtype=torch.float64)

    def start(self) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        return self._unflatten(self._image)

    def trajectory(self) -> Iterator[Tensor]:
        """See :class:`~.protocol.Minimisation`."""
        return (self._unflatten(u).clone() for u, _ in self._steps())

    def dual(self, n: int) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        return project(torch.from_numpy(self._phi[n : n + 1]))[0].unflatten(2, self._sizes)

    def _unflatten(self, u: np.ndarray) -> Tensor:
        return torch.from_numpy(u).unflatten(1, self._sizes)


class NumbaPrimalDual(_FlatMinimisation):
    """The iteration of :class:`~.torch.space_time.TorchPrimalDual`."""

    def __init__(self, grid: SpaceTimeGrid, step: float) -> None:
        super().__init__(grid)
        number = self._dtype.type
        self._step_sizes = (number(step), number(1 / (step * grid.norm_bound)), number(RELAXATION))
        self._ratio = (step / np.array(grid.lengths)).astype(self._dtype)
        self._u = np.repeat(self._image[None], len(self._lengths), 0)
        self._lead = np.empty_like(self._image)

    def iterate(self, n_iter: int, cancelled: Sequence[object] = ()) -> list[float]:
        """See :class:`~.protocol.Minimisation`."""
        for _ in range(n_iter):
            before = self._image.copy()
            for piece in self._pieces():
                if cancelled:
                    return []
                kernel.primal_dual(
                    *(self._u, self._phi, before, self._ratio, *self._step_sizes),
                    *(self._grid, *piece, self._lead),
                )
        return []

    def _steps(self) -> Iterator[tuple[np.ndarray, float]]:
        u = self._image.copy()
        for length, phi in zip(self._lengths, self._phi, strict=True):
            yield u, kernel.admissible_step(u, phi, length, self._grid, self._projected)


class NumbaDescent(_FlatMinimisation):
    """The iteration of :class:`~.torch.space_time.TorchDescent`, with derivatives by hand."""

    def __init__(self, grid: SpaceTimeGrid, lr: float) -> None:
        super().__init__(grid)
        n = len(self._lengths)
        self._lr = lr
        self._n_iter = 0
        self._u = np.repeat(self._image[None], n + 1, 0)
        self._moments = tuple(np.zeros_like(x) for x in (self._u, self._u, self._phi, self._phi))
        self._speeds = np.array([n, *(1 / np.array(grid.lengths)), 0], self._dtype)
        self._rest = np.zeros((n + 2, *self._image.shape), self._dtype)
        self._gaps = np.empty(n, self._dtype)
        self._terms = np.empty(n)

    def iterate(self, n_iter: int, cancelled: Sequence[object] = ()) -> list[float]:
        """See :class:`~.protocol.Minimisation`."""
        values: list[float] = []
        state = (self._u, self._phi, self._speeds, self._grid)
        for _ in range(n_iter):
            np.subtract(self._u[0], self._image, out=self._rest[0])
            for piece in self._pieces():
                if cancelled:
                    return values
                kernel.residuals(*state, *piece, self._rest, self._gaps, self._terms)
            start = np.square(self._rest[0]).sum(dtype=np.float64)
            at_times = (self._terms + np.square(self._gaps, dtype=np.float64)).mean()
            values.append(float(at_times + start) / self._image.size)
            self._n_iter += 1
            rest = (self._rest, self._gaps, self._moments, self._adam(), self._projected)
            for piece in self._pieces():
                kernel.descend(*state, *piece, *rest)
        return values

    def _adam(self) -> tuple[np.generic, ...]:
        number, (beta, beta2) = self._dtype.type, BETAS
        rate = self._lr / (1 - beta**self._n_iter)
        bias2 = 1 - beta2**self._n_iter
        return tuple(number(x) for x in (rate, 1 - beta, 1 - beta2, EPSILON, 1 / bias2))

    def start(self) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        return self._unflatten(self._u[0])

    def _steps(self) -> Iterator[tuple[np.ndarray, float]]:
        for u, phi in zip(self._u[1:], self._phi, strict=True):
            still = self._dtype.type(0)
            yield u, kernel.admissible_step(u, phi, still, self._grid, self._projected)
