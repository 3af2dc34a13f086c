"""Steps and iterations chosen so that the estimated error is the one asked for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import step_control
from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.frames import OutputRequest
from skimage_tvflow.core.integrators.euler_segment import EulerSettings, Segment
from skimage_tvflow.core.integrators.euler_steps import EulerIntegrator
from skimage_tvflow.core.operators import distance, exact_dtype
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.recorder import TrajectoryRecorder
from skimage_tvflow.core.step_control import groups
from skimage_tvflow.core.tracker import Tracker

# The error bound is that of a tracker with this many steps for every iteration of the two
# trajectories, and at least _LEAST_TRACKED in all. It falls with one over them. They take twice as
# long as the trajectories, since they are in float64.
_TRACKED, _LEAST_TRACKED = 1.2, 750


@dataclass(frozen=True)
class _Stage:
    """Items with the same steps on their way through times that are near each other.

    Attributes
    ----------
    items : integer array
    n_steps : int, how many the coarse trajectory was planned to take; the fine one takes twice that
    n_iter : int, iterations in every step
    is_late : int, 1 where every step begins with a multigrid cycle, else 0
    looks : bool, whether the flow may end on the way
    counts : the steps of the coarse trajectory up to each of the times that are left
    has_begun : bool
    """

    items: np.ndarray
    n_steps: int
    n_iter: int
    is_late: int
    looks: bool
    counts: tuple[int, ...]
    has_begun: bool = False

    def __getitem__(self, where: np.ndarray) -> _Stage:
        return replace(self, items=self.items[where])

    def after_interval(self) -> _Stage:
        """The rest of the way from the end of the next interval on."""
        return replace(self, counts=self.counts[1:], has_begun=True)


class AutomaticSteps(EulerIntegrator):
    """Two trajectories, one with twice the steps of the other, and as many steps as they need.

    Early steps are short, a single iteration each; late ones are long and begin with a multigrid
    cycle. Times that are near each other are a stage: their steps are planned together, as the plan
    of the work model times an ``effort``, kept per item. Where an item is not accurate enough, it
    begins a new stage from its last accurate time on. The effort is corrected when a stage ends.
    """

    def __init__(
        self,
        settings: EulerSettings,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        assert settings.tol is not None
        self._tol = settings.tol
        self._tracker = Tracker(problem) if request.bound else None
        self._n_tracked = np.zeros(len(problem.deviation))
        # Half the memory and twice the speed, where what is asked for does not show the rounding.
        dtype = torch.float32
        if self._tol < step_control.FINEST_FLOAT32:
            dtype = exact_dtype(problem.u)
        elif request.dual or problem.domain is not None:
            dtype = problem.u.dtype
        super().__init__(settings, problem, replace(request, bound=False), report, dtype)
        n, longest = len(self._unit), max(problem.u.shape[2:])
        self._stages: list[_Stage] = []
        self._effort = np.ones((2, n))  # of early stages, and of late ones
        self._strikes = np.zeros(n, np.int64)
        # Tolerances that the arithmetic cannot meet are not planned for: the attempts stagnate.
        self._least_tol = torch.finfo(dtype).eps ** 0.6
        self._planned_tol = max(self._tol, self._least_tol)
        in_vain = self._tol < self._least_tol
        self._most_steps = step_control.MOST_STEPS_IN_VAIN if in_vain else step_control.MOST_STEPS
        sweeps = step_control.ITERATIONS_OF_A_STEP[settings.algorithm]
        self._n_sweeps = min(sweeps, settings.max_num_iter)
        self._cycled_iterations = step_control.cycled_iterations(longest, self._planned_tol)
        self._cycles_from = np.full(n, np.inf)
        allowed = self._cycled_iterations <= settings.max_num_iter
        if allowed and backends.has_cycles(self._at[0], settings.algorithm):
            begin = step_control.CYCLES_FROM * self._deviation
            self._cycles_from = np.where(self._deviation > 0, begin, np.inf)

    def _n_trajectories(self, settings: EulerSettings) -> int:
        return 2

    def _fewest_steps(self) -> int:
        return 2

    def _divide_intervals(self) -> None:
        """Divide the intervals where cycles begin, and those in which late times grow by much.

        Every item has nodes of its own, whatever is in the batch besides. Where others have more,
        its intervals are empty.
        """
        rows, self._parts = [self._time[0]], []
        divides = [np.zeros(len(self._unit), np.bool_)]
        for start, end in itertools.pairwise(self._time):
            begin = np.clip(self._cycles_from, start, end)
            stop = np.maximum(np.minimum(end, self._horizon), begin)
            growth = np.log(stop / begin)
            n_parts = np.ceil(growth / math.log(step_control.LARGEST_RATIO) - 1e-9)
            first = 0 if ((begin > start) & (begin < end)).any() else 1
            for j in range(first, int(max(n_parts.max(), first))):
                inner = np.where(j < n_parts, begin * np.exp(growth * (j / n_parts.clip(1))), end)
                rows.append(begin if j == 0 else inner)
                divides.append((rows[-1] > start) & (rows[-1] < end))
            rows.append(end)
            divides.append(np.zeros_like(divides[0]))
            self._parts.append(len(rows) - 1 - sum(self._parts))
        self._time = np.stack(rows)
        self._stage_end = self._ends_of_stages(np.stack(divides))

    def _ends_of_stages(self, divides: np.ndarray) -> np.ndarray:
        """The last row of the stage that every interval of an item belongs to, (n_intervals, N).

        The times of a stage do not grow by much. Where an interval was divided, one ends.
        """
        time, n_intervals = self._time, len(self._time) - 1
        after = np.full_like(time, np.inf)
        for row in reversed(range(n_intervals)):
            after[row] = np.where(time[row + 1] > time[row], time[row + 1], after[row + 1])
        closes, begin = np.full(time.shape, self._recorder is not None), time[0]
        for row in range(1, n_intervals + 1):
            closes[row] |= divides[row] | (after[row] > step_control.LARGEST_RATIO * begin)
            begin = np.where(closes[row], time[row], begin)
        last = np.full(time.shape, n_intervals)
        for row in reversed(range(n_intervals)):
            last[row] = np.where(closes[row + 1], row + 1, last[row + 1])
        return last

    def _expected_work(self) -> list[float]:
        items = np.flatnonzero(self._moves)
        work = []
        for interval in range(len(self._time) - 1):
            self._interval = interval
            pending = items[(self._end > self._now)[items]]
            late, steps, n_iter = self._plan(pending, self._end[pending])
            per_step = n_iter + late * step_control.WORK_OF_A_CYCLE
            work.append(float(3 * (steps * per_step).sum()))
        self._interval = 0
        return [(1 + (self._tracker is not None)) * interval for interval in work]

    def _plan(self, items: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, ...]:
        """Whether ``items`` take cycles until ``end``, their steps, and the iterations of each."""
        now, deviation, tol = self._now[items], self._deviation[items], self._planned_tol
        late = (now >= self._cycles_from[items]).astype(np.int64)
        short = step_control.steps_for(end / deviation, tol) * (1 - now / end)
        long = step_control.cycled_steps_for(end / np.where(late, now, end), tol)
        steps = np.where(late, long, short) * self._effort[late, items]
        steps = np.clip(np.ceil(steps), 1, self._most_steps).astype(np.int64)
        return late, steps, np.where(late, self._cycled_iterations, self._n_sweeps)

    def _reach(self, items: np.ndarray) -> None:
        pending = items[(self._end > self._now)[items]]
        self._error[pending] = np.inf
        self._strikes[:] = 0
        waits, free = np.zeros((2, len(self._unit)), np.bool_)
        waits[pending] = free[pending] = True
        # For items that still move and do not wait the interval is empty; their stages stay.
        idle = [stage[(self._moves & ~waits)[stage.items]] for stage in self._stages]
        stages = [stage[waits[stage.items]] for stage in self._stages]
        self._stages = [stage for stage in idle if stage.items.size]
        for stage in stages:
            free[stage.items] = False
        stages = [stage for stage in stages if stage.items.size]
        while pending.size:
            if free.any():
                stages += self._new_stages(np.flatnonzero(free))
            pending = np.concatenate([self._go_on(stage) for stage in stages])
            stages, free[:] = [], False
            free[pending] = True

    def _new_stages(self, waiting: np.ndarray) -> Iterator[_Stage]:
        """Plan the steps of items. Those with the same plan take them together."""
        ends = self._stage_end[self._interval, waiting]
        for last in np.unique(ends):
            items = waiting[ends == last]
            time = self._time[self._interval : last + 1][:, items]
            late, steps, n_iter = self._plan(items, time[-1])
            counts = step_control.steps_by_time(steps, time, late)
            # Looking for the end costs the last digit: whether one looks is a part of the plan.
            looks = self._may_items_end(items, time[-1])
            for where, plan in groups(steps, n_iter, late, looks, *counts):
                (n_steps, k, is_late, may_end), each = plan[:4], tuple(n for n in plan[4:] if n)
                yield _Stage(items[where], n_steps, k, is_late, bool(may_end), each)

    def _go_on(self, stage: _Stage) -> np.ndarray:
        """Take a stage to the end of the interval; return the items that need another attempt."""
        items, is_late, n_steps = stage.items, stage.is_late, stage.counts[0]
        how = {"resumes": stage.has_begun, "looks": stage.looks}
        coarse = self._run(0, items, n_steps, stage.n_iter, is_late, **how)
        fine = self._run(1, items, 2 * n_steps, stage.n_iter, is_late, **how)
        error = step_control.PAIR * distance(coarse.u, fine.u).cpu().numpy()
        if is_late:
            step = (self._end - self._now)[items] / (2 * n_steps)
            error += step_control.BEHIND * self._gap_error(1, items, fine.u, step)
        deviation = self._deviation[items]
        rounded = error < step_control.ROUNDED * self._least_tol * deviation
        self._strikes[items] += rounded & (error > step_control.STAGNANT * self._error[items])
        self._error[items] = error
        # The steps aim at their share of the tolerance and are given up only beyond all of it: most
        # of an excess was there when the stage began, and more steps would not mend it.
        accurate = error <= self._tol * deviation
        self._converged[items] = accurate
        final = accurate | (stage.n_steps >= self._most_steps) | (self._strikes[items] > 1)
        segments = [s if final.all() else s[final] for s in (coarse, fine)]
        for which, segment in enumerate(self._end_items(items[final], segments)):
            self._accept(which, items[final], segment)
        rest = stage.after_interval()
        if rest.counts and final.any():
            self._stages.append(rest if final.all() else rest[final])
        ended = ~final if rest.counts else np.ones_like(final)
        ratio = (error / (self._allowed(items) * deviation))[ended]
        change = step_control.change_of_effort(ratio, accurate[ended])
        effort = np.maximum(self._effort[is_late, items[ended]] * change, step_control.LEAST_EFFORT)
        self._effort[is_late, items[ended]] = effort
        return items[~final]

    def _end_items(self, items: np.ndarray, segments: list[Segment]) -> list[Segment]:
        """Put items to their mean where the flow has ended, if it is within ``_error`` of ours."""
        end = segments[-1].end
        if end is None:
            return segments
        ended = end + self._error[items] / self._decay_rate <= self._end[items]
        if not ended.any():
            return segments
        self._moves[items[ended]] = False
        self._error[items[ended]] = 0.0
        means = self._mean[items].expand_as(segments[-1].u)
        where = torch.as_tensor(ended).to(means.device).reshape(-1, *[1] * (means.ndim - 1))
        return [replace(s, u=torch.where(where, means, s.u)) for s in segments]

    def _record(
        self,
        recorder: TrajectoryRecorder,
        which: int,
        items: np.ndarray,
        ends: tuple[Tensor, Tensor],
        step: np.ndarray,
    ) -> None:
        recorder.add_dual(self._trajectories[which].dual(items), step)

    def _bound(self, u: Tensor) -> np.ndarray | None:
        if self._tracker is None:
            return None
        times = self._now
        n_steps = np.maximum(_TRACKED * self._n_iter, _LEAST_TRACKED - self._n_tracked)
        self._n_tracked = self._n_tracked + n_steps
        self._tracker.advance(times, n_steps, self._work.run(float(self._n_iter.sum())))
        return self._tracker.bound(u, times)[:, None]

    def _answer(self, at: Sequence[Tensor], out: Tensor | None) -> Tensor:
        answer = super()._answer(at, out)
        if torch.finfo(answer.dtype).bits > torch.finfo(at[0].dtype).bits:
            # The problem has no mean, but rounding in single precision lets it drift.
            answer -= answer.mean(list(range(2, answer.ndim)), keepdim=True)
        return answer

    def _ahead(self) -> float:
        return 1 + step_control.AHEAD

    def _mean_dual(self) -> Tensor | None:
        dual = super()._mean_dual()
        return dual if dual is None else dual.to(self._dtype)
