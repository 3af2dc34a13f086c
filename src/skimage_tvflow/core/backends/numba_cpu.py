"""The implicit Euler march on the CPU, compiled by numba, for one to three spatial axes."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numba.core import event
from torch import Tensor

from skimage_tvflow.core.backends import _sweep
from skimage_tvflow.core.dual import Momentum
from skimage_tvflow.core.operators import norm_bound
from skimage_tvflow.core.parallel import run_all

_logger = logging.getLogger("skimage_tvflow")

# What a wavefront may keep in use at once: half of a common second-level cache.
_CACHE_BYTES = 512 * 1024
_MAX_DEPTH = 16
# Rows of at least this many pixels are padded to full vectors.
_VECTOR = 16
_WIDE = 32

MAX_AXES = 3


class _AnnounceCompilation(event.Listener):
    """Says once why the first call takes seconds, unless numba finds what it compiled before."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: event.Event) -> None:
        if not self._said and event.data["dispatcher"].py_func.__module__ == _sweep.__name__:
            self._said = True
            _logger.warning("Compiling for this processor: this happens once and takes seconds.")

    def on_end(self, event: event.Event) -> None:
        pass


event.register("numba:compile", _AnnounceCompilation())


class NumbaTrajectory:
    """The state of implicit Euler trajectories on the CPU. See :class:`~.Trajectory`."""

    def __init__(self, u: Tensor, spacing: Sequence[float]) -> None:
        self._shape = tuple(u.shape)
        sizes = u.shape[2:]
        # An axis of one pixel has no differences; without it a column is as fast as a row.
        self._axes = [i for i, n in enumerate(sizes) if n > 1] or [len(sizes) - 1]
        self._spacing = [spacing[i] for i in self._axes]
        self._bound = norm_bound(spacing, sizes)
        grid = [sizes[i] for i in self._axes]
        self._width = grid[-1]
        self._n_rows = math.prod(grid[:-1])
        self._lag = grid[-2] if len(grid) == 3 else 1
        padded = -(-self._width // _VECTOR) * _VECTOR if self._width >= _WIDE else self._width
        self._stride = padded + 1
        dtype = u.numpy().dtype
        n, channels = u.shape[:2]
        self._f = np.zeros((n, channels, self._n_rows, self._stride), dtype)
        rows = self._lag + self._n_rows
        self._phi = np.zeros((n, 2, channels, len(grid), rows, self._stride), dtype)
        self._newest = np.zeros(n, np.int64)
        self._length = np.ones(n)
        self.reset_primal(np.arange(n), u)

    def advance(
        self,
        items: np.ndarray,
        n_steps: Sequence[int],
        lengths: np.ndarray,
        n_iter: int,
        frames: Tensor | None = None,
        poll: Callable[[float], None] | None = None,
    ) -> None:
        """See :meth:`.Trajectory.advance`."""
        steps = np.asarray(n_steps, np.int64)
        done = np.zeros((len(items), 1), np.int64)
        cancel = np.zeros(1, np.bool_)
        out = self._frame_rows(frames, len(items))
        tasks = [
            functools.partial(
                self._march, item, steps, lengths[:, i], n_iter, out[i], done[i], cancel
            )
            for i, item in enumerate(items)
        ]
        total = len(items) * int(steps.sum()) * n_iter
        watch = None if poll is None else lambda: poll(float(done.sum()) / total)
        run_all(tasks, torch.get_num_threads(), watch, lambda: cancel.fill(True))

    def _march(
        self,
        item: int,
        n_steps: np.ndarray,
        lengths: np.ndarray,
        n_iter: int,
        frames: np.ndarray,
        done: np.ndarray,
        cancel: np.ndarray,
    ) -> None:
        f, phi = self._f[item], self._phi[item]
        dtype = f.dtype
        if self._length[item] != lengths[0]:
            f *= dtype.type(self._length[item] / lengths[0])
        momentum = Momentum.planned(n_iter, self._bound)
        h = 1 / np.array(self._spacing[::-1])
        march = _sweep.make_march(len(self._axes), f.shape[0] > 1)
        depth = self._depth(f)
        self._newest[item] = march(
            f,
            phi,
            self._newest[item],
            self._lag,
            self._width,
            n_steps,
            lengths.astype(dtype),
            n_iter,
            frames,
            np.array([momentum.beta, momentum.gamma, 1], dtype),
            h.astype(dtype),
            (momentum.step * h).astype(dtype),
            depth,
            np.empty((depth, self._lag + 1, f.shape[0], self._stride + 1), dtype),
            np.empty(self._stride, dtype),
            done,
            cancel,
        )
        self._length[item] = lengths[-1]

    def _depth(self, f: np.ndarray) -> int:
        arrays = 2 + 2 * len(self._axes)
        if f.nbytes * arrays <= _CACHE_BYTES:
            return 1
        per_stage = f.nbytes // self._n_rows * self._lag * arrays
        return max(1, min(_MAX_DEPTH, _CACHE_BYTES // per_stage))

    def _frame_rows(self, frames: Tensor | None, n_items: int) -> np.ndarray:
        rows = (self._shape[1], self._n_rows, self._width)
        if frames is None:
            return np.empty((n_items, 0, *rows), self._f.dtype)
        return frames.numpy().reshape(n_items, -1, *rows)

    def primal(self, items: np.ndarray) -> Tensor:
        """See :meth:`.Trajectory.primal`."""
        pixels = self._f[items, :, :, 1 : self._width + 1]
        pixels *= self._length[items].astype(pixels.dtype)[:, None, None, None]
        return torch.from_numpy(pixels.reshape(len(items), *self._shape[1:]))

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """See :meth:`.Trajectory.reset_primal`."""
        pixels = u.numpy().reshape(len(items), self._shape[1], self._n_rows, self._width)
        for item, image in zip(items, pixels, strict=True):
            length = self._f.dtype.type(self._length[item])
            np.divide(image, length, out=self._f[item, :, :, 1 : self._width + 1])

    def dual(self, items: np.ndarray) -> Tensor:
        """See :meth:`.Trajectory.dual`."""
        n, channels, *sizes = len(items), *self._shape[1:]
        dtype = torch.from_numpy(self._f[0]).dtype
        out = torch.zeros((n, channels, len(sizes), *sizes), dtype=dtype)
        newest = self._phi[items, self._newest[items]]
        for i, axis in enumerate(reversed(self._axes)):
            component = newest[:, :, i, self._lag :, 1 : self._width + 1]
            out[:, :, axis] = torch.from_numpy(component.reshape(n, channels, *sizes))
        return out
