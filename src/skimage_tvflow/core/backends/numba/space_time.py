"""The flow of one image at all times at once on the CPU, compiled by numba."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import space_time_kernel as _spacetime
from skimage_tvflow.core.backends.protocol import SpaceTimeGrid
from skimage_tvflow.core.backends.torch.space_time import BETAS, EPSILON, RELAXATION

# Work on so many pixels is over before anybody waits for it to be cancelled.
_PIXELS_PER_CALL = 2**21


class TrajectoryLayout:
    """A grid in the form the compiled code takes."""

    def __init__(self, grid: SpaceTimeGrid) -> None:
        self.image = grid.image.contiguous().numpy().reshape(len(grid.image), -1)
        self.dtype = self.image.dtype
        self.sizes = tuple(grid.image.shape[1:])
        self.n_steps = len(grid.lengths)
        self.lengths = np.array(grid.lengths, self.dtype)
        strides = np.array([int(np.prod(self.sizes[a + 1 :])) for a in range(len(self.sizes))])
        inverse = 1 / np.array(grid.spacing, self.dtype)
        self.edges = np.empty((len(self.sizes), self.image.shape[1]), self.dtype)
        for axis, h in enumerate(inverse):
            edge = self.edges[axis].reshape(self.sizes)
            edge[...] = h
            edge[(slice(None),) * axis + (-1,)] = 0
        self.pad = int(strides[0])
        self.grid = (strides, inverse, self.edges, self.pad)
        rows = max(1, _PIXELS_PER_CALL // self.image.size)
        self.pieces = [
            (begin, min(begin + rows, self.n_steps)) for begin in range(0, self.n_steps, rows)
        ]

    def images(self, count: int) -> np.ndarray:
        """Images with room behind them, (count, C, pixels + pad)."""
        channels, pixels = self.image.shape
        return np.zeros((count, channels, pixels + self.pad), self.dtype)

    def duals(self, count: int) -> np.ndarray:
        """Dual variables with zeros in front, (count, C, n_axes, pad + pixels)."""
        channels, pixels = self.image.shape
        return np.zeros((count, channels, len(self.sizes), self.pad + pixels), self.dtype)

    def start(self, grid: SpaceTimeGrid) -> np.ndarray:
        """The dual variables to begin with."""
        phi = self.duals(self.n_steps)
        phi[..., self.pad :] = grid.start()[1].flatten(2).numpy()
        return phi

    def restored(self, u: np.ndarray) -> Tensor:
        """An image in its own shape, without the room behind it; the memory is the same."""
        return torch.from_numpy(u[:, : self.image.shape[1]]).unflatten(1, self.sizes)

    def projected(self, phi: np.ndarray) -> Tensor:
        """One dual variable, shortened to 1, (C, n_axes, *spatial)."""
        factor = np.empty(phi.shape[-1], self.dtype)
        _spacetime.shorten(phi, factor)
        short = torch.from_numpy((phi * factor)[..., self.pad :])
        return short.unflatten(2, self.sizes)


class NumbaPrimalDual:
    """The primal-dual iteration. See :class:`~skimage_tvflow.core.backends.torch.space_time.PrimalDual`."""

    def __init__(self, grid: SpaceTimeGrid, step: float) -> None:
        self._layout = layout = TrajectoryLayout(grid)
        number = layout.dtype.type
        self._steps = (number(step), number(1 / (step * grid.norm_bound)), number(RELAXATION))
        self._ratio = (step / np.array(grid.lengths)).astype(layout.dtype)
        self._u = np.empty((layout.n_steps, *layout.image.shape), layout.dtype)
        self._u[...] = layout.image
        self._phi = layout.start(grid)
        self._lead = layout.images(1)[0]

    def iterate(self, n_iter: int, cancelled: Sequence[object] = ()) -> list[float]:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        for _ in range(n_iter):
            before = self._layout.image.copy()
            for piece in self._layout.pieces:
                if cancelled:
                    return []
                _spacetime.primal_dual(
                    *(self._u, self._phi, before, self._ratio, *self._steps),
                    *(self._layout.grid, *piece, self._lead),
                )
        return []

    def gaps(self) -> Tensor:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        pairs = zip(self._admissible(), self._phi, strict=True)
        found = [_spacetime.gap(u, phi, factor, self._layout.grid) for (u, factor), phi in pairs]
        return torch.tensor(found, dtype=torch.float64)

    def start(self) -> Tensor:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        return self._layout.restored(self._layout.image)

    def trajectory(self) -> Iterator[Tensor]:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.PrimalDual`."""
        for u, _ in self._admissible():
            yield self._layout.restored(u).clone()

    def _admissible(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The image after every step, in the same array, and what shortens phi in the step."""
        layout = self._layout
        u = layout.images(1)[0]
        u[:, : layout.image.shape[1]] = layout.image
        factor = np.empty(self._phi.shape[-1], layout.dtype)
        for length, phi in zip(layout.lengths, self._phi, strict=True):
            _spacetime.shorten(phi, factor)
            _spacetime.advance(u, phi, factor, length, layout.grid)
            yield u, factor

    def dual(self, n: int) -> Tensor:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        return self._layout.projected(self._phi[n])


class NumbaDescent:
    """Adam on the loss of TVflowNET. See :class:`~skimage_tvflow.core.backends.torch.space_time.Descent`."""

    def __init__(self, grid: SpaceTimeGrid, lr: float) -> None:
        self._layout = layout = TrajectoryLayout(grid)
        self._lr = lr
        self._done = 0
        self._u = layout.images(layout.n_steps + 1)
        self._u[..., : layout.image.shape[1]] = layout.image
        self._phi = layout.start(grid)
        self._moments = tuple(np.zeros_like(x) for x in (self._u, self._u, self._phi, self._phi))
        self._speeds = np.append(1 / np.array(grid.lengths), 0).astype(layout.dtype)
        self._rest = layout.images(layout.n_steps + 1)
        self._normal = layout.duals(1)[0]
        self._gaps = np.empty(layout.n_steps, layout.dtype)
        self._terms = np.empty((layout.n_steps, 2))

    def iterate(self, n_iter: int, cancelled: Sequence[object] = ()) -> list[float]:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        layout = self._layout
        values: list[float] = []
        for _ in range(n_iter):
            for piece in layout.pieces:
                if cancelled:
                    return values
                _spacetime.residuals(
                    *(self._u, self._phi, self._speeds, layout.grid, *piece),
                    *(self._rest, self._gaps, self._terms),
                )
            values.append(self._value())
            self._done += 1
            adam = self._adam()
            for piece in layout.pieces:
                _spacetime.descend(
                    *(self._u, self._phi, layout.image, self._speeds, layout.grid, *piece),
                    *(self._rest, self._gaps, self._moments, adam, self._normal),
                )
        return values

    def _value(self) -> float:
        """The loss, from the terms of all steps."""
        pixels, image = self._layout.image.shape[1], self._layout.image
        start = np.square(self._u[0, :, :pixels] - image).sum(dtype=np.float64)
        at_times = self._terms.sum(1) + np.square(self._gaps, dtype=np.float64)
        return float((at_times.mean() + start) / image.size)

    def _adam(self) -> tuple[np.generic, ...]:
        number = self._layout.dtype.type
        beta, beta2 = BETAS
        rate = self._lr / (1 - beta**self._done)
        bias2 = 1 - beta2**self._done
        return tuple(number(x) for x in (rate, 1 - beta, 1 - beta2, EPSILON, 1 / bias2))

    def gaps(self) -> Tensor:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        factor = np.empty(self._phi.shape[-1], self._layout.dtype)
        found = np.empty(self._layout.n_steps)
        for n, phi in enumerate(self._phi):
            _spacetime.shorten(phi, factor)
            found[n] = _spacetime.gap(self._u[n + 1], phi, factor, self._layout.grid)
        return torch.from_numpy(found)

    def start(self) -> Tensor:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        return self._layout.restored(self._u[0])

    def trajectory(self) -> Iterator[Tensor]:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        yield from map(self._layout.restored, self._u[1:])

    def dual(self, n: int) -> Tensor:
        """See :class:`~skimage_tvflow.core.backends.torch.space_time.Minimisation`."""
        return self._layout.projected(self._phi[n])
