"""Steps and iterations chosen so that the estimated error is the one asked for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
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
class Plan:
    """How the coarse trajectory gets through an interval; the fine one takes twice the steps.

    Attributes
    ----------
    n_steps : int
    n_iter : int, iterations in every step
    n_cycles : int, multigrid cycles in every step
    """

    n_steps: int
    n_iter: int
    n_cycles: int

    @property
    def work(self) -> float:
        """Its work, in iterations."""
        return self.n_steps * (self.n_iter + self.n_cycles * step_control.WORK_OF_A_CYCLE)


class AutomaticSteps(EulerIntegrator):
    """Two trajectories, one with twice the steps of the other; both grow until they agree.

    Early steps are short, a single iteration each; late ones are long and begin with a multigrid
    cycle. The number of steps in an interval is the plan times an ``effort``, kept per item and
    corrected by every interval: an attempt that is not accurate enough is repeated with more.
    """

    def __init__(
        self,
        settings: EulerSettings,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        assert settings.tol is not None
        self._tol, dtype = settings.tol, problem.u.dtype
        self._tracker = Tracker(problem) if request.bound else None
        self._n_tracked = np.zeros(len(problem.deviation))
        if self._tol < step_control.FINEST_FLOAT32:
            problem = replace(problem, u=problem.u.to(exact_dtype(problem.u)))
        super().__init__(settings, problem, replace(request, bound=False), report)
        self._dtype = dtype
        n, longest = len(self._unit), max(problem.u.shape[2:])
        self._effort = np.ones((2, n))  # of early steps, and of late ones
        self._strikes = np.zeros(n, np.int64)
        # Tolerances that the arithmetic cannot meet are not planned for: the attempts stagnate.
        self._least_tol = torch.finfo(problem.u.dtype).eps ** 0.6
        self._planned_tol = max(self._tol, self._least_tol)
        in_vain = self._tol < self._least_tol
        self._most_steps = step_control.MOST_STEPS_IN_VAIN if in_vain else step_control.MOST_STEPS
        sweeps = step_control.ITERATIONS_OF_A_STEP[settings.algorithm]
        self._n_sweeps = min(sweeps, settings.max_num_iter)
        self._cycled_iterations = step_control.cycled_iterations(longest, self._planned_tol)
        self._cycles_from = np.full(n, np.inf)
        allowed = self._cycled_iterations <= settings.max_num_iter
        if allowed and backends.has_cycles(problem.u, settings.algorithm):
            begin = step_control.CYCLES_FROM * self._deviation
            self._cycles_from = np.where(self._deviation > 0, begin, np.inf)

    def _n_trajectories(self, settings: EulerSettings) -> int:
        return 2

    def _fewest_steps(self) -> int:
        return 2

    def _divide_intervals(self) -> None:
        """Divide the intervals where cycles begin, and those in which late times grow by much."""
        rows, self._parts = [self._time[0]], []
        for start, end in itertools.pairwise(self._time):
            begin = np.clip(self._cycles_from, start, end)
            stop = np.maximum(np.minimum(end, self._horizon), begin)
            growth = np.log(stop / begin)
            n_parts = math.ceil(growth.max() / math.log(step_control.LARGEST_RATIO) - 1e-9)
            first = 0 if (begin > start).any() else 1
            inner = [begin * np.exp(growth * (j / n_parts)) for j in range(first, n_parts)]
            rows += [*inner, end]
            self._parts.append(len(inner) + 1)
        self._time = np.stack(rows)

    def _expected_work(self) -> list[float]:
        items = np.flatnonzero(self._moves)
        work = []
        for interval in range(len(self._time) - 1):
            self._interval = interval
            pending = items[(self._end > self._now)[items]]
            plans = self._plans(pending, np.zeros(len(pending), np.bool_))
            work.append(float(sum(3 * plan.work * len(where) for where, plan in plans)))
        self._interval = 0
        return [(1 + (self._tracker is not None)) * interval for interval in work]

    def _plans(self, items: np.ndarray, may_end: np.ndarray) -> Iterator[tuple[np.ndarray, Plan]]:
        """Positions in ``items``, and how the coarse trajectory of these takes the interval.

        Looking for the end costs the last digit, so items that ``may_end`` in it go by themselves.
        """
        now, end, deviation = self._now[items], self._end[items], self._deviation[items]
        late = (now >= self._cycles_from[items]).astype(np.int64)
        tol = self._planned_tol
        short = step_control.steps_for(end / deviation, tol) * (1 - now / end)
        long = step_control.cycled_steps_for(end / np.where(late, now, end), tol)
        steps = np.where(late, long, short) * self._effort[late, items]
        steps = np.clip(np.ceil(steps), 1, self._most_steps).astype(np.int64)
        n_iter = np.where(late, self._cycled_iterations, self._n_sweeps)
        for where, plan in groups(steps, n_iter, late, may_end):
            yield where, Plan(*plan[:3])

    def _reach(self, items: np.ndarray) -> None:
        pending = items[(self._end > self._now)[items]]
        self._error[pending] = np.inf
        self._strikes[:] = 0
        while pending.size:
            plans = self._plans(pending, self._may_end(pending))
            again = [self._attempt(pending[where], plan) for where, plan in plans]
            pending = np.concatenate(again)

    def _attempt(self, items: np.ndarray, plan: Plan) -> np.ndarray:
        """Try to get through the interval; return the items that need another attempt."""
        coarse = self._run(0, items, plan.n_steps, plan.n_iter, plan.n_cycles)
        fine = self._run(1, items, 2 * plan.n_steps, plan.n_iter, plan.n_cycles)
        error = step_control.PAIR * distance(coarse.u, fine.u).cpu().numpy()
        if plan.n_cycles:
            step = (self._end - self._now)[items] / (2 * plan.n_steps)
            error += step_control.BEHIND * self._gap_error(1, items, fine.u, step)
        deviation = self._deviation[items]
        ratio = error / (self._allowed(items) * deviation)
        rounded = error < step_control.ROUNDED * self._least_tol * deviation
        self._strikes[items] += rounded & (error > step_control.STAGNANT * self._error[items])
        self._error[items] = error
        self._converged[items] = error <= self._tol * deviation
        accurate = ratio <= 1
        final = accurate | (plan.n_steps >= self._most_steps) | (self._strikes[items] > 1)
        segments = [s if final.all() else s[final] for s in (coarse, fine)]
        for which, segment in enumerate(self._end_items(items[final], segments)):
            self._accept(which, items[final], segment)
        effort = self._effort[plan.n_cycles, items]
        effort = effort * step_control.change_of_effort(ratio, accurate)
        self._effort[plan.n_cycles, items] = np.maximum(effort, step_control.LEAST_EFFORT)
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

    def _ahead(self) -> float:
        return 1 + step_control.AHEAD

    def _mean_dual(self) -> Tensor | None:
        dual = super()._mean_dual()
        return dual if dual is None else dual.to(self._dtype)
