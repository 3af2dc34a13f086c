"""The flow at all times at once: a way through the times that minimises over the whole of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.protocol import Minimisation, SpaceTimeGrid
from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrate import Begin
from skimage_tvflow.core.operators import distance
from skimage_tvflow.core.parallel import run_all
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.recorder import Course, Found, Record

# The step of the primal-dual iteration, in root of time x deviation: fitted on a photograph, at
# T = .2 to 5 and with 10 to 200 steps.
_STEP = 0.0113
# What the root of the gap says of the distance from implicit Euler steps: on photographs, noise and
# cartoons up to T = 1 the truth is a quarter to two and a half times that.
_GAP = 0.15
# At late times that is too much by up to _PESSIMISM, and the error is about _CHANGE times what has
# changed in the last third of the iterations.
_LATER, _CHANGE, _PESSIMISM = 1.5, 1.0, 10.0
# Iterations between two looks at the gap, at least, and this part of all later on: a look costs as
# much as three.
_BETWEEN = 10
# The paper works with five times its images in [0, 1], whose deviation is about a quarter.
_DEVIATION = 1.25
# What the bound says of the error of Adam's answer, on photographs.
_BOUND_OVER_ERROR = 3.0


@dataclass(frozen=True)
class SpaceTimeSettings:
    """What the caller may choose.

    Attributes
    ----------
    n_times : int
        Time steps from 0 to the last time.
    objective : {"brezis-ekeland", "residual"}
    lr : float
        Of Adam, for the residual.
    tol : float
        Estimated error at which an item is done, in deviations; not for the residual.
    max_num_iter : int
    """

    n_times: int
    objective: str
    lr: float
    tol: float
    max_num_iter: int


class SpaceTimeIntegrator:
    """All items at all times, each item by a minimisation of its own."""

    def __init__(
        self,
        problem: Problem,
        settings: SpaceTimeSettings,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self.units = problem.units
        self._problem, self._settings, self._request, self._report = (
            problem,
            settings,
            request,
            report,
        )
        self._deviation = problem.deviation
        self.flat = self._deviation == 0
        self._unit = problem.unit
        self._rounding = problem.rounding
        self._shares = np.zeros(len(self._unit))
        self._cancelled: list[object] = []

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """All items at the increasing ``times``, all > 0; all of them come at once."""
        found: dict[int, Found] = {}

        def work(item: int) -> None:
            found[item] = self._solve(item, times)

        tasks = [functools.partial(work, item) for item in range(len(self._unit))]
        on_cpu = self._problem.u.device.type == "cpu"
        threads = torch.get_num_threads() if on_cpu else 1
        report = None if self._report is None else functools.partial(self._tell, times[-1])
        run_all(tasks, threads, report, lambda: self._cancelled.append(True))
        yield self._outcome(times, [found[item] for item in range(len(tasks))])

    def _tell(self, last: float) -> None:
        assert self._report is not None
        # The end is reached when what was found is given, not before.
        self._report(0.999 * last * float(self._shares.mean()))

    def _solve(self, item: int, times: Sequence[float]) -> Found:
        if self.flat[item]:
            return self._still(item, len(times))
        course = Course.of(
            np.asarray(times) * self._unit[item],
            self._settings.n_times,
            self._problem.u[item],
            self._problem.spacing,
        )
        if self._settings.objective == "residual":
            return self._descend(item, course)
        return self._converge(item, course)

    def _still(self, item: int, n_times: int) -> Found:
        """The answer for a constant image."""
        u = self._problem.u[item]
        dual = u.new_zeros((n_times, len(u), u.ndim - 1, *u.shape[1:]))
        zeros = np.zeros(n_times)
        return Found(u.expand(n_times, *u.shape), dual, zeros, zeros, [0.0])

    def _converge(self, item: int, course: Course) -> Found:
        """Primal-dual iterations until the gap says that it is done."""
        settings, deviation = self._settings, float(self._deviation[item])
        image, lengths, ends = self._problem.u[item], course.lengths, course.ends
        step = _STEP * math.sqrt(lengths.sum() * deviation)
        minimisation = backends.primal_dual(
            SpaceTimeGrid(image, tuple(lengths), self._problem.spacing), step
        )
        losses: list[float] = []
        n_iter, compared, before = 0, 0, image[None]
        error = first = np.full(len(ends), math.inf)
        while not self._cancelled:
            count = max(_BETWEEN, n_iter // _BETWEEN)
            count = min(count, settings.max_num_iter - n_iter)
            minimisation.iterate(count, self._cancelled)
            n_iter += count
            gaps = np.cumsum(lengths * minimisation.gaps().cpu().numpy()) / image.numel()
            losses.append(gaps[-1] / deviation**2)
            error = _GAP * np.sqrt(np.maximum(gaps[ends - 1], 0)) / deviation
            if n_iter >= _LATER * compared:
                now = _at(ends, minimisation)
                if compared:
                    change = distance(now, before).cpu().numpy() / deviation
                    error = np.clip(_CHANGE * change, error / _PESSIMISM, error)
                compared, before = n_iter, now
            first = np.minimum(first, np.maximum(error, 2 * settings.tol))
            left = np.log(np.maximum(error / settings.tol, 1)) / np.log(first / settings.tol)
            self._shares[item] = max(1 - left.max(), n_iter / settings.max_num_iter)
            if error.max() <= settings.tol or n_iter == settings.max_num_iter:
                break
        found = self._answer(item, course, minimisation, error * deviation, 1.0)
        found.losses, found.n_iter = losses, n_iter
        found.converged = bool(error.max() <= settings.tol)
        return found

    def _descend(self, item: int, course: Course) -> Found:
        """All iterations of Adam, at the contrast of the paper, for which its loss is made."""
        scale = _DEVIATION / float(self._deviation[item])
        lengths = tuple(course.lengths * scale)
        grid = SpaceTimeGrid(self._problem.u[item] * scale, lengths, self._problem.spacing)
        minimisation = backends.descent(grid, self._settings.lr)
        losses: list[float] = []
        while len(losses) < self._settings.max_num_iter and not self._cancelled:
            count = min(_BETWEEN, self._settings.max_num_iter - len(losses))
            losses += minimisation.iterate(count, self._cancelled)
            self._shares[item] = len(losses) / self._settings.max_num_iter
        # Iterations that lead away from the minimum, or out of the numbers, have led nowhere.
        converged = bool(losses) and losses[-1] <= losses[0]
        error = np.full(len(course.ends), math.nan if converged else math.inf)
        found = self._answer(item, course, minimisation, error, scale)
        if found.bound is not None and converged:
            found.error = found.bound / _BOUND_OVER_ERROR
        found.losses, found.n_iter, found.converged = losses, len(losses), converged
        return found

    def _answer(
        self,
        item: int,
        course: Course,
        minimisation: Minimisation,
        error: np.ndarray,
        scale: float,
    ) -> Found:
        """What is at the times asked for, of a trajectory at ``scale`` times the contrast."""
        request, before = self._request, minimisation.start() / scale
        image = self._problem.u[item]
        start = self._rounding[item] + distance(before[None], image[None]).cpu().numpy()
        record = Record(before, ErrorBound(start, self._problem.spacing), request)
        stops = dict(zip(course.ends[:-1].tolist(), error))
        for n, after in enumerate(minimisation.trajectory(), 1):
            dual = minimisation.dual(n - 1) if request.bound or request.dual else None
            record.move(after / scale, dual, course.lengths[n - 1])
            if n in stops:
                record.note(stops[n])
        left = error[-1]
        for length in course.later:
            if length > 0 and record.vanish(length, self._problem.spacing):
                left = 0.0
            record.note(left)
        return record.found()

    def _outcome(self, times: Sequence[float], found: Sequence[Found]) -> Frames:
        u = self.units.to_image(torch.stack([f.u for f in found]))
        dual = bound = None
        if self._request.dual:
            dual = torch.stack([f.dual for f in found if f.dual is not None])
        if self._request.bound:
            bound = np.stack([f.bound for f in found if f.bound is not None])
        return Frames(
            times,
            u,
            np.stack([f.error for f in found]),
            np.array([f.n_iter for f in found]),
            np.array([f.converged for f in found]),
            dual,
            bound,
            [f.losses for f in found],
        )


def _at(ends: np.ndarray, minimisation: Minimisation) -> Tensor:
    """The images at the ``ends`` of steps, (M, C, *spatial)."""
    chosen = set((ends - 1).tolist())
    return torch.stack([u for n, u in enumerate(minimisation.trajectory()) if n in chosen])


def joint(settings: SpaceTimeSettings) -> Begin:
    """All times at once."""
    return lambda problem, request, report: SpaceTimeIntegrator(problem, settings, request, report)
