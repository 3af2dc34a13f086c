"""The flow at all times at once: the minimum of an objective over space and time."""

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
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.operators import distance
from skimage_tvflow.core.parallel import run_all
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.recorder import Sample, SampledTrajectory, stack_samples
from skimage_tvflow.core.time_grid import TimeGrid

# Step of the primal-dual iteration: s = _STEP * sqrt(time * deviation). Too short or too long a
# step costs iterations. Fitted at T = .2 to 5 and with 10 to 200 time steps. On crops of 48 x 48
# twice the step takes 8 to 12 % fewer iterations, half of it more.
_STEP = 0.0113
# Estimate of the distance from implicit Euler steps: _GAP * sqrt(gap). It is to be too large rather
# than too small: true distance / estimate is .1 to 1 for photographs, cells, noise and cartoons up
# to T = 1; with _GAP = .15 it was up to 3.5, and a third of all images missed tol.
_GAP = 0.5
# At late times the gap is up to _PESSIMISM times too large. The error is then at most about _CHANGE
# times the change since the iteration count was smaller by the factor _LATER; with 1, one image in
# forty misses tol.
_LATER, _CHANGE, _PESSIMISM = 1.5, 2.0, 10.0
# Iterations between two evaluations of the gap: at least _BETWEEN, and a share 1 / _BETWEEN of all
# so far, because an evaluation costs as much as three iterations.
_BETWEEN = 10
# Contrast at which the loss of TVflowNET is minimised: the paper multiplies images in [0, 1], whose
# deviation is about a quarter, by five.
_DEVIATION = 1.25


@dataclass(frozen=True)
class SpaceTimeSettings:
    """The parameters of the method.

    Attributes
    ----------
    n_times : int, time steps from 0 to the last time
    objective : {"brezis-ekeland", "residual"}
    lr : float, learning rate of Adam, for the residual
    tol : float, estimated error in standard deviations at which an item is done; not for the
        residual
    max_num_iter : int
    """

    n_times: int
    objective: str
    lr: float
    tol: float
    max_num_iter: int


@dataclass(frozen=True)
class Minimum:
    """One item at all requested times, and how it was found.

    Attributes
    ----------
    samples : one for every requested time
    losses : values of the objective on the way
    n_iter : int
    converged : bool
    """

    samples: list[Sample]
    losses: list[float]
    n_iter: int
    converged: bool


