"""A given number of equal steps: with a given number of iterations, or with controlled solves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import FrameBuffer
from skimage_tvflow.core.extinction import coarse_remaining_time
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrators.euler import EXTRAPOLATED, EulerSettings, Scheme, take
from skimage_tvflow.core.operators import distance
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.step_control import even, groups, iterations_for, steps_in_intervals

# What |u_2k - u_k| says of the image with 2k iterations: the error falls with about k^-1.4.
_TWICE_ITERATED = 0.6
# So many times the longest axis, and an iteration has heard of everything: no solve lags unnoticed.
_CROSSINGS = 4
# FrameBuffer of a small image are marched together, or Python's share of the time would show.
_CHUNK_BYTES = 2**24
# FrameBuffer of this size are marched one by one, as what is not asked for takes memory.
_LARGE_FRAME = 2**21


class Fixed(Scheme):
    """``n_steps`` equal steps from 0 to the last time, those of the second trajectory bisected."""

    def __init__(
        self,
        problem: Problem,
        settings: EulerSettings,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        super().__init__(problem, settings, settings.order, request, report)
        assert settings.n_steps is not None
        self._n_steps: int = settings.n_steps

    def _steps_to(self, end: float) -> int:
        return int(steps_in_intervals(self._n_steps, np.array(end - self._now), self._last))

    def _fewest_steps(self, end: float) -> int:
        return self._steps_to(end) * len(self._trajectories)

    def _note_extrapolation(self, items: np.ndarray, at: Sequence[Tensor]) -> None:
        if len(at) == 2:
            error = EXTRAPOLATED * distance(at[0], at[1]).cpu().numpy()
            self._error[items] = np.fmax(self._error[items], error)


class Plain(Fixed):
    """Exactly ``max_num_iter`` iterations in every step."""

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """March through the increasing ``times``, several in one call where that is cheaper."""
        self._last = times[-1]
        # What is written where it belongs takes no memory, however many items there are.
        in_place = out is not None and self._settings.order == 1
        frame = self._at[0][0].nbytes if in_place else self._at[0].nbytes
        size = _CHUNK_BYTES // frame if frame < _LARGE_FRAME else 1
        longest = max(np.diff([0.0, *times])) * self._unit
        while times:
            count = (
                self._alive_through(times[:size], longest)
                if self._request == OutputRequest()
                else 0
            )
            if count:
                yield self._chunk(times[:count], out)
            else:
                count = 1
                yield from self._intervals(times[:1], out)
            times = times[count:]
            out = None if out is None else out[:, count:]

    def _alive_through(self, times: Sequence[float], longest: np.ndarray) -> int:
        """How many of ``times`` come before any item can end, none if a step may end one now."""
        ends = np.multiply.outer(times, self._unit) + longest
        if (ends[-1] >= self._alive_until).any():
            self._look(coarse_remaining_time)
        if self._may_be_extinct(self._now, longest):
            return 0
        return max(1, int((ends < self._alive_until).all(1).sum()))

    def _chunk(self, times: Sequence[float], into: Tensor | None) -> Frames:
        """Several intervals in one call of the backend."""
        everyone = np.arange(len(self._unit))
        lengths = np.diff([self._now, *times])
        counts = steps_in_intervals(self._n_steps, lengths, self._last)
        like = self._at[0].new_empty(0)
        n, *shape = self._at[0].shape
        # Nothing is tried twice here: where the trajectories were needs no memory.
        self._at = []
        frames = []
        for which, trajectory in enumerate(self._trajectories):
            n_steps = counts << which
            if into is None or self._settings.order == 2:
                out = like.new_empty((n, len(times), *shape))
            else:
                out = into[:, : len(times)]
            trajectory.advance(
                everyone,
                n_steps.tolist(),
                np.multiply.outer(lengths, self._unit) / n_steps[:, None],
                self._settings.max_num_iter,
                self._frames(out),
                self._watch(self._now, times[-1]),
            )
            frames.append(out)
        error = np.full((n, len(times)), np.nan)
        if len(frames) == 2:
            pairs = [out.flatten(0, 1) for out in frames]
            error = EXTRAPOLATED * distance(*pairs).cpu().numpy().reshape(n, len(times))
        if len(frames) == 2:
            self._at = [out[:, -1] for out in frames]
        elif times[-1] < self._last:
            self._at = [self._trajectories[0].primal(everyone)]
        self._now = times[-1]
        spent = int(counts.sum()) * self._settings.max_num_iter * (2 ** len(frames) - 1)
        n_iter, converged = np.full(n, spent), np.ones(n, np.bool_)
        u = frames[0]
        if len(frames) == 2:
            into = None if into is None else into[:, : len(times)]
            u = self.units.to_image(self._answer(frames, into))
        return Frames(times, u, error, n_iter, converged)

    def _frames(self, out: Tensor) -> FrameBuffer:
        if self._settings.order == 1:
            return self.units.frame_buffer(out)
        # What is to be extrapolated has no need of the rounding errors of the image's offset.
        n, _, channels = out.shape[:3]
        return FrameBuffer(out, np.ones(n), torch.zeros((n, channels), dtype=out.dtype))

    def _reach(self, end: float, items: np.ndarray) -> None:
        count = self._steps_to(end)
        self._error[items] = np.nan
        for which in range(len(self._trajectories)):
            done = self._run(which, items, end, count << which, self._settings.max_num_iter)
            self._accept(which, items, done)
        self._note_extrapolation(items, [take(u, items) for u in self._at])


class Controlled(Fixed):
    """Every interval is solved with k and 2k iterations per step, doubled until the two agree.

    The second solve goes on from the dual variable of the first, so one trajectory serves both.
    """

    def __init__(
        self,
        problem: Problem,
        settings: EulerSettings,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        super().__init__(problem, settings, request, report)
        self._effort = np.ones((settings.order, len(self._unit)))
        self._crossing = _CROSSINGS * max(problem.u.shape[2:])

    def _reach(self, end: float, items: np.ndarray) -> None:
        for which in range(len(self._trajectories)):
            self._solve(which, items, end, self._steps_to(end) << which, self._allowed(end))
        self._note_extrapolation(items, [take(u, items) for u in self._at])

    def _solve(self, which: int, items: np.ndarray, end: float, count: int, allowed: float) -> None:
        largest = self._settings.max_num_iter
        deviation = self._deviation[items]
        length = (end - self._now) * self._unit[items] / count
        plan = iterations_for(
            length / deviation, allowed / _TWICE_ITERATED, self._settings.algorithm
        )
        k = even(plan * self._effort[which, items], max(1, largest // 2))
        before = take(self._at[which], items).clone()
        for where, (n_iter,) in groups(k):
            before[where] = self._run(which, items[where], end, count, n_iter).u
        error = np.zeros(len(items))
        pending = np.arange(len(items))
        while pending.size:
            k[pending] = np.minimum(2 * k[pending], largest)
            unsolved = []
            for where, (n_iter,) in groups(k[pending]):
                chosen = pending[where]
                done = self._run(which, items[chosen], end, count, n_iter)
                difference = _TWICE_ITERATED * distance(done.u, take(before, chosen)).cpu().numpy()
                error[chosen] = difference
                if n_iter < self._crossing:
                    lag = self._lag(which, items[chosen], done.u, length[chosen])
                    error[chosen] = np.maximum(difference, lag)
                before[chosen] = done.u
                final = (error[chosen] <= allowed * deviation[chosen]) | (n_iter == largest)
                self._accept(which, items[chosen[final]], done[final])
                unsolved.append(chosen[~final])
            pending = np.concatenate(unsolved)
        self._converged[items] &= error <= self._settings.tol * deviation
        self._error[items] = np.fmax(self._error[items], error)
        self._effort[which, items] = _next_effort(k / 2 / plan, error / (allowed * deviation))


def _next_effort(effort: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """What the next interval begins with, ``ratio`` being this one's error over the allowed."""
    return np.clip(effort * np.clip((2 * ratio) ** 0.7, 0.5, 1), 1 / 64, 64)
