"""The certificate: bounds of the error of any candidate, of which the least counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.protocol import ROUNDING
from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.operators import distance
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.core.step_control import even, iterations_for
from skimage_tvflow.core.tracker import Tracker

# Tolerance of the solves of the finer trajectory, in deviations: iterations_for(step, _FINER_TOL),
# but at least _LEAST_ITERATIONS and at most _MOST_ITERATIONS in a step. The duality gap that they
# leave must be small compared with that of the time steps. On small crops, at the same work, the
# bound is a fifth lower with 4e-4; 14 is the best of 2 to 30; with 50 instead of 400, and more
# steps instead, long intervals are bounded four times better.
_FINER_TOL = 2e-4
_LEAST_ITERATIONS, _MOST_ITERATIONS = 14, 400


def certify(
    problem: Problem,
    u: Tensor,
    dual: Tensor | None,
    times: Sequence[float],
    *,
    refine: int,
    effort: float,
    report: Report | None = None,
) -> np.ndarray:
    """Bound the RMS error of a candidate at every time, in the units of ``problem``; (N, T).

    Parameters
    ----------
    problem : Problem
    u : Tensor of shape (N, T, C, *spatial), the candidate at the times
    dual : Tensor of shape (N, T, C, n_spatial, *spatial), its phi since the time before, or None
    times : T increasing numbers >= 0
    refine : also bound a trajectory with this many Euler steps in every interval and add the
        distance to it
    effort : also do so with a :class:`.Tracker` of this effort, unless it is 0
    report : called after every time, and while steps are taken, with the fraction of the work done

    Of all bounds the least counts.
    """
    ends = solver_times([0.0, *times], problem.unit)
    own = _Own(problem, u, dual)
    bounds = np.empty((len(times), len(u)))
    first = 0.5 if effort else 1.0
    finer = _FinerTrajectory(problem, refine) if refine else None
    for m in range(len(times)):
        bounds[m] = own.bound(m, ends[m], ends[m + 1])
        if finer is not None:
            part = share_of(report, first * m / len(times), first * (m + 1) / len(times))
            through = finer.bound(u[:, m], ends[m + 1] - ends[m], part)
            bounds[m] = np.minimum(bounds[m], through)
        if report is not None:
            report(first * (m + 1) / len(times))
    if effort:
        tracked = _tracked(problem, u, ends[1:], effort, share_of(report, first, 1))
        bounds = np.minimum(bounds, tracked)
    return bounds.T


def _tracked(
    problem: Problem, u: Tensor, times: np.ndarray, effort: float, report: Report | None
) -> np.ndarray:
    """The bounds through a tracker of this effort at ``times``, both of shape (T, N)."""
    tracker, bounds = Tracker(problem), np.empty(times.shape)
    steps = tracker.plan(times, effort)
    done = np.concatenate([[0.0], steps.sum(1).cumsum()]) / max(steps.sum(), 1e-300)
    for m, time in enumerate(times):
        tracker.advance(time, steps[m], share_of(report, done[m], done[m + 1]))
        bounds[m] = tracker.bound(u[:, m], time)
        if report is not None:
            report(done[m + 1])
    return bounds


class _Own:
    """The bound through the candidate's own dual variable, where it has one."""

    def __init__(self, problem: Problem, u: Tensor, dual: Tensor | None) -> None:
        self._u, self._dual, self._before = u, dual, problem.u
        self._error_bound = ErrorBound(problem.rounding, problem.spacing, problem.domain)
        self._error_bound.look(problem.u)

    def bound(self, m: int, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Go on to the m-th time, from ``start`` to ``end``."""
        bound, after = self._error_bound, self._u[:, m]
        if self._dual is not None:
            if end.any():
                bound.add_step(self._before, after, self._dual[:, m], end - start)
            else:
                bound.value += distance(after, self._before).cpu().numpy() * (1 + ROUNDING)
            self._before = after
        by_size = bound.after_end(after, end)
        return by_size if self._dual is None else np.minimum(bound.value, by_size)


class _FinerTrajectory:
    """Implicit Euler steps between the times of a candidate, and a bound through them."""

    def __init__(self, problem: Problem, n_steps: int) -> None:
        self._n_steps = n_steps
        self._deviation = problem.deviation
        self._trajectory = backends.start(problem.u, problem.spacing, "accelerated", problem.domain)
        self._error_bound = ErrorBound(problem.rounding, problem.spacing, problem.domain)
        self._at = problem.u

    def bound(self, candidate: Tensor, lengths: np.ndarray, report: Report | None) -> np.ndarray:
        """Advance by ``lengths``, shape (N,), and bound the error of ``candidate`` there."""
        everyone = np.arange(len(candidate))
        step = lengths / self._n_steps
        if step.any():
            spread = np.where(self._deviation > 0, self._deviation, 1)
            plan = iterations_for(step / spread, _FINER_TOL, "accelerated")
            n_iter = int(even(np.maximum(plan, _LEAST_ITERATIONS), _MOST_ITERATIONS).max())
            for k in range(self._n_steps):
                part = share_of(report, k / self._n_steps, (k + 1) / self._n_steps)
                self._trajectory.advance(everyone, [1], step[None], n_iter, report=part)
                after = self._trajectory.primal(everyone)
                dual = self._trajectory.dual(everyone)
                self._error_bound.add_step(self._at, after, dual, step)
                self._at = after
        apart = distance(candidate, self._at).cpu().numpy()
        return self._error_bound.value + apart * (1 + ROUNDING)
