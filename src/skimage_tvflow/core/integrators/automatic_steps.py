"""Steps and iterations chosen so that the estimated error is the one asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from skimage_tvflow.core import step_control
from skimage_tvflow.core.integrators.euler_steps import EulerIntegrator, EulerSettings
from skimage_tvflow.core.operators import distance
from skimage_tvflow.core.step_control import balanced_steps, even, groups


class AutomaticSteps(EulerIntegrator):
    """Trajectories of N and 2N steps with k iterations each; both grow until the two agree.

    The work N k of an interval is the plan times an ``effort``, kept per item and corrected by
    every interval: an attempt that is not accurate enough is repeated with more. Steps and
    iterations get the same share of it, unless the solves have little part in the error: then only
    steps are added, ``tilt`` times as many, with the iterations divided by ``tilt``.
    """

    def _n_trajectories(self, settings: EulerSettings) -> int:
        return 2

    def _begin(self, times: Sequence[float]) -> None:
        n, u, settings = len(self._unit), self._at[0], self._settings
        assert settings.tol is not None
        self._effort, self._tilt = np.ones(n), np.ones(n)
        self._strikes = np.zeros(n, np.int64)
        # Tolerances that the arithmetic cannot meet are not planned for: the attempts stagnate.
        least_tol = torch.finfo(u.dtype).eps ** 0.6
        self._planned_tol = max(settings.tol, least_tol)
        self._most_steps = step_control.MOST_STEPS
        if settings.tol < least_tol:
            self._most_steps = step_control.MOST_STEPS_IN_VAIN
        longest = max(u.shape[2:])
        self._most_iterations = min(settings.max_num_iter, step_control.SOLVED * longest)
        super()._begin(times)

    def _fewest_steps(self) -> int:
        return 2

    def _expected_work(self) -> list[float]:
        items = np.flatnonzero(self._moves)
        if not items.size:
            return [0.0] * (len(self._time) - 1)
        time = self._time[1:, items] / self._deviation[items]
        balanced = balanced_steps(time, self._planned_tol)
        share = np.diff(self._time[:, items], axis=0) / self._time[1:, items]
        return (3 * balanced * np.maximum(balanced * share, 1)).sum(1).tolist()

    def _plan(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Steps of the coarse trajectory in the interval, iterations in each."""
        end = self._end[items]
        balanced = balanced_steps(end / self._deviation[items], self._planned_tol)
        balanced *= np.sqrt(self._effort[items])
        n_wanted = balanced * self._tilt[items] * (1 - self._now[items] / end)
        n_steps = np.clip(np.ceil(n_wanted), 1, self._most_steps)
        share = np.minimum(n_wanted / n_steps, 1)
        n_iter = step_control.iterations_in_shorter_step(balanced / self._tilt[items], share)
        return n_steps.astype(np.int64), even(n_iter, self._most_iterations)

    def _reach(self, items: np.ndarray) -> None:
        self._error[items] = np.inf
        self._strikes[:] = 0
        pending = items
        while pending.size:
            again = [
                self._attempt(pending[where], n_steps, n_iter)
                for where, (n_steps, n_iter) in groups(*self._plan(pending))
            ]
            pending = np.concatenate(again)

    def _attempt(self, items: np.ndarray, n_steps: int, n_iter: int) -> np.ndarray:
        """Try to get through the interval; return the items that need another attempt."""
        coarse = self._run(0, items, n_steps, n_iter)
        fine = self._run(1, items, 2 * n_steps, n_iter)
        step = (self._end - self._now)[items] / (2 * n_steps)
        if self._settings.order == 2:
            error = self._extrapolation_error(coarse.u, fine.u)
        else:
            error = distance(coarse.u, fine.u).cpu().numpy()
        of_solves = self._solve_error(1, items, fine.u, step)
        error = np.maximum(error, of_solves)
        ratio = error / (self._allowed(items) * self._deviation[items])
        self._strikes[items] += error > step_control.STAGNANT * self._error[items]
        self._error[items] = error
        assert self._settings.tol is not None
        self._converged[items] = error <= self._settings.tol * self._deviation[items]
        accurate = ratio <= step_control.MARGIN
        spent = n_iter >= self._settings.max_num_iter or n_steps >= self._most_steps
        final = accurate | spent | (self._strikes[items] > 1)
        for which, segment in enumerate((coarse, fine)):
            self._accept(which, items[final], segment if final.all() else segment[final])
        self._adapt(items, ratio, accurate, of_solves < step_control.SHARE_OF_SOLVES * error)
        return items[~final]

    def _adapt(
        self, items: np.ndarray, ratio: np.ndarray, accurate: np.ndarray, by_steps: np.ndarray
    ) -> None:
        """Plan the next attempt or interval by the error of this one."""
        change = step_control.change_of_effort(ratio, accurate)
        effort = self._effort[items] * change
        self._effort[items] = np.maximum(effort, step_control.LEAST_EFFORT)
        tilt = self._tilt[items] * np.where(by_steps & ~accurate, np.sqrt(change), 1)
        self._tilt[items] = np.minimum(tilt, step_control.MOST_TILT)
