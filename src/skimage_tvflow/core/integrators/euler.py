r"""What every way through the requested times shares.

With order 1 the answer is a trajectory of N implicit Euler steps, with order 2 the Richardson
extrapolation :math:`2 u_{2N} - u_N` of two trajectories, every step bisected. Items are judged,
refined and stopped one by one.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.extinction import (
    LastStep,
    coarse_remaining_time,
    pixel_time,
    remaining_time,
)
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.operators import (
    distance,
    pairing,
    rms,
    total_variation,
)
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report

# What |u_2N - u_N| says of the extrapolated image: on photographs, with time and iteration errors
# in balance, the truth is a half to two times that.
EXTRAPOLATED = 0.75

# What the gap's bound says of the error of the flow: measured on photographs.
_GAP = 0.5


@dataclass(frozen=True)
class EulerSettings:
    """What the caller may choose.

    ``n_steps=None`` lets the march choose its steps; ``tol=None`` takes exactly ``max_num_iter``
    iterations in every step.
    """

    n_steps: int | None
    order: int
    tol: float | None
    max_num_iter: int
    algorithm: str


@dataclass(frozen=True)
class Run:
    """Items of a trajectory, brought to a time.

    Attributes
    ----------
    u : Tensor of shape (n, C, *spatial)
    dual : Tensor of shape (n, C, n_spatial, *spatial) or None: the mean of phi on the way
    bound : array of shape (n,) or None
    """

    u: Tensor
    dual: Tensor | None = None
    bound: np.ndarray | None = None

    def __getitem__(self, which: np.ndarray) -> Run:
        dual = None if self.dual is None else self.dual[which]
        bound = None if self.bound is None else self.bound[which]
        return Run(self.u[which], dual, bound)


class Scheme(ABC):
    """Trajectories from one accepted time to the next; subclasses say how to reach it."""

    def __init__(
        self,
        problem: Problem,
        settings: EulerSettings,
        n_trajectories: int,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        # The problem itself would keep the image it starts from.
        self.units = problem.units
        self._settings = settings
        self._spacing = problem.spacing
        self._unit = problem.unit
        self._deviation = problem.deviation
        self._trajectories = [
            backends.start(problem.u, problem.spacing, settings.algorithm)
            for _ in range(n_trajectories)
        ]
        # The image of every trajectory at the last accepted time: where an attempt starts.
        self._at = [problem.u] * n_trajectories
        self.flat = self._deviation == 0
        self._request = request
        self._bound = problem.rounding.copy()
        self._report = report
        self._now = self._last = 0.0
        self._alive_until = pixel_time(self._deviation, self._spacing)

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """March through the increasing ``times``, all > 0.

        The images are put into ``out``, (N, M, C, *spatial), where that saves a copy.
        """
        self._last = times[-1]
        yield from self._intervals(times, out)

    def _intervals(self, times: Sequence[float], out: Tensor | None) -> Iterator[Frames]:
        for m, end in enumerate(times):
            self._begin_interval()
            alive = self._extinguish(end)
            if alive.size:
                self._reach(end, alive)
            u = self._answer(self._at, None if out is None else out[:, m])
            u = self.units.to_image(u[:, None])
            error = self._error[:, None]
            dual = None if self._dual is None else self._dual[:, None]
            bound = self._certified()[:, None] if self._request.bound else None
            yield Frames([end], u, error, self._n_iter, self._converged, dual, bound)
            self._now = end

    @abstractmethod
    def _reach(self, end: float, items: np.ndarray) -> None:
        """Bring ``items`` of every trajectory to ``end``; note error, iterations, convergence."""

    def _begin_interval(self) -> None:
        n, channels, *sizes = self._at[0].shape
        self._error, self._converged = np.zeros(n), np.ones(n, np.bool_)
        self._n_iter = np.zeros(n, np.int64)
        self._dual: Tensor | None = None
        if self._request.dual:
            self._dual = self._at[0].new_zeros((n, channels, len(sizes), *sizes))

    def _answer(self, at: Sequence[Tensor], out: Tensor | None) -> Tensor:
        out = torch.empty_like(at[-1]) if out is None else out
        if self._settings.order == 1:
            return out.copy_(at[-1])
        return torch.lerp(at[0], at[1], 2.0, out=out)

    def _certified(self) -> np.ndarray:
        """The bound of the answer: that of the finest trajectory, and the way from it."""
        if self._settings.order == 1:
            return self._bound
        return self._bound + distance(self._at[0], self._at[1]).cpu().numpy()

    def _extinguish(self, end: float) -> np.ndarray:
        """Put those items to their mean that a single step brings there; return the others."""
        everyone = np.arange(len(self._unit))
        whole = (end - self._now) * self._unit
        step = whole / self._fewest_steps(end)
        if not self._may_be_extinct(self._now, step):
            return everyone
        dead, means = np.ones(len(step), np.bool_), []
        for at in self._at:
            last = LastStep.of(at, self._spacing)
            dead &= last.length <= step
            means.append(last.mean)
        items = np.flatnonzero(dead)
        for which, mean in enumerate(means):
            dual = last.dual(whole[items], items)
            ledger = ErrorBound(self._bound[items], self._spacing)
            if self._request.bound and items.size:
                ledger.add_step(self._at[which][items], mean[items], dual, whole[items])
            self._accept(which, items, Run(mean[items], dual, ledger.bound))
        return np.flatnonzero(~dead)

    def _may_be_extinct(self, until: float, step: np.ndarray) -> bool:
        """Whether a step of at most ``step``, begun by ``until``, can end an item.

        The least length of such a step is at least the remaining time, and shrinks no faster than
        time passes: one look at the image holds for long.
        """
        end = until * self._unit + step
        for bound in (coarse_remaining_time, remaining_time):
            if (end < self._alive_until).all():
                return False
            self._look(bound)
        return bool((end >= self._alive_until).any())

    def _look(self, bound: Callable[[Tensor, Sequence[float]], np.ndarray]) -> None:
        """Bound the remaining time by the images as they are now."""
        left = bound(self._at[-1], self._spacing)
        self._alive_until = np.maximum(self._alive_until, self._now * self._unit + left)

    @abstractmethod
    def _fewest_steps(self, end: float) -> int:
        """The least number of steps in which a trajectory may go from now to ``end``."""

    def _run(self, which: int, items: np.ndarray, end: float, n_steps: int, n_iter: int) -> Run:
        """Run ``items`` of one trajectory from the last accepted time to ``end``."""
        trajectory, start = self._trajectories[which], take(self._at[which], items)
        trajectory.reset_primal(items, start)
        # A time in units below the normal numbers is not divided before it is out of them.
        step = (end - self._now) * self._unit[items] / n_steps
        self._n_iter[items] += n_steps * n_iter
        finest = which == len(self._trajectories) - 1
        if not finest or not (self._request.dual or self._request.bound):
            watch = self._watch(self._now, end)
            trajectory.advance(items, [n_steps], step[None], n_iter, report=watch)
            return Run(trajectory.primal(items))
        ledger = ErrorBound(self._bound[items], self._spacing)
        mean: Tensor | None = None
        for now, then in itertools.pairwise(np.linspace(self._now, end, n_steps + 1)):
            watch = self._watch(now, then)
            trajectory.advance(items, [1], step[None], n_iter, report=watch)
            after, dual = trajectory.primal(items), trajectory.dual(items)
            if self._request.bound:
                ledger.add_step(start, after, dual, step)
            if watch is not None:
                watch(1.0)
            start = after
            dual /= n_steps
            mean = dual if mean is None else mean.add_(dual)
        return Run(start, mean, ledger.bound)

    def _lag(self, which: int, items: np.ndarray, u: Tensor, step: np.ndarray) -> np.ndarray:
        """What the duality gap of the last step says of the error of its solve.

        The solve is off by at most ``sqrt(2 step gap)``. Two solves that both lag behind, when
        large structures merge, agree all the same; this does not.
        """
        trajectory = self._trajectories[which]
        paired = pairing(u, lambda slab: trajectory.dual(items, slab), self._spacing)
        variation = total_variation(u, self._spacing)
        # Less than this is rounding, whose square root would drown a tight tolerance.
        gap = variation - paired - 16 * torch.finfo(u.dtype).eps * variation
        pixels = u[0].numel()
        lag = _GAP * np.sqrt(2 * step * gap.clamp_(min=0).cpu().numpy() / pixels)
        # What is all but extinct cannot be off by more than itself.
        return np.minimum(lag, rms(u).cpu().numpy())

    def _watch(self, begin: float, end: float) -> Report | None:
        report = self._report
        if report is None:
            return None
        # The end is reached when what was found there is accepted, not before.
        return lambda part: report(begin + min(part, 0.999) * (end - begin))

    def _allowed(self, end: float) -> float:
        """The error allowed at ``end``, in deviations of the image.

        It grows with time, slowly: the first moments, in which the smallest structures vanish, are
        granted the most, and every later interval still something of its own.
        """
        assert self._settings.tol is not None
        return self._settings.tol * float((end / self._last) ** 0.25)

    def _accept(self, which: int, items: np.ndarray, run: Run) -> None:
        if len(items) == len(self._unit):
            self._at[which] = run.u
        elif len(items):
            self._at[which] = self._at[which].index_put((torch.as_tensor(items),), run.u)
        if self._dual is not None and run.dual is not None:
            self._dual[items] = run.dual
        if run.bound is not None and which == len(self._trajectories) - 1:
            self._bound[items] = run.bound


def take(u: Tensor, items: np.ndarray) -> Tensor:
    """``u[items]``, without a copy where that is everything."""
    return u if len(items) == len(u) else u[items]


def column(values: np.ndarray, like: Tensor) -> Tensor:
    """One value per item, ready to multiply a tensor whose first axis is the items."""
    factors = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return factors.reshape(-1, *[1] * (like.ndim - 1))
