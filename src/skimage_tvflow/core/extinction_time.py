r"""The time at which the flow reaches its mean, between a bound from below and one from above.

For an image without mean, :math:`\frac{d}{dt} \|u\|^2 = -2 J(u)`, and with :math:`p \in \partial
J(u)` of least norm, :math:`J(u) = \langle p, u \rangle \le \|p\| \|u\|`. So :math:`t + \|u(t)\|^2 /
J(u(t))` never decreases along the flow, and its limit is the extinction time: a bound from below.

From above: a region at the largest value and one at the smallest approach each other at their
perimeter over their volume each. In a box whose longest side is L that is at least 4/L together,
which two halves attain. So the flow ends by :math:`t + (\max u(t) - \min u(t)) L / 4`.

The flow is run until the two agree. The bound from below alone must not be trusted when it stops
growing: a faint, large structure counts for nothing in it while a strong, small one is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.decay_rate import decay_rate
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.extinction import remaining_time
from skimage_tvflow.core.operators import exact_dtype, rms
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report, share_of, throttled
from skimage_tvflow.core.step_control import (
    FINEST_FLOAT32,
    WORK_OF_A_CYCLE,
    even,
    groups,
    iterations_for,
)

# Where the two bounds are this far apart, in units of rtol, their middle is within 0.6 rtol. The
# rest is for the errors of the time steps and of the iterations.
_AGREE = 1.2
# A round takes this part of the remaining time, or nearly all of it once the bound from below
# grows by less than _CALM per unit of time: then a single structure is left, and implicit Euler is
# exact for steps of any length.
_SHARE, _SHARE_IF_CALM, _CALM = 0.4, 0.9, 0.1
# Implicit Euler ends too early, by about 0.065 times the step over the remaining time: a round has
# ceil(_STEPS / rtol) steps. It has _FEWEST_STEPS at least: single ones, which are solved with a few
# cycles, lag behind. A photograph under noise of four times its deviation ended 27 % too late.
_STEPS, _FEWEST_STEPS = 0.03, 3
# Finer than that the number of steps, and with it the work, has no bound.
_FINEST = 1e-4
# Tolerance of the iterations where the longest side is n times the finest spacing: rtol, times
# sqrt(_LENGTH / n) on longer sides, as news of the other end then needs more iterations than their
# formula says; and never above _COARSEST / n, as the formula does not hold for a few of them.
_LENGTH, _COARSEST = 200, 10
# Most iterations per step. Where they are too few, as with spacings that differ a thousandfold, the
# image lags behind the time; a search beyond the bound from above, with this slack, has no point.
_MOST_ITERATIONS, _SLACK = 4000, 1.2
# Grids are halved while all sides keep _COARSE_SIDE pixels. The difference to the next finer grid
# is about half of that between two grids, so with m finer ones their times are extrapolated by
# 1 - 2**-m of it. That is right to rtol where the extrapolation from the two grids before differs
# by at most _TRUST * rtol: on 39 images it was wrong by at most .7 rtol. (Where only two grids had
# to agree, noise and fur were wrong by up to 2.3.)
_COARSE_SIDE, _TRUST = 32, 0.5
# A step takes _CYCLES multigrid cycles with _CYCLED iterations after each where that is cheaper.
_CYCLES, _CYCLED = 2, 32


def extinction_time(problem: Problem, rtol: float, report: Report | None = None) -> np.ndarray:
    """The time, in the units of ``problem``, at which each item has reached its mean; shape (N,).

    Parameters
    ----------
    problem : Problem
    rtol : relative accuracy, between 0 and 1; below 1e-4 it counts as 1e-4
    report : called at least every 40 ms of work with the fraction done; what it raises ends the
        search
    """
    # What rounding has left of the means would pass for a structure that never vanishes.
    problem = problem.centred()
    is_signal = problem.u.shape[1] == 1 and sum(n > 1 for n in problem.u.shape[2:]) <= 1
    if is_signal and problem.domain is None:
        return _of_signals(problem)
    rtol = max(rtol, _FINEST)
    u = problem.u if rtol < FINEST_FLOAT32 else problem.u.float()
    grids = _grids(u, problem.spacing, 1 if problem.domain else math.inf)
    result, pending = np.zeros(len(problem.u)), np.arange(len(problem.u))
    coarser = predicted = np.full(len(problem.u), np.nan)
    for i, (u, spacing) in enumerate(grids):
        n_finer = len(grids) - 1 - i
        part = share_of(report, 4.0 ** -(n_finer + 1), 4.0**-n_finer)
        domain = problem.domain and problem.domain[pending]
        time = _search(u[pending], spacing, rtol / 3 if n_finer else rtol, part, domain)
        # The finest time is not extrapolated: n_finer is 0.
        before, predicted = predicted, time + (1 - 0.5**n_finer) * (time - coarser)
        result[pending] = time if n_finer == 0 else predicted
        unknown = ~(np.abs(predicted - before) <= _TRUST * rtol * time)
        pending, coarser, predicted = pending[unknown], time[unknown], predicted[unknown]
        if not pending.size:
            break
    return result


def _grids(
    u: Tensor, spacing: Sequence[float], most: float
) -> list[tuple[Tensor, Sequence[float]]]:
    """The images on at most so many grids of twice the spacing each, their own the last one.

    An axis keeps its length, also where its last pixel has only one to be the mean of.
    """
    grids: list[tuple[Tensor, Sequence[float]]] = [(u, spacing)]
    while len(grids) < most and u.ndim < 6 and min(u.shape[2:]) >= 2 * _COARSE_SIDE:
        pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[u.ndim - 3]
        sizes, u = u.shape[2:], pool(u, 2, ceil_mode=True, count_include_pad=False)
        axes = zip(spacing, sizes, u.shape[2:], strict=True)
        spacing = tuple(h * n / halved for h, n, halved in axes)
        grids.insert(0, (u, spacing))
    # Of three or fewer, none could be believed before the image's own.
    return grids if len(grids) > 3 else grids[-1:]


def _search(
    u: Tensor,
    spacing: Sequence[float],
    rtol: float,
    report: Report | None,
    domain: Domain | None,
) -> np.ndarray:
    """The extinction time on one grid."""
    search = _ExtinctionSearch(u, spacing, rtol, report, domain)
    while search.pending.size:
        search.advance()
    return np.minimum(search.time + (search.least + search.most) / 2, _SLACK * search.latest)


def _of_signals(problem: Problem) -> np.ndarray:
    r"""The closed form: T is the maximum of psi, the cumulated signal with its mean taken off."""
    u = problem.u.flatten(1).to(exact_dtype(problem.u))
    spacing = problem.spacing[int(np.argmax(problem.u.shape[2:]))]
    latest = torch.cumsum(u - u.mean(1, keepdim=True), 1).abs().amax(1) * spacing
    # A constant signal leaves the rounding of its mean.
    varies = u.amax(1) > u.amin(1)
    return torch.where(varies, latest, 0.0).cpu().numpy().astype(np.float64)


def _longest_side(u: Tensor, spacing: Sequence[float]) -> float:
    """The length of the longest side of the grid, in the unit of the spacing."""
    return max(n * h for n, h in zip(u.shape[2:], spacing, strict=True))


def _remaining_time(u: Tensor, spacing: Sequence[float], domain: Domain | None) -> np.ndarray:
    """Bounds of the remaining time from below and above, and the standard deviation; (3, n)."""
    spatial = list(range(2, u.ndim))
    # Not in the precision of u: what rounding leaves of the mean would pass for a structure that
    # never vanishes.
    u = u.to(exact_dtype(u))
    u = u - u.mean(spatial, keepdim=True)
    least = remaining_time(u, spacing, domain)
    contrast = (u.amax(spatial) - u.amin(spatial)).norm(dim=1).cpu().numpy()
    deviation = rms(u).cpu().numpy()
    size = deviation * math.sqrt(u[0].numel())
    if domain is None:
        box = contrast * _longest_side(u, spacing) / 4
        most = np.minimum(box, size / decay_rate(tuple(spacing), tuple(u.shape[2:])))
    else:
        most = size / domain.rate
    return np.stack([least, np.maximum(most, least), deviation])


class _ExtinctionSearch:
    """Trajectories of all items, of which those are advanced whose bounds do not agree yet."""

    def __init__(
        self,
        u: Tensor,
        spacing: Sequence[float],
        rtol: float,
        report: Report | None,
        domain: Domain | None,
    ) -> None:
        self._domain = domain
        self._spacing, self._rtol, self._report = spacing, rtol, report
        self._report_round = throttled(report)  # a trajectory reports at that pace by itself
        self._trajectory = backends.start(u, spacing, "accelerated", domain)
        self._has_cycles = backends.has_cycles(u, "accelerated")
        self._rest = _remaining_time(u, spacing, domain)
        self.least, self.most, self._deviation = self._rest  # views
        self.time, self.latest = np.zeros(len(u)), self.most.copy()
        self._growth = np.full(len(u), np.inf)
        self._n_steps = max(math.ceil(_STEPS / rtol), _FEWEST_STEPS)
        n = _longest_side(u, spacing) / min(spacing)
        self._tol = min(rtol, rtol * math.sqrt(_LENGTH / n), _COARSEST / n)
        # Less contrast than this is rounding.
        self._negligible = 16 * torch.finfo(u.dtype).eps * self.most
        self._first_gap = self._gap()
        self.pending = np.flatnonzero(self._first_gap > _AGREE * rtol)
        self._done = 0.0

    def advance(self) -> None:
        """Take one round of steps with all pending items."""
        items, before = self.pending, self.least[self.pending]
        length = np.where(self._growth[items] < _CALM, _SHARE_IF_CALM, _SHARE) * before
        self._advance_by(length / self._n_steps)
        domain = self._domain and self._domain[items]
        u = self._trajectory.primal(items)
        self._rest[:, items] = _remaining_time(u, self._spacing, domain)
        self._growth[items] = (length + self.least[items] - before) / length
        self.time[items] += length
        self.latest[items] = np.minimum(self.latest, self.time + self.most)[items]
        self._done = max(self._done, self._fraction())
        agree = self._gap() <= _AGREE * self._rtol
        over = (self.most <= self._negligible) | (self.time > _SLACK * self.latest)
        self.pending = items[~(agree | over)[items]]
        if self._report_round is not None:
            self._report_round(self._done)

    def _advance_by(self, step: np.ndarray) -> None:
        """Take all steps of a round with the pending items, those of one plan together."""
        items, finished = self.pending, 0
        plan = iterations_for(step / self._deviation[items], self._tol, "accelerated")
        # How far the round will come is not known yet: a quarter of the rest, say.
        ahead = (1 - self._done) / 4 / len(items)
        for where, (n_iter,) in groups(even(plan, _MOST_ITERATIONS)):
            begin, finished = finished, finished + len(where)
            part = share_of(self._report, self._done + ahead * begin, self._done + ahead * finished)
            cycles = 0
            if self._has_cycles and n_iter > _CYCLES * (_CYCLED + WORK_OF_A_CYCLE):
                n_iter, cycles = _CYCLES * _CYCLED, _CYCLES
            self._trajectory.advance(
                items[where],
                [self._n_steps],
                step[None, where],
                n_iter,
                report=part,
                n_cycles=cycles,
            )

    def _gap(self) -> np.ndarray:
        """How far the two bounds are apart, relative to the one from below."""
        total = self.time + self.least
        return (self.most - self.least) / np.where(total > 0, total, 1)

    def _fraction(self) -> float:
        """The work done, about: the logarithm of the gap falls with its square root (measured)."""
        goal = _AGREE * self._rtol
        with np.errstate(divide="ignore", invalid="ignore"):
            covered = np.log(self._first_gap / self._gap()) / np.log(self._first_gap / goal)
        return float((np.clip(np.nan_to_num(covered, nan=1.0), 0, 1) ** 2).mean())
