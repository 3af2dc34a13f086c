"""The flow at all times at once: a way through the times that minimises over the whole of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import backends
from skimage_tvflow.core.certificate import Ledger
from skimage_tvflow.core.clock import Poll
from skimage_tvflow.core.march import Begin
from skimage_tvflow.core.operators import distance
from skimage_tvflow.core.parallel import run_all
from skimage_tvflow.core.plan import steps_in_intervals
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.scheme import Outcome, Wanted
from skimage_tvflow.core.spacetime import Grid, Minimisation

# The step of the primal-dual iteration, in root of time x deviation: on photographs, noise and
# cartoons, at T = .2 to 20 and with 10 to 200 steps, it is within a factor 2 of the best.
_STEP = 0.0113
# What the root of the gap says of the distance from implicit Euler steps, measured likewise.
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
class JointSettings:
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


@dataclass
class _Found:
    """One item at the times asked for: images, mean dual variables, and what is known of them."""

    u: Tensor
    dual: Tensor | None
    error: np.ndarray
    bound: np.ndarray | None
    losses: list[float]
    n_iter: int = 0
    converged: bool = True


class Joint:
    """All items at all times, each item by a minimisation of its own."""

    def __init__(
        self, problem: Problem, settings: JointSettings, wanted: Wanted, poll: Poll | None
    ) -> None:
        self.units = problem.units
        self._problem, self._settings, self._wanted, self._poll = problem, settings, wanted, poll
        self._deviation = problem.deviation.cpu().numpy()
        self.flat = self._deviation == 0
        self._unit = problem.unit.cpu().numpy()
        self._rounding = problem.rounding.cpu().numpy()
        self._shares = np.zeros(len(self._unit))
        self._cancelled: list[object] = []

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Outcome]:
        """All items at the increasing ``times``, all > 0; all of them come at once."""
        found: dict[int, _Found] = {}

        def work(item: int) -> None:
            found[item] = self._solve(item, times)

        tasks = [functools.partial(work, item) for item in range(len(self._unit))]
        on_cpu = self._problem.u.device.type == "cpu"
        threads = torch.get_num_threads() if on_cpu else 1
        poll = None if self._poll is None else functools.partial(self._tell, times[-1])
        run_all(tasks, threads, poll, lambda: self._cancelled.append(True))
        yield self._outcome(times, [found[item] for item in range(len(tasks))])

    def _tell(self, last: float) -> None:
        assert self._poll is not None
        # The end is reached when what was found is given, not before.
        self._poll(0.999 * last * float(self._shares.mean()))

    def _solve(self, item: int, times: Sequence[float]) -> _Found:
        intervals = np.diff([0.0, *times])
        counts = steps_in_intervals(self._settings.n_times, intervals, times[-1])
        lengths = np.repeat(intervals / counts, counts) * self._unit[item]
        ends = np.cumsum(counts)
        if self.flat[item]:
            return self._still(item, len(times))
        if self._settings.objective == "residual":
            return self._descend(item, lengths, ends)
        return self._converge(item, lengths, ends)

    def _still(self, item: int, n_times: int) -> _Found:
        """The answer for a constant image."""
        u = self._problem.u[item]
        dual = u.new_zeros((n_times, len(u), u.ndim - 1, *u.shape[1:]))
        zeros = np.zeros(n_times)
        return _Found(u.expand(n_times, *u.shape), dual, zeros, zeros, [0.0])

    def _converge(self, item: int, lengths: np.ndarray, ends: np.ndarray) -> _Found:
        """Primal-dual iterations until the gap says that it is done."""
        settings, deviation = self._settings, float(self._deviation[item])
        image = self._problem.u[item]
        step = _STEP * math.sqrt(lengths.sum() * deviation)
        minimisation = backends.primal_dual(
            Grid(image, tuple(lengths), self._problem.spacing), step
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
        found = self._answer(item, lengths, ends, minimisation, 1.0)
        found.error, found.losses, found.n_iter = error * deviation, losses, n_iter
        found.converged = bool(error.max() <= settings.tol)
        return found

    def _descend(self, item: int, lengths: np.ndarray, ends: np.ndarray) -> _Found:
        """All iterations of Adam, at the contrast of the paper, for which its loss is made."""
        scale = _DEVIATION / float(self._deviation[item])
        grid = Grid(self._problem.u[item] * scale, tuple(lengths * scale), self._problem.spacing)
        minimisation = backends.descent(grid, self._settings.lr)
        losses: list[float] = []
        while len(losses) < self._settings.max_num_iter and not self._cancelled:
            count = min(_BETWEEN, self._settings.max_num_iter - len(losses))
            losses += minimisation.iterate(count, self._cancelled)
            self._shares[item] = len(losses) / self._settings.max_num_iter
        found = self._answer(item, lengths, ends, minimisation, scale)
        if found.bound is not None:
            found.error = found.bound / _BOUND_OVER_ERROR
        found.losses, found.n_iter = losses, len(losses)
        return found

    def _answer(
        self,
        item: int,
        lengths: np.ndarray,
        ends: np.ndarray,
        minimisation: Minimisation,
        scale: float,
    ) -> _Found:
        """What is at the ``ends`` of steps, of a trajectory at ``scale`` times the contrast."""
        before = minimisation.start() / scale
        image, wanted = self._problem.u[item], self._wanted
        start = self._rounding[item] + distance(before[None], image[None]).cpu().numpy()
        ledger = Ledger(start, self._problem.spacing)
        u, duals, bounds = [], [], []
        nothing = torch.zeros_like(minimisation.dual(0))
        mean, since = nothing, 0.0
        stops = set(ends.tolist())
        for n, after in enumerate(minimisation.trajectory(), 1):
            after, length = after / scale, lengths[n - 1]
            if wanted.bound or wanted.dual:
                dual = minimisation.dual(n - 1)
                mean, since = mean + length * dual, since + length
            if wanted.bound:
                ledger.charge(before[None], after[None], dual[None], lengths[n - 1 : n])
            if n in stops:
                u.append(after)
                bounds.append(ledger.bound[0])
                if wanted.dual:
                    duals.append(mean / since)
                mean, since = nothing, 0.0
            before = after
        return _Found(
            torch.stack(u),
            torch.stack(duals) if duals else None,
            np.full(len(ends), np.nan),
            np.array(bounds) if wanted.bound else None,
            [],
        )

    def _outcome(self, times: Sequence[float], found: Sequence[_Found]) -> Outcome:
        u = self.units.restore(torch.stack([f.u for f in found]))
        dual = bound = None
        if self._wanted.dual:
            dual = torch.stack([f.dual for f in found if f.dual is not None])
        if self._wanted.bound:
            bound = np.stack([f.bound for f in found if f.bound is not None])
        return Outcome(
            times,
            u,
            np.stack([f.error for f in found]),
            np.array([f.n_iter for f in found]),
            np.array([f.converged for f in found]),
            dual,
            bound,
            _padded([f.losses for f in found]),
        )


def _at(ends: np.ndarray, minimisation: Minimisation) -> Tensor:
    """The images at the ``ends`` of steps, (M, C, *spatial)."""
    wanted = set((ends - 1).tolist())
    return torch.stack([u for n, u in enumerate(minimisation.trajectory()) if n in wanted])


def _padded(curves: Sequence[Sequence[float]]) -> np.ndarray:
    """Curves of different lengths in one table, each with its last value to the end."""
    longest = max(len(curve) for curve in curves)
    return np.array([[*curve, *[curve[-1]] * (longest - len(curve))] for curve in curves])


def joint(settings: JointSettings) -> Begin:
    """All times at once."""
    return lambda problem, wanted, poll: Joint(problem, settings, wanted, poll)