class SpaceTimeIntegrator:
    """All items at all times, each item by a minimisation of its own."""

    def __init__(
        self,
        settings: SpaceTimeSettings,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self._problem, self._settings, self._request = problem, settings, request
        self._report = report
        self._shares = np.zeros(len(problem.unit))
        self._cancelled: list[object] = []

    def frames(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """See :class:`~skimage_tvflow.core.integrate.Integrator`; all times come at once."""
        minima: dict[int, Minimum] = {}
        own = solver_times(times, self._problem.unit)

        def work(item: int) -> None:
            minima[item] = self._solve(item, own[:, item])

        tasks = [functools.partial(work, item) for item in range(len(self._shares))]
        on_cpu = self._problem.u.device.type == "cpu"
        threads = torch.get_num_threads() if on_cpu else 1
        report = self._report
        watch = None if report is None else lambda: report(float(self._shares.mean()))
        run_all(tasks, threads, watch, lambda: self._cancelled.append(True))
        yield self._gathered(times, [minima[item] for item in range(len(tasks))])

    def _solve(self, item: int, times: np.ndarray) -> Minimum:
        u, spacing = self._problem.u[item], self._problem.spacing
        if self._problem.deviation[item] == 0:
            path = SampledTrajectory(u, times, 0.0, spacing, self._request)
            path.stand_still()
            return Minimum(path.samples, [0.0], 0, True)
        grid = TimeGrid.of(times, self._settings.n_times, u, spacing)
        if self._settings.objective == "residual":
            return self._descend(item, times, grid)
        return self._converge(item, times, grid)

    def _converge(self, item: int, times: np.ndarray, grid: TimeGrid) -> Minimum:
        """Primal-dual iterations until the gap says that the item is done."""
        settings, deviation = self._settings, float(self._problem.deviation[item])
        image = self._problem.u[item]
        step = _STEP * math.sqrt(grid.lengths.sum() * deviation)
        minimisation = backends.primal_dual(
            SpaceTimeGrid(image, tuple(grid.lengths), self._problem.spacing), step
        )
        losses: list[float] = []
        n_iter, compared, before = 0, 0, image[None]
        error = first = np.full(len(grid.ends), math.inf)
        while not self._cancelled:
            count = max(_BETWEEN, n_iter // _BETWEEN)
            count = min(count, settings.max_num_iter - n_iter)
            minimisation.iterate(count, self._cancelled)
            n_iter += count
            gaps = np.cumsum(grid.lengths * minimisation.gaps().cpu().numpy()) / image.numel()
            losses.append(gaps[-1] / deviation**2)
            error = _GAP * np.sqrt(np.maximum(gaps[grid.ends - 1], 0)) / deviation
            if n_iter >= _LATER * compared:
                now = _at(grid.ends, minimisation)
                if compared:
                    change = distance(now, before).cpu().numpy() / deviation
                    error = np.clip(_CHANGE * change, error / _PESSIMISM, error)
                compared, before = n_iter, now
            first = np.minimum(first, np.maximum(error, 2 * settings.tol))
            left = np.log(np.maximum(error / settings.tol, 1)) / np.log(first / settings.tol)
            self._shares[item] = max(1 - left.max(), n_iter / settings.max_num_iter)
            if error.max() <= settings.tol or n_iter == settings.max_num_iter:
                break
        samples = self._sampled(item, times, grid, minimisation, error * deviation, 1.0)
        return Minimum(samples, losses, n_iter, bool(error.max() <= settings.tol))

    def _descend(self, item: int, times: np.ndarray, grid: TimeGrid) -> Minimum:
        """All iterations of Adam, at the contrast of the paper, for which its loss is made."""
        settings, scale = self._settings, _DEVIATION / float(self._problem.deviation[item])
        lengths = tuple(grid.lengths * scale)
        steps = SpaceTimeGrid(self._problem.u[item] * scale, lengths, self._problem.spacing)
        minimisation = backends.descent(steps, settings.lr)
        losses: list[float] = []
        while len(losses) < settings.max_num_iter and not self._cancelled:
            count = min(_BETWEEN, settings.max_num_iter - len(losses))
            losses += minimisation.iterate(count, self._cancelled)
            self._shares[item] = len(losses) / settings.max_num_iter
        # A loss that rises, or is no number, means that lr was too large.
        converged = bool(losses) and losses[-1] <= losses[0]
        error = np.full(len(grid.ends), math.nan if converged else math.inf)
        samples = self._sampled(item, times, grid, minimisation, error, scale)
        return Minimum(samples, losses, len(losses), converged)

    def _sampled(
        self,
        item: int,
        times: np.ndarray,
        grid: TimeGrid,
        minimisation: Minimisation,
        error: np.ndarray,
        scale: float,
    ) -> list[Sample]:
        """Sample a trajectory at ``scale`` times the contrast; ``error`` at the grid's ends."""
        start, image = minimisation.start() / scale, self._problem.u[item]
        apart = float(distance(start[None], image[None])) + float(self._problem.rounding[item])
        path = SampledTrajectory(start, times, apart, self._problem.spacing, self._request)
        for n, after in enumerate(minimisation.trajectory()):
            dual = minimisation.dual(n) if self._request.needs_steps else None
            estimate = error[np.searchsorted(grid.ends, n + 1)]
            path.add_step(after / scale, dual, grid.lengths[n], float(estimate))
        while not path.finished:
            if not path.vanish():
                path.stand_still(float(error[-1]), count=1)
        return path.samples

    def _gathered(self, times: Sequence[float], minima: Sequence[Minimum]) -> Frames:
        samples = [minimum.samples for minimum in minima]
        u, error, dual, bound = stack_samples(samples, self._request)
        return Frames(
            times=times,
            u=self._problem.units.to_image(u),
            error=error,
            n_iter=np.array([minimum.n_iter for minimum in minima]),
            converged=np.array([minimum.converged for minimum in minima]),
            dual=dual,
            bound=bound,
            losses=[minimum.losses for minimum in minima],
        )


def _at(ends: np.ndarray, minimisation: Minimisation) -> Tensor:
    """The images at the ``ends`` of steps, (M, C, *spatial)."""
    chosen = set((ends - 1).tolist())
    return torch.stack([u for n, u in enumerate(minimisation.trajectory()) if n in chosen])
