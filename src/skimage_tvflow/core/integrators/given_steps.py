"""A given number of steps, equal between two times: with given iterations, or to a tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import step_control
from skimage_tvflow.core.backends.protocol import FrameBuffer
from skimage_tvflow.core.frames import Frames
from skimage_tvflow.core.integrators.euler_steps import EulerIntegrator
from skimage_tvflow.core.operators import distance, take
from skimage_tvflow.core.step_control import even, groups, iterations_for, steps_in_intervals

# Bytes of the frames that one compiled call computes: with one call for each frame, Python would
# take longer than the flow of a small image. Four times as much gains a per cent.
_CHUNK_BYTES = 2**24
# Frames of this size are computed one by one, since a frame that nobody has read yet takes memory.
_LARGE_FRAME = 2**21


class FixedSteps(EulerIntegrator):
    """``n_steps`` steps up to the last time, or a few more, which the second trajectory halves."""

    def _begin(self, times: Sequence[float]) -> None:
        lengths = np.diff([0.0, *times])
        # Steps of the first trajectory in every interval; the second has twice as many.
        self._counts = steps_in_intervals(self._settings.n_steps or 1, lengths, times[-1])
        super()._begin(times)

    def _fewest_steps(self) -> int:
        return int(self._counts[self._interval]) * len(self._trajectories)

    def _extrapolation_error(self, coarse: Tensor, fine: Tensor) -> np.ndarray:
        return step_control.EXTRAPOLATED * distance(coarse, fine).cpu().numpy()

    def _expected_work(self) -> list[float]:
        # The second trajectory takes twice the steps of the first.
        per_step = (2**self._settings.order - 1) * len(self._unit) * self._settings.max_num_iter
        return (per_step * self._counts).tolist()


class GivenIterations(FixedSteps):
    """Exactly ``max_num_iter`` iterations in every step."""

    def frames(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """See :class:`~skimage_tvflow.core.integrate.Integrator`; several times in one call."""
        self._begin(times)
        # Frames written straight to where they belong take no memory of their own.
        in_place = out is not None and self._settings.order == 1
        frame = self._at[0][0].nbytes if in_place else self._at[0].nbytes
        size = _CHUNK_BYTES // frame if frame < _LARGE_FRAME else 1
        longest = np.diff(self._time, axis=0).max(0)
        while times:
            count = 0 if self._request.needs_steps else self._alive_through(size, longest)
            if count:
                yield self._chunk(times[:count], out)
            else:
                count = 1
                yield from self._intervals(times[:1], out)
            times = times[count:]
            out = None if out is None else out[:, count:]

    def _alive_through(self, most: int, longest: np.ndarray) -> int:
        """Count the next times, up to ``most``, before an item may reach its mean; 0 if now."""
        ends = self._time[self._interval + 1 :][:most] + longest
        if (self._moves & (ends[-1] >= self._alive.until)).any():
            self._alive.look(self._now, self._at[-1])
        if not self._moves.all() or self._may_end(self._now + longest):
            return 0
        return max(1, int((ends < self._alive.until).all(1).sum()))

    def _chunk(self, times: Sequence[float], into: Tensor | None) -> Frames:
        """Several intervals in one call of the backend."""
        n, *shape = self._at[0].shape
        chunk = slice(self._interval, self._interval + len(times))
        lengths, counts = np.diff(self._time, axis=0)[chunk], self._counts[chunk]
        empty = self._at[0].new_empty
        in_place = into if self._settings.order == 1 else None
        self._at = []  # nothing is tried twice here, so the images at the start are not needed
        stacks = []
        for which, trajectory in enumerate(self._trajectories):
            stack = (
                empty((n, len(times), *shape)) if in_place is None else in_place[:, : len(times)]
            )
            n_steps, n_iter = counts << which, self._settings.max_num_iter
            trajectory.advance(
                np.arange(n),
                n_steps.tolist(),
                lengths / n_steps[:, None],
                n_iter,
                self._frame_buffer(stack),
                self._work.run(n * int(n_steps.sum()) * n_iter),
            )
            stacks.append(stack)
        u, error = stacks[0], np.full((n, len(times)), np.nan)
        if len(stacks) == 2:
            self._at = [stack[:, -1] for stack in stacks]
            flat = [stack.flatten(0, 1) for stack in stacks]
            error = self._extrapolation_error(*flat).reshape(n, len(times))
            into = None if into is None else into[:, : len(times)]
            u = self._units.to_image(self._answer(stacks, into))
        elif chunk.stop < len(self._counts):
            self._at = [self._trajectories[0].primal(np.arange(n))]
        self._interval = chunk.stop
        spent = int(counts.sum()) * self._settings.max_num_iter * (2 ** len(stacks) - 1)
        return Frames(times, u, error, np.full(n, spent), np.ones(n, np.bool_))

    def _frame_buffer(self, stack: Tensor) -> FrameBuffer:
        if self._settings.order == 1:
            return self._units.frame_buffer(stack)
        # Images that are extrapolated afterwards are kept free of the rounding of the offset.
        n, _, channels = stack.shape[:3]
        return FrameBuffer(stack, np.ones(n), torch.zeros((n, channels), dtype=stack.dtype))

    def _reach(self, items: np.ndarray) -> None:
        count = int(self._counts[self._interval])
        for which in range(len(self._trajectories)):
            segment = self._run(which, items, count << which, self._settings.max_num_iter)
            self._accept(which, items, segment)
        self._error[items] = np.nan
        if self._settings.order == 2:
            self._error[items] = self._extrapolation_error(*(take(u, items) for u in self._at))


class SolvesToTolerance(FixedSteps):
    """Every interval is solved with k and 2k iterations per step, doubled until the two agree.

    The second solve goes on from the dual variable of the first, so one trajectory serves both.
    """

    def _begin(self, times: Sequence[float]) -> None:
        super()._begin(times)
        self._effort = np.ones((self._settings.order, len(self._unit)))
        self._crossing = step_control.CROSSINGS * max(self._at[0].shape[2:])

    def _expected_work(self) -> list[float]:
        items = np.flatnonzero(self._moves)
        step = np.diff(self._time, axis=0)[:, items] / self._counts[:, None]
        tol = self._settings.tol or 1.0
        plan = iterations_for(step / self._deviation[items], tol, self._settings.algorithm)
        return (self._counts * np.minimum(plan, self._settings.max_num_iter).sum(1)).tolist()

    def _reach(self, items: np.ndarray) -> None:
        for which in range(len(self._trajectories)):
            self._solve(which, items, int(self._counts[self._interval]) << which)
        if self._settings.order == 2:
            error = self._extrapolation_error(*(take(u, items) for u in self._at))
            self._error[items] = np.fmax(self._error[items], error)

    def _solve(self, which: int, items: np.ndarray, count: int) -> None:
        largest, allowed = self._settings.max_num_iter, self._allowed(items)
        deviation = self._deviation[items]
        length = (self._end - self._now)[items] / count
        tol = allowed / step_control.TWICE_ITERATED
        plan = iterations_for(length / deviation, tol, self._settings.algorithm)
        k = even(plan * self._effort[which, items], max(1, largest // 2))
        before = take(self._at[which], items).clone()
        for where, (n_iter,) in groups(k):
            before[where] = self._run(which, items[where], count, n_iter).u
        error, pending = np.zeros(len(items)), np.arange(len(items))
        while pending.size:
            k[pending] = np.minimum(2 * k[pending], largest)
            unsolved = []
            for where, (n_iter,) in groups(k[pending]):
                chosen = pending[where]
                segment = self._run(which, items[chosen], count, n_iter)
                apart = distance(segment.u, take(before, chosen)).cpu().numpy()
                error[chosen] = step_control.TWICE_ITERATED * apart
                if n_iter < self._crossing:
                    gap = self._gap_error(which, items[chosen], segment.u, length[chosen])
                    error[chosen] = np.maximum(error[chosen], step_control.GAP * gap)
                before[chosen] = segment.u
                final = (error <= allowed * deviation)[chosen] | (n_iter == largest)
                self._accept(which, items[chosen[final]], segment[final])
                unsolved.append(chosen[~final])
            pending = np.concatenate(unsolved)
        self._converged[items] &= error <= self._settings.tol * deviation
        self._error[items] = np.fmax(self._error[items], error)
        ratio = error / (allowed * deviation)
        self._effort[which, items] = step_control.effort_after_solve(k / 2 / plan, ratio)
