"""The implicit Euler march on the CPU, compiled by numba, for one to three spatial axes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import sweep_kernel as _sweep
from skimage_tvflow.core.backends.numba.row_blocks import RowBlock, RowLayout, make_row_blocks
from skimage_tvflow.core.backends.protocol import FrameBuffer, representable
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.parallel import run_all
from skimage_tvflow.core.progress import Report

# What a wavefront may keep in use at once: half of a common second-level cache.
_CACHE_BYTES = 512 * 1024
# Iterations that pass over the image together, at most: more gain nothing even where they fit.
_MOST_DEPTH = 12
# So many pixels times iterations take a tenth of a second.
_LONG = 2**28


class NumbaTrajectory:
    """The state of implicit Euler trajectories on the CPU. See :class:`~.Trajectory`."""

    def __init__(self, u: Tensor, spacing: Sequence[float]) -> None:
        self._shape, self._dtype = tuple(u.shape), u.dtype
        n = len(u)
        self._layout = RowLayout.of(u.shape[1:], spacing, u.numpy().dtype)
        self._blocks, self._lasting = make_row_blocks(self._layout, n, torch.get_num_threads())
        self._newest = np.zeros(n, np.int64)
        self._length = np.ones(n)
        self.reset_primal(np.arange(n), u)

    def advance(
        self,
        items: np.ndarray,
        n_steps: Sequence[int],
        lengths: np.ndarray,
        n_iter: int,
        frames: FrameBuffer | None = None,
        report: Report | None = None,
    ) -> None:
        """See :meth:`.Trajectory.advance`."""
        lengths = representable(lengths, self._dtype)
        self._rescale(items, lengths[0])
        plan = SweepPlan(self._layout, np.asarray(n_steps, np.int64), lengths, n_iter)
        total = plan.n_stages * len(items) * len(self._blocks)
        done = np.zeros((len(items), len(self._blocks), 1), np.int64)
        cancel = np.zeros(1, np.bool_)
        out = [_frame_rows(frames, i, self._layout) for i in range(len(items))]
        watch: Callable[[], None] | None = None
        if report is not None:
            watch = functools.partial(_tell, report, done, total)
        elif total * self._layout.n_rows * self._layout.width > _LONG:
            # Compiled code does not see an interruption; a thread that waits for it does.
            watch = _nothing
        # One block needs no halo, and goes all the way.
        lasting = self._lasting if len(self._blocks) > 1 else plan.n_stages
        for begin in range(0, plan.n_stages, lasting):
            stages = (begin, min(begin + lasting, plan.n_stages))
            tasks = [
                functools.partial(
                    plan.march,
                    *(i, stages, block, item, self._newest[item], out[i], done[i, j], cancel),
                )
                for i, item in enumerate(items)
                for j, block in enumerate(self._blocks)
            ]
            run_all(tasks, torch.get_num_threads(), watch, lambda: cancel.fill(True))
            if watch is not None:
                watch()
            self._newest[items] = (self._newest[items] + stages[1] - stages[0]) % 2
            for upper, lower in itertools.pairwise(self._blocks):
                upper.copy_halo(items, lower)
                lower.copy_halo(items, upper)
        self._length[items] = lengths[-1]

    def _rescale(self, items: np.ndarray, lengths: np.ndarray) -> None:
        """Put f in proportion to steps of ``lengths``, shape (n,)."""
        for item, length in zip(items, lengths, strict=True):
            if self._length[item] != length:
                for block in self._blocks:
                    block.f[item] *= block.f.dtype.type(self._length[item] / length)

    def primal(self, items: np.ndarray) -> Tensor:
        """See :meth:`.Trajectory.primal`."""
        layout = self._layout
        out = np.empty((len(items), layout.channels, layout.n_rows, layout.width), layout.dtype)
        lengths = self._length[items].astype(layout.dtype)
        for block in self._blocks:
            rows = out[:, :, block.own.start : block.own.stop]
            for n, item in enumerate(items):
                own = block.f[item, :, block.inner, : layout.width]
                np.multiply(own, lengths[n], out=rows[n])
        return torch.from_numpy(out.reshape(len(items), *self._shape[1:]))

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """See :meth:`.Trajectory.reset_primal`."""
        rows = (len(items), self._shape[1], self._layout.n_rows, self._layout.width)
        images = u.numpy().reshape(rows)
        for block in self._blocks:
            block.reset(items, images, self._length[items])

    def dual(self, items: np.ndarray, slab: slice | None = None) -> Tensor:
        """See :meth:`.Trajectory.dual`."""
        layout, (channels, *sizes) = self._layout, self._shape[1:]
        if slab is not None and len(layout.axes) == 1:  # the first axis may lie along the row
            return self.dual(items)[:, :, :, slab]
        begin, end, _ = (slab or slice(None)).indices(sizes[0])
        rows = range(begin * layout.n_rows // sizes[0], end * layout.n_rows // sizes[0])
        shape = (len(items), channels, len(sizes))
        out = np.zeros((*shape, len(rows), layout.width), layout.dtype)
        for block in self._blocks:
            own = range(max(rows.start, block.own.start), min(rows.stop, block.own.stop))
            if not own:
                continue
            here = slice(own.start - rows.start, own.stop - rows.start)
            lag = layout.lag - block.first
            for n, item in enumerate(items):
                newest = block.phi[item, self._newest[item], ..., : layout.width]
                for i, axis in enumerate(reversed(layout.axes)):
                    out[n, :, axis, here] = newest[:, i, own.start + lag : own.stop + lag]
        return torch.from_numpy(out.reshape(*shape, end - begin, *sizes[1:]))


def _tell(report: Report, done: np.ndarray, total: int) -> None:
    report(float(done.sum()) / total)


def _nothing() -> None:
    pass


class SweepPlan:
    """What a march is to do, in the form the compiled code takes."""

    def __init__(
        self, layout: RowLayout, n_steps: np.ndarray, lengths: np.ndarray, n_iter: int
    ) -> None:
        dtype = layout.dtype
        self._layout = layout
        self._n_steps = n_steps
        self._lengths = np.ascontiguousarray(lengths.T, dtype)
        self._n_iter = n_iter
        self.n_stages = int(n_steps.sum()) * n_iter
        momenta = Momentum.planned(n_iter, layout.bound)
        h = 1 / np.array(layout.spacing[::-1])
        self._momenta = np.array([(m.beta, m.gamma, m.step) for m in momenta], dtype)
        self._h = h.astype(dtype)
        self._depth = min(_depth(layout), self.n_stages)
        self._compiled = _sweep.make_march(len(layout.axes), layout.channels > 1, dtype.itemsize)

    def march(
        self,
        i: int,
        stages: tuple[int, int],
        block: RowBlock,
        item: int,
        newest: int,
        frames: tuple[np.ndarray, int, np.generic, np.ndarray],
        done: np.ndarray,
        cancel: np.ndarray,
    ) -> None:
        """Take ``stages`` of the march of ``item``, the plan's ``i``-th, in one block."""
        layout = self._layout
        slots = self._depth * (layout.lag + 1) * layout.channels
        ring = layout.aligned(slots * (layout.stride + layout.lanes))
        self._compiled(
            *(block.f[item].reshape(-1), block.phi[item].reshape(-1), newest, block.grid()),
            *(self._n_steps, self._lengths[i], self._n_iter, stages, *frames),
            *(self._momenta, self._h, self._depth, ring, done, cancel),
        )


def _frame_rows(
    frames: FrameBuffer | None, i: int, layout: RowLayout
) -> tuple[np.ndarray, int, np.generic, np.ndarray]:
    """Where the frames of one item go, how far apart they are, and their scale and offset."""
    number = layout.dtype.type
    if frames is None:
        return np.empty(0, layout.dtype), 0, number(1), np.zeros(layout.channels, layout.dtype)
    out = frames.out[i]
    length = (len(out) - 1) * out.stride(0) + out[0].numel()
    flat = out.as_strided((length,), (1,)).numpy()
    return flat, out.stride(0), number(frames.scale[i]), frames.offset[i].numpy()


def _depth(layout: RowLayout) -> int:
    """How many iterations pass over the image together: what they touch is to stay in the cache."""
    line = layout.lag * layout.stride * layout.channels * layout.dtype.itemsize
    # f, two duals, and v; a stage is on a line, looks at those beside it, and shares them.
    touched = line * (2 + 2 * len(layout.axes))
    return int(np.clip(_CACHE_BYTES // touched - 2, 1, _MOST_DEPTH))
