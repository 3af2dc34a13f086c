"""Multigrid cycles on the CPU: the memory of the levels, and a cycle for an item.

The mathematics is that of :mod:`.torch.multigrid`, with axes counted from the last one, which lies
along the rows.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import numpy as np

from skimage_tvflow.core.backends import coarse_grids
from skimage_tvflow.core.backends.coarse_grids import Grid, grids_of, visits_of
from skimage_tvflow.core.backends.numba import multigrid_level_kernel as level_kernel
from skimage_tvflow.core.backends.numba.multigrid_kernel import compile_cycle
from skimage_tvflow.core.backends.numba.row_blocks import RowStorage
from skimage_tvflow.core.backends.numba.row_limits import RowLimits
from skimage_tvflow.core.momentum import Momentum


@dataclass(frozen=True)
class RowLevel:
    """A grid, and how its arrays lie in memory."""

    grid: Grid
    storage: RowStorage

    @classmethod
    def of(cls, grid: Grid, image: RowStorage) -> RowLevel:
        """The level of ``grid``, on the way from ``image``."""
        axes = tuple(range(len(grid.sizes)))
        storage = RowStorage(
            image.channels, axes, grid.sizes, grid.spacing, grid.bound, image.dtype
        )
        return cls(grid, storage)

    @property
    def per_plane(self) -> int:
        """Rows of a plane."""
        sizes = self.storage.sizes
        return sizes[-2] if len(sizes) > 1 else 1

    def geometry(self) -> list[int]:
        """The numbers that the compiled code needs; see :mod:`.multigrid_level_kernel`."""
        s, halved = self.storage, (*self.grid.halved[::-1], 1, 1)[:3]
        return [s.n_rows, s.stride, s.lag, *halved, self.per_plane]

    def arrays(self, inner: bool, bounded: bool) -> list[np.ndarray]:
        """All arrays of the level, empty or filled; ``inner`` for one below the image.

        ``bounded`` where there are :class:`.RowLimits`.
        """
        s = self.storage
        n, image = s.channels * len(s.sizes), s.n_rows * s.stride
        dual = (s.n_rows + s.lag) * s.stride
        empty = [
            s.channels * image * inner, 2 * n * dual * inner, n * dual * inner, n * image * inner,
            image * (inner or bounded), s.channels * dual, n * image, image, 2 * s.stride,
            len(s.sizes) * image * bounded,
        ]  # fmt: skip
        return [np.zeros(size) for size in empty] + self._tables()

    def coarser_faces(self, faces: np.ndarray) -> np.ndarray:
        """The open faces of the next grid, from those here, (n_axes, n_rows, stride)."""
        s = self.storage
        own = faces[..., : s.width].reshape(len(s.sizes), *s.sizes)[::-1]
        coarse = self.grid.coarser_faces(own)[::-1]
        width = coarse.shape[-1]
        out = np.zeros((len(coarse), coarse[0].size // width, -(-width // s.lanes) * s.lanes))
        out[..., :width] = coarse.reshape(len(coarse), -1, width)
        return out.astype(s.dtype)

    def _tables(self) -> list[np.ndarray]:
        s, widths = self.storage, self.grid.widths[::-1]
        n, spacing = len(widths), s.spacing[::-1]
        pixels = np.arange(s.stride) < s.width
        column = np.zeros(s.stride)
        column[: s.width] = widths[0]
        inner = [np.arange(len(w)) < len(w) - 1 for w in widths]
        column_div, column_grad = np.tile(pixels, (n, 1)) * 1.0, np.tile(column, (n, 1))
        column_div[0, : s.width] = 1 / (spacing[0] * widths[0])
        column_grad[0] = 0
        column_grad[0, : s.width] = inner[0] / spacing[0]
        means = self.grid.shares[::-1]
        column_mean = np.zeros(s.stride)
        column_mean[: s.width] = means[0]
        # The other two axes: y changes from row to row, z from plane to plane.
        rest = [*range(1, n), *[-1] * (3 - n)]
        y_widths, z_widths = (widths[i] if i > 0 else np.ones(1) for i in rest)
        y, z = np.tile(y_widths, len(z_widths)), np.repeat(z_widths, len(y_widths))
        row_div, row_grad = np.ones((n, s.n_rows)), np.empty((n, s.n_rows))
        row_grad[0] = y * z
        if n > 1:
            row_div[1] = 1 / (spacing[1] * y)
            row_grad[1] = np.tile(inner[1], len(z_widths)) * z / spacing[1]
        if n > 2:
            row_div[2] = 1 / (spacing[2] * z)
            row_grad[2] = np.repeat(inner[2], len(y_widths)) * y / spacing[2]
        row_mean = np.concatenate([means[i] if i > 0 else np.ones(1) for i in rest])
        pad = np.where(pixels, 0, level_kernel.numbers_as(s.dtype)[level_kernel.LARGE])
        return [column_div, column_grad, column_mean, pad, row_div, row_grad, row_mean]


# Those without limits that are in use: trajectories of one shape share the memory.
_in_use: weakref.WeakValueDictionary[RowStorage, NumbaMultigrid] = weakref.WeakValueDictionary()


def multigrid_of(storage: RowStorage, limits: RowLimits | None = None) -> NumbaMultigrid:
    """Return the cycles for items of this storage."""
    if limits is not None:
        return NumbaMultigrid(storage, limits)
    found = _in_use.get(storage)
    if found is None:
        found = NumbaMultigrid(storage)
        _in_use[storage] = found
    return found


class NumbaMultigrid:
    """Cycles for items of one shape."""

    def __init__(self, storage: RowStorage, limits: RowLimits | None = None) -> None:
        grids = grids_of(storage.sizes, storage.spacing)
        levels = [RowLevel.of(grid, storage) for grid in grids]
        self._dtype, self._channels = storage.dtype, storage.channels
        self._n_axes = len(storage.sizes)
        self.n_levels = len(levels)
        self._geometries = np.array([level.geometry() for level in levels])
        self._sizes = np.array([[*level.storage.sizes[::-1], 1, 1][:3] for level in levels])
        self._visits = np.array(visits_of(grids))
        offsets, tables, at = [], [], 0
        for i, level in enumerate(levels):
            for array in level.arrays(i > 0, limits is not None):
                offsets.append(at)
                if array.any():
                    tables.append((at, array.reshape(-1)))
                at += -(-array.size // storage.lanes) * storage.lanes
        self._offsets = np.array(offsets).reshape(len(levels), -1)
        # The tail is read, never used, where the last row is shorter than a vector.
        self._work = storage.aligned(at + 4 * storage.lanes)
        for begin, numbers in tables:
            self._work[begin : begin + numbers.size] = numbers
        self._is_taken, self._taking = False, threading.Lock()
        self._local = threading.local()
        self._storage, self._bounded = storage, limits is not None
        # Of every item of the limits: what each array of limits begins at, and its numbers.
        self._limits: list[list[tuple[int, np.ndarray]]] = []
        if limits is not None:
            for faces, radius in zip(limits.faces, limits.radius, strict=True):
                kept = [(int(self._offsets[0, level_kernel.RADIUS]), radius.reshape(-1))]
                for begins, level in zip(self._offsets, levels, strict=True):
                    kept.append((int(begins[level_kernel.FACES]), faces.reshape(-1)))
                    faces = level.coarser_faces(faces)
                self._limits.append(kept)
        momenta = [Momentum.in_cycle(grid.bound) for grid in grids]
        self._momenta = np.array([(m.beta, m.gamma, m.step) for m in momenta], storage.dtype)
        self._numbers = level_kernel.numbers_as(storage.dtype)
        self._compiled = compile_cycle(storage.dtype.itemsize)

    def _workspace(self) -> np.ndarray:
        """Memory for one item at a time: every thread has its own."""
        work = getattr(self._local, "work", None)
        if work is None:
            with self._taking:
                is_first, self._is_taken = not self._is_taken, True
            work = self._work
            if not is_first:
                # The tables, which nobody changes; a cycle writes all else before it reads it.
                work = self._storage.aligned(len(self._work))
                work[:] = self._work
            self._local.work = work
        return work

    def cycle(self, f: np.ndarray, phi: np.ndarray, newest: int, item: int = 0) -> None:
        """Take one cycle for an item in a single block: f and phi with both of its buffers."""
        if self.n_levels == 1:
            return
        work = self._workspace()
        for at, numbers in self._limits[item % len(self._limits)] if self._bounded else ():
            work[at : at + numbers.size] = numbers
        self._compiled(
            *(self._channels, self._n_axes, self._geometries, self._offsets, self._sizes),
            *(self._visits, work, f.reshape(-1), phi.reshape(-1), newest, self._bounded),
            *(self._momenta, coarse_grids.SWEEPS, coarse_grids.COARSEST_SWEEPS, self._numbers),
            np.empty(2 * self._storage.lanes, self._dtype),
        )
