r"""Multigrid cycles for the dual of an implicit Euler step: the levels, and a cycle for an item.

The problem is :math:`\min_{|\phi| \le R} \tfrac12 \|v\|^2` with
:math:`v = f + \mathrm{div}\,\phi`. A coarse level has the mean of v over its cells and,
on each face, the mean of phi over the fine faces there; so its divergence is the mean of the fine
one. At a last cell that is not whole, the width of the cell is in the divergence and the area A
of its faces in the gradient, which stays the adjoint.

Where the constraint is active, :math:`g = \lambda \phi` with a multiplier. That force is restricted
as well: with

.. math:: \tau_c = |P^T \lambda \phi| \frac{\phi_0}{|\phi_0|} - P^T \lambda \phi + P^T \tau

phi_0, the restriction of phi, solves the coarse problem if phi solves the fine one. The radius of
a coarse cell is :math:`|\phi_0|` plus the least room that its children leave. The change of phi on
the coarse level is interpolated linearly between faces (P), added, and projected; on the image
itself only as far along as the energy falls, so no cycle ever increases it. This is the full
approximation scheme of Brandt, "Multi-level adaptive solutions to boundary-value problems", Math.
Comp. 31 (1977), for a problem with constraints.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np

from skimage_tvflow.core.backends.numba import multigrid_level_kernel as level_kernel
from skimage_tvflow.core.backends.numba.multigrid_kernel import compile_cycle
from skimage_tvflow.core.backends.numba.row_blocks import RowStorage
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.operators import norm_bound

# Iterations of a coarse level before and after each visit of the next one, and those of the
# coarsest level. An axis with fewer than _LEAST_PIXELS is not halved. At 512 x 512 two iterations
# make the error of a step 10 to 35 % larger and save 3 % of the time; four make it 6 to 16 %
# smaller and cost 5 %.
_SWEEPS, _COARSEST_SWEEPS, _LEAST_PIXELS = 3, 20, 16


@dataclass(frozen=True)
class Level:
    """A grid: per axis, the last one first, spacing and widths of the cells in units of it.

    Attributes
    ----------
    storage : RowStorage, how its arrays lie in memory
    widths : one array per axis; 1, but less in a last cell that is not whole
    halved : per axis, 2 if the next level has half the cells along it, otherwise 1
    """

    storage: RowStorage
    widths: tuple[np.ndarray, ...]
    halved: tuple[int, ...]

    @classmethod
    def of(cls, storage: RowStorage, widths: tuple[np.ndarray, ...]) -> Level:
        """Choose the axes that are halved: those of the finest spacing, long enough to be."""
        sizes, spacing = storage.sizes[::-1], storage.spacing[::-1]
        long = [h for h, n in zip(spacing, sizes, strict=True) if n >= _LEAST_PIXELS]
        finest = min(long, default=0.0)
        halved = [
            2 if n >= _LEAST_PIXELS and h < 2 * finest else 1
            for h, n in zip(spacing, sizes, strict=True)
        ]
        return cls(storage, widths, tuple(halved))

    def coarser(self) -> Level:
        """The next level."""
        s = self.storage
        factors = self.halved[::-1]
        sizes = tuple(-(-n // q) for n, q in zip(s.sizes, factors, strict=True))
        spacing = tuple(h * q for h, q in zip(s.spacing, factors, strict=True))
        widths = tuple(
            np.add.reduceat(w, np.arange(0, len(w), q)) / q
            for w, q in zip(self.widths, self.halved, strict=True)
        )
        bound = norm_bound(spacing, sizes)
        axes = tuple(range(len(sizes)))
        return Level.of(RowStorage(s.channels, axes, sizes, spacing, bound, s.dtype), widths)

    @property
    def ends(self) -> bool:
        """Whether this is the coarsest level."""
        return max(self.halved) == 1

    @property
    def per_plane(self) -> int:
        """Rows of a plane."""
        sizes = self.storage.sizes
        return sizes[-2] if len(sizes) > 1 else 1

    def geometry(self) -> list[int]:
        """The numbers that the compiled code needs; see :mod:`.multigrid_level_kernel`."""
        s, halved = self.storage, (*self.halved, 1, 1)[:3]
        return [s.n_rows, s.stride, s.lag, *halved, self.per_plane]

    def arrays(self, inner: bool) -> list[np.ndarray]:
        """All arrays of the level, empty or filled; ``inner`` for one below the image."""
        s = self.storage
        n, image = s.channels * len(s.sizes), s.n_rows * s.stride
        dual = (s.n_rows + s.lag) * s.stride
        empty = [
            s.channels * image * inner, 2 * n * dual * inner, n * dual * inner, n * image * inner,
            image * inner, s.channels * dual, n * image, image, 2 * s.stride,
        ]  # fmt: skip
        return [np.zeros(size) for size in empty] + self._tables()

    def _tables(self) -> list[np.ndarray]:
        s, widths = self.storage, self.widths
        n, spacing = len(widths), s.spacing[::-1]
        pixels = np.arange(s.stride) < s.width
        column = np.zeros(s.stride)
        column[: s.width] = widths[0]
        inner = [np.arange(len(w)) < len(w) - 1 for w in widths]
        column_div, column_grad = np.tile(pixels, (n, 1)) * 1.0, np.tile(column, (n, 1))
        column_div[0, : s.width] = 1 / (spacing[0] * widths[0])
        column_grad[0] = 0
        column_grad[0, : s.width] = inner[0] / spacing[0]
        means = [_weights(w, q) for w, q in zip(widths, self.halved, strict=True)]
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
        pad = np.where(pixels, 0, level_kernel.NUMBERS[level_kernel.LARGE])
        return [column_div, column_grad, column_mean, pad, row_div, row_grad, row_mean]


def _weights(widths: np.ndarray, factor: int) -> np.ndarray:
    """The weights of cells in the mean over their coarse cell."""
    total = np.add.reduceat(widths, np.arange(0, len(widths), factor))
    return widths / np.repeat(total, factor)[: len(widths)]


class Multigrid:
    """Cycles for items of one shape."""

    def __init__(self, storage: RowStorage) -> None:
        levels = [Level.of(storage, tuple(np.ones(n) for n in storage.sizes[::-1]))]
        while not levels[-1].ends:
            levels.append(levels[-1].coarser())
        self._dtype, self._channels = storage.dtype, storage.channels
        self._n_axes = len(storage.sizes)
        self.n_levels = len(levels)
        self._geometries = np.array([level.geometry() for level in levels])
        self._sizes = np.array([[*level.storage.sizes[::-1], 1, 1][:3] for level in levels])
        # A level with a quarter of the pixels is visited twice, one with half of them once.
        ratios = [math.prod(level.halved) for level in levels]
        self._visits = np.array([2 if ratio > 2 else int(ratio > 1) for ratio in ratios])
        parts, offsets, at = [], [], 0
        for i, level in enumerate(levels):
            for array in level.arrays(inner=i > 0):
                size = -(-array.size // storage.lanes) * storage.lanes
                parts.append(np.zeros(size, storage.dtype))
                parts[-1][: array.size] = array.reshape(-1)
                offsets.append(at)
                at += size
        self._offsets = np.array(offsets).reshape(len(levels), -1)
        self._template = np.concatenate(parts)
        self._local = threading.local()
        self._storage = storage
        momenta = [Momentum.in_cycle(level.storage.bound) for level in levels]
        self._momenta = np.array([(m.beta, m.gamma, m.step) for m in momenta], storage.dtype)
        self._numbers = np.array(level_kernel.NUMBERS, storage.dtype)
        self._compiled = compile_cycle(storage.dtype.itemsize)

    def _workspace(self) -> np.ndarray:
        """Memory for one item at a time: every thread has its own."""
        work = getattr(self._local, "work", None)
        if work is None:
            # The tail is read, never used, where the last row is shorter than a vector.
            work = self._storage.aligned(self._template.size + 4 * self._storage.lanes)
            work[: self._template.size] = self._template
            self._local.work = work
        return work

    def cycle(self, f: np.ndarray, phi: np.ndarray, newest: int) -> None:
        """Take one cycle for an item in a single block: f and phi with both of its buffers."""
        if self.n_levels == 1:
            return
        self._compiled(
            *(self._channels, self._n_axes, self._geometries, self._offsets, self._sizes),
            *(self._visits, self._workspace(), f.reshape(-1), phi.reshape(-1), newest),
            *(self._momenta, _SWEEPS, _COARSEST_SWEEPS, self._numbers),
            np.empty(2 * self._storage.lanes, self._dtype),
        )
