"""Steps and iterations chosen so that the estimated error is the one asked for."""

from __future__ import annotations

import numpy as np
import torch

from skimage_tvflow.core.frames import OutputRequest
from skimage_tvflow.core.integrators.euler import EXTRAPOLATED, EulerSettings, Scheme
from skimage_tvflow.core.operators import distance
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.step_control import balanced_steps, even, groups

# A finer attempt that leaves more than this of the error has met the limits of the arithmetic, if
# it does so twice.
_STAGNANT = 0.85
# Two trajectories that both lag behind agree all the same: nothing less than this is tried.
_LEAST_EFFORT = 0.6
# What is accepted is estimated to be so much better than asked for: on single photographs the truth
# is one and a half times the estimate.
_MARGIN = 0.85
# An error is one of the steps if less than this part of it is that of the last solve.
_SHARE_OF_LAG = 0.5
# So few iterations that they are the error are not tried.
_MOST_TILT = 4.0
# What takes more steps to one time than this is not reached.
_MOST_STEPS = 2**15
# So many times the longest axis, and a step is solved to the last digit.
_CROSSINGS = 100


class Adaptive(Scheme):
    """Trajectories of N and 2N steps with k iterations each; both grow until the two agree.

    The work N k of an interval is what a plan says times an ``effort``, kept per item and corrected
    by every interval: an attempt that is not good enough is repeated with more. Steps and
    iterations get the same share of it, unless the last solve has little part in the error: then
    only steps are added, ``tilt`` times as many as otherwise, and as many times fewer iterations.
    """

    def __init__(
        self,
        problem: Problem,
        settings: EulerSettings,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        super().__init__(problem, settings, 2, request, report)
        assert settings.tol is not None
        self._effort = np.ones(len(self._unit))
        self._tilt = np.ones(len(self._unit))
        # What is tighter than the arithmetic is not planned for: the attempts stagnate in the end.
        self._planned_tol = max(settings.tol, torch.finfo(problem.u.dtype).eps ** 0.6)
        self._most_iterations = min(settings.max_num_iter, _CROSSINGS * max(problem.u.shape[2:]))

    def _fewest_steps(self, end: float) -> int:
        return 2

    def _plan(self, end: float, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Steps of the coarse trajectory up to ``end``, iterations in each."""
        balanced = np.sqrt(self._effort[items]) * balanced_steps(
            end * self._unit[items] / self._deviation[items], self._planned_tol
        )
        n_wanted = balanced * self._tilt[items] * (end - self._now) / end
        n_steps = np.clip(np.ceil(n_wanted), 1, _MOST_STEPS)
        # An interval shorter than a step needs fewer iterations.
        shorter = np.minimum(n_wanted / n_steps, 1)
        n_iter = even(balanced / self._tilt[items] * shorter**0.75, self._most_iterations)
        return n_steps.astype(np.int64), n_iter

    def _reach(self, end: float, items: np.ndarray) -> None:
        self._error[items] = np.inf
        self._strikes = np.zeros(len(self._unit), np.int64)
        pending = items
        while pending.size:
            again = [
                self._attempt(pending[where], end, n_steps, n_iter)
                for where, (n_steps, n_iter) in groups(*self._plan(end, pending))
            ]
            pending = np.concatenate(again)

    def _attempt(self, items: np.ndarray, end: float, n_steps: int, n_iter: int) -> np.ndarray:
        """Try to reach ``end``; accept what is good or cannot be bettered, return the rest."""
        coarse = self._run(0, items, end, n_steps, n_iter)
        fine = self._run(1, items, end, 2 * n_steps, n_iter)
        factor = EXTRAPOLATED if self._settings.order == 2 else 1.0
        step = (end - self._now) * self._unit[items] / (2 * n_steps)
        apart = distance(coarse.u, fine.u).cpu().numpy()
        lag = self._lag(1, items, fine.u, step)
        error = np.maximum(factor * apart, lag)
        ratio = error / (self._allowed(end) * self._deviation[items])
        self._strikes[items] += error > _STAGNANT * self._error[items]
        self._error[items] = error
        good = ratio <= _MARGIN
        self._converged[items] = error <= self._settings.tol * self._deviation[items]
        spent = n_iter >= self._settings.max_num_iter or n_steps >= _MOST_STEPS
        final = good | spent | (self._strikes[items] > 1)
        for which, run in enumerate((coarse, fine)):
            self._accept(which, items[final], run if final.all() else run[final])
        change = np.where(good, np.clip(2.5 * ratio, 0.8, 1), np.clip(1.4 * ratio, 1.5, 8))
        self._effort[items] = np.maximum(self._effort[items] * change, _LEAST_EFFORT)
        by_steps = ~good & (lag < _SHARE_OF_LAG * error)
        self._tilt[items] *= np.where(by_steps, np.sqrt(change), 1)
        self._tilt[items] = np.minimum(self._tilt[items], _MOST_TILT)
        return items[~final]
