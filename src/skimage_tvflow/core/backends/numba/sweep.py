"""Implicit Euler steps on the CPU, compiled by numba, for one to three spatial axes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba.multigrid import NumbaMultigrid, multigrid_of
from skimage_tvflow.core.backends.numba.row_blocks import RowBlock, RowStorage, make_row_blocks
from skimage_tvflow.core.backends.numba.row_limits import RowLimits
from skimage_tvflow.core.backends.numba.sweep_kernel import compile_sweeps
from skimage_tvflow.core.backends.protocol import FrameBuffer, representable
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.parallel import run_all
from skimage_tvflow.core.progress import Report

# Memory that the iterations of one pass may touch at once: half of a common second-level cache.
# With more, rows leave the cache between two iterations; with less, there are more passes.
_CACHE_BYTES = 512 * 1024
# Iterations of one pass, at most: more gain nothing, even where they fit.
_MOST_DEPTH = 12
# Pixels times iterations of a tenth of a second: longer computations listen for Ctrl-C.
_LONG = 2**28


class NumbaTrajectory:
    """The :class:`~.protocol.Trajectory` of numba."""

    def __init__(self, u: Tensor, spacing: Sequence[float], domain: Domain | None = None) -> None:
        self._shape, self._dtype = tuple(u.shape), u.dtype
        n = len(u)
        self._storage = RowStorage.of(u.shape[1:], spacing, u.numpy().dtype)
        self._blocks, self._lasting = make_row_blocks(self._storage, n, torch.get_num_threads())
        self._newest = np.zeros(n, np.int64)
        self._length = np.ones(n)
        self._limits = None if domain is None else RowLimits(self._storage, domain.to(u))
        self._multigrid: NumbaMultigrid | None = None
        self.reset_primal(np.arange(n), u)

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
        """See :class:`~.protocol.Trajectory`."""
        lengths = representable(lengths, self._dtype)
        if not n_cycles:
            momenta = Momentum.planned(n_iter, self._storage.bound)
            sweeps = self._sweeps(np.asarray(n_steps), lengths, n_iter, momenta)
            self._sweep(items, lengths, sweeps, range(sweeps.count), frames, report)
            return
        momenta = (Momentum.after_cycle(self._storage.bound),)
        done, total = 0, sum(n_steps) * n_cycles
        ends = [n_iter * j // n_cycles for j in range(n_cycles + 1)]
        for m, count in enumerate(n_steps):
            step = lengths[m : m + 1]
            sweeps = self._sweeps(np.ones(1, np.int64), step, n_iter, momenta)
            for _ in range(count):
                for begin, end in itertools.pairwise(ends):
                    self._rescale(items, step[0])
                    self._cycle(items)
                    self._sweep(items, step, sweeps, range(begin, end))
                    done += 1
                    if report is not None:
                        report(done / total)
            if frames is not None:
                frames.put(m, self.primal(items))

    def _sweeps(
        self, n_steps: np.ndarray, lengths: np.ndarray, n_iter: int, momenta: Sequence[Momentum]
    ) -> _Sweeps:
        return _Sweeps(self._storage, self._limits, n_steps, lengths, n_iter, momenta)

    def _sweep(
        self,
        items: np.ndarray,
        lengths: np.ndarray,
        sweeps: _Sweeps,
        iterations: range,
        frames: FrameBuffer | None = None,
        report: Report | None = None,
    ) -> None:
        """Take some ``iterations`` of ``sweeps``; the last one ends the last time step."""
        self._rescale(items, lengths[0])
        total = len(iterations) * len(items) * len(self._blocks)
        done = np.zeros((len(items), len(self._blocks), 1), np.int64)
        cancel = np.zeros(1, np.bool_)
        out = [_frame_rows(frames, i, self._storage) for i in range(len(items))]
        watch: Callable[[], None] | None = None
        if report is not None:
            watch = lambda: report(float(done.sum()) / total)  # noqa: E731
        elif total * self._storage.n_rows * self._storage.width > _LONG:
            # Compiled code does not see Ctrl-C; this thread does if it only waits and watches.
            watch = lambda: None  # noqa: E731
        # A single block needs no halo, so nothing limits its iterations.
        lasting = self._lasting if len(self._blocks) > 1 else max(len(iterations), 1)
        for begin in range(iterations.start, iterations.stop, lasting):
            chosen = (begin, min(begin + lasting, iterations.stop))
            tasks = [
                functools.partial(
                    sweeps.run,
                    *(i, chosen, block, item, self._newest[item], out[i], done[i, j], cancel),
                )
                for i, item in enumerate(items)
                for j, block in enumerate(self._blocks)
            ]
            run_all(tasks, torch.get_num_threads(), watch, lambda: cancel.fill(True))
            if watch is not None:
                watch()
            self._newest[items] = (self._newest[items] + chosen[1] - chosen[0]) % 2
            for upper, lower in itertools.pairwise(self._blocks):
                upper.copy_halo(items, lower)
                lower.copy_halo(items, upper)
        if iterations.stop == sweeps.count:
            self._length[items] = lengths[-1]

    def _cycle(self, items: np.ndarray) -> None:
        """Take one multigrid cycle with every item, in whole images."""
        if self._multigrid is None:
            self._multigrid = multigrid_of(self._storage, self._limits)
        if len(self._blocks) == 1:
            block = self._blocks[0]
            cycle, newest = self._multigrid.cycle, self._newest
            tasks = [
                functools.partial(cycle, block.f[item], block.phi[item], newest[item], item)
                for item in items
            ]
            run_all(tasks, torch.get_num_threads())
            return
        for item in items:
            whole = RowBlock.joined(self._storage, self._blocks, item)
            self._multigrid.cycle(whole.f[0], whole.phi[0], self._newest[item], item)
            for block in self._blocks:
                block.copy_dual(item, whole)

    def _rescale(self, items: np.ndarray, lengths: np.ndarray) -> None:
        """Make f the image divided by ``lengths``, shape (n,)."""
        for item, length in zip(items, lengths, strict=True):
            if self._length[item] != length:
                for block in self._blocks:
                    block.f[item] *= block.f.dtype.type(self._length[item] / length)
        self._length[items] = lengths

    def primal(self, items: np.ndarray) -> Tensor:
        """See :class:`~.protocol.Trajectory`."""
        storage = self._storage
        out = np.empty((len(items), storage.channels, storage.n_rows, storage.width), storage.dtype)
        lengths = self._length[items].astype(storage.dtype)
        for block in self._blocks:
            rows = out[:, :, block.own.start : block.own.stop]
            for n, item in enumerate(items):
                own = block.f[item, :, block.inner, : storage.width]
                np.multiply(own, lengths[n], out=rows[n])
        return torch.from_numpy(out.reshape(len(items), *self._shape[1:]))

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """See :class:`~.protocol.Trajectory`."""
        rows = (len(items), self._shape[1], self._storage.n_rows, self._storage.width)
        images = u.numpy().reshape(rows)
        for block in self._blocks:
            block.reset(items, images, self._length[items])

    def dual(self, items: np.ndarray, slab: slice | None = None) -> Tensor:
        """See :class:`~.protocol.Trajectory`."""
        storage, (channels, *sizes) = self._storage, self._shape[1:]
        if slab is not None and len(storage.axes) == 1:  # the first axis may lie along the row
            return self.dual(items)[:, :, :, slab]
        begin, end, _ = (slab or slice(None)).indices(sizes[0])
        rows = range(begin * storage.n_rows // sizes[0], end * storage.n_rows // sizes[0])
        shape = (len(items), channels, len(sizes))
        out = np.zeros((*shape, len(rows), storage.width), storage.dtype)
        for block in self._blocks:
            own = range(max(rows.start, block.own.start), min(rows.stop, block.own.stop))
            if not own:
                continue
            here = slice(own.start - rows.start, own.stop - rows.start)
            lag = storage.lag - block.first
            for n, item in enumerate(items):
                newest = block.phi[item, self._newest[item], ..., : storage.width]
                for i, axis in enumerate(reversed(storage.axes)):
                    out[n, :, axis, here] = newest[:, i, own.start + lag : own.stop + lag]
        return torch.from_numpy(out.reshape(*shape, end - begin, *sizes[1:]))


class _Sweeps:
    """The iterations of one call of ``advance``, in the form that the compiled code takes."""

    def __init__(
        self,
        storage: RowStorage,
        limits: RowLimits | None,
        n_steps: np.ndarray,
        lengths: np.ndarray,
        n_iter: int,
        momenta: Sequence[Momentum],
    ) -> None:
        dtype = storage.dtype
        self.count = int(n_steps.sum()) * n_iter
        self._storage, self._limits = storage, limits
        self._lengths = np.ascontiguousarray(lengths.T, dtype)
        self._depth = min(_depth(storage), self.count)
        self._steps = (n_steps, n_iter)
        self._constants = (
            np.array([(m.beta, m.gamma, m.step) for m in momenta], dtype),
            (1 / np.array(storage.spacing[::-1])).astype(dtype),
            self._depth,
        )
        self._tiny = dtype.type(1e-30)
        self._no_limits = np.empty(0, dtype), np.empty(0, dtype)
        self._compiled = compile_sweeps(
            len(storage.axes), storage.channels > 1, dtype.itemsize, limits is not None
        )

    def run(
        self,
        i: int,
        chosen: tuple[int, int],
        block: RowBlock,
        item: int,
        newest: int,
        frames: tuple[np.ndarray, int, np.generic, np.ndarray],
        done: np.ndarray,
        cancel: np.ndarray,
    ) -> None:
        """Take the ``chosen`` iterations of ``item``, the call's ``i``-th, in one block."""
        storage = self._storage
        slots = self._depth * (storage.lag + 1) * storage.channels
        ring = storage.aligned(slots * (storage.stride + storage.lanes))
        n_steps, n_iter = self._steps
        limits = self._no_limits
        if self._limits is not None:
            limits = self._limits.of(item, slice(block.first, block.first + block.n_rows))
        self._compiled(
            *(block.f[item].reshape(-1), block.phi[item].reshape(-1), newest, block.grid()),
            *(n_steps, self._lengths[i], n_iter, chosen, *frames, *self._constants),
            *(*limits, self._tiny, ring, done, cancel),
        )


def _frame_rows(
    frames: FrameBuffer | None, i: int, storage: RowStorage
) -> tuple[np.ndarray, int, np.generic, np.ndarray]:
    """Return the memory of the frames of one item, their distance in it, their scale and offset."""
    number = storage.dtype.type
    if frames is None:
        return np.empty(0, storage.dtype), 0, number(1), np.zeros(storage.channels, storage.dtype)
    out = frames.out[i]
    length = (len(out) - 1) * out.stride(0) + out[0].numel()
    flat = out.as_strided((length,), (1,)).numpy()
    return flat, out.stride(0), number(frames.scale[i]), frames.offset[i].numpy()


def _depth(storage: RowStorage) -> int:
    """Return how many iterations may pass over the image together and stay in the cache."""
    line = storage.lag * storage.stride * storage.channels * storage.dtype.itemsize
    # Each iteration is on a line of its own and reads its neighbours' lines: f, two duals, and v.
    touched = line * (2 + 2 * len(storage.axes))
    return int(np.clip(_CACHE_BYTES // touched - 2, 1, _MOST_DEPTH))
