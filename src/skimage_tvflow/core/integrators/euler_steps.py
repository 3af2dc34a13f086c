r"""Implicit Euler steps from one requested time to the next: what given and automatic steps share.

With order 1 the answer is the finest trajectory, with order 2 an extrapolation of two, of N and 2N
steps: by Richardson's :math:`2 u_{2N} - u_N` where their number is given. Items are judged, refined
and stopped one by one, as each would be alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import step_control
from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.protocol import ROUNDING
from skimage_tvflow.core.extinction import Alive, LastStep
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrators.euler_segment import EulerSettings, Segment
from skimage_tvflow.core.integrators.gap_error import gap_error
from skimage_tvflow.core.operators import (
    distance,
    exact_dtype,
    rms,
    take,
)
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.progress import Report, WorkMeter, share_of
from skimage_tvflow.core.recorder import TrajectoryRecorder

# How often to look whether the flow has ended, in an interval in which it may.
_LOOKS = 32


class EulerIntegrator(ABC):
    """Trajectories from one requested time to the next; subclasses say how to reach it."""

    def __init__(
        self,
        settings: EulerSettings,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._units, self._unit, self._spacing = problem.units, problem.unit, problem.spacing
        self._settings, self._request = settings, request
        self._deviation = problem.deviation
        self._dtype = problem.u.dtype  # of the answers
        # The flow has ended after |u - mean| / _decay_rate (RMS): it loses at least _decay_rate of
        # that distance in a unit of time.
        self._decay_rate, self._domain = problem.decay_rate, problem.domain
        # What the trajectories are computed in.
        u = problem.u.to(dtype or self._dtype)
        self._trajectories = [
            backends.start(u, problem.spacing, settings.algorithm, problem.domain)
            for _ in range(self._n_trajectories(settings))
        ]
        # Where the flow ends. The means of trajectories drift by rounding.
        mean = problem.u.mean(list(range(2, u.ndim)), keepdim=True, dtype=exact_dtype(problem.u))
        self._mean = mean.to(u.dtype)
        # The image of every trajectory at the last requested time: there an attempt starts.
        self._at = [u] * len(self._trajectories)
        self._is_ours = [False] * len(self._trajectories)  # to write into
        self._recorder: TrajectoryRecorder | None = None
        if request.needs_steps:
            grid = problem.spacing, request, problem.domain
            self._recorder = TrajectoryRecorder(problem.rounding, *grid)
        self._work = WorkMeter(report)
        # Ends of the intervals, 0 included, in the solver's units: shape (n_intervals + 1, N).
        self._time = np.zeros((1, len(self._unit)))
        # Intervals up to each requested time, since the one before it.
        self._parts: list[int] = []
        self._interval = 0
        self._moves = self._deviation > 0
        self._alive = Alive(self._deviation, self._spacing, self._domain)

    def frames(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """See :class:`~skimage_tvflow.core.integrate.Integrator`."""
        self._begin(times)
        yield from self._intervals(times, out)

    def _begin(self, times: Sequence[float]) -> None:
        self._time = solver_times([0.0, *times], self._unit)
        self._parts = [1] * len(times)
        self._horizon = self._time[-1]
        # Nothing is left to move after extinction, so later times take no part of the tolerance.
        # On a square |u| sqrt(n) bounds the extinction time, which spares a look at the image.
        late = self._horizon > self._deviation * np.sqrt(self._at[0][0].numel())
        if self._settings.tol is not None and (late & self._moves).any():
            if self._domain is None:
                extinct = LastStep.of(self._at[0], self._spacing).length
            else:
                extinct = self._deviation / self._decay_rate
            shorter = np.minimum(self._horizon, np.maximum(extinct, 1e-300))
            self._horizon = np.where(late, shorter, self._horizon)
        self._divide_intervals()
        if self._work.is_watched:
            self._work.expect(self._expected_work())

    @property
    def _now(self) -> np.ndarray:
        """The time at which the current interval begins, shape (N,)."""
        return self._time[self._interval]

    @property
    def _end(self) -> np.ndarray:
        """The time at which it ends."""
        return self._time[self._interval + 1]

    def _intervals(self, times: Sequence[float], out: Tensor | None) -> Iterator[Frames]:
        for m, end in enumerate(times):
            self._begin_requested_time()
            for _ in range(self._parts[m]):
                self._work.begin_interval()
                moving = self._extinguish()
                if moving.size:
                    self._reach(moving)
                self._interval += 1
            u = self._answer(self._at, None if out is None else out[:, m])
            bound = self._bound(u)
            yield Frames(
                times=[end],
                u=self._units.to_image(u[:, None]),
                error=self._error[:, None],
                n_iter=self._n_iter,
                converged=self._converged,
                dual=self._mean_dual(),
                bound=bound,
            )

    def _n_trajectories(self, settings: EulerSettings) -> int:
        """Every trajectory has twice the steps of the one before it."""
        return settings.order

    def _divide_intervals(self) -> None:  # noqa: B027 - most have nothing to divide
        """Insert further nodes between the requested times where that helps."""

    @abstractmethod
    def _reach(self, items: np.ndarray) -> None:
        """Bring ``items`` of every trajectory to the end of the interval.

        Notes the error, the iterations and the convergence of each.
        """

    @abstractmethod
    def _fewest_steps(self) -> int:
        """The least number of steps that a trajectory may take in the interval."""

    @abstractmethod
    def _expected_work(self) -> list[float]:
        """Predict the iterations of all items in every interval."""

    def _begin_requested_time(self) -> None:
        n = len(self._unit)
        self._error, self._converged = np.zeros(n), np.ones(n, np.bool_)
        self._n_iter = np.zeros(n, np.int64)

    def _answer(self, at: Sequence[Tensor], out: Tensor | None) -> Tensor:
        out = torch.empty_like(at[-1], dtype=self._dtype) if out is None else out
        if self._settings.order == 1:
            return out.copy_(at[-1])
        into = out if out.dtype == at[-1].dtype else torch.empty_like(at[-1])
        # Not lerp: it rounds the last elements of an array otherwise than the rest, so that items
        # would depend on the batch.
        torch.sub(at[1], at[0], out=into).mul_(self._ahead()).add_(at[0])
        return into if into is out else out.copy_(into)

    def _ahead(self) -> float:
        """The answer of order 2 is this far from the first trajectory, in distances of the two."""
        return 2.0

    def _mean_dual(self) -> Tensor | None:
        if self._recorder is None or not self._request.dual:
            return None
        return self._recorder.take_mean_dual(like=self._at[0])[:, None]

    def _bound(self, u: Tensor) -> np.ndarray | None:
        """The bound of the answer: that of the finest trajectory plus the distance from it."""
        if self._recorder is None or not self._request.bound:
            return None
        bound = self._recorder.bound + 0.0
        if self._settings.order == 2:
            bound += distance(self._at[0], self._at[1]).cpu().numpy() * (1 + ROUNDING)
        return np.minimum(bound, self._recorder.error_bound.after_end(u, self._now))[:, None]

    def _extinguish(self) -> np.ndarray:
        """Put items to their mean where a single step does; return those that still move."""
        moving = np.flatnonzero(self._moves)
        whole = self._end - self._now
        step = whole / self._fewest_steps()
        # Within a domain nothing tells whether a single step ends in the means of its pieces.
        if self._domain is not None or not self._may_end(self._now + step):
            return moving
        dead, steps = self._moves.copy(), []
        for at in self._at:
            last = LastStep.of(at, self._spacing)
            dead &= last.length <= step
            steps.append(last)
        items = np.flatnonzero(dead)
        if not items.size:
            return moving
        for which, last in enumerate(steps):
            after = self._mean[items].expand_as(last.mean[items])
            recorder = self._branch(which, items)
            if recorder is not None:
                dual = last.dual(whole[items], items)
                recorder.add_step(self._at[which][items], after, dual, whole[items])
            self._accept(which, items, Segment(after, recorder))
        self._moves &= ~dead
        self._error[items] = 0.0
        return np.flatnonzero(self._moves)

    def _may_end(self, time: np.ndarray) -> bool:
        """Whether an item may reach its mean by ``time``, shape (N,)."""
        return self._alive.may_end(self._moves, self._now, self._at[-1], time)

    def _may_items_end(self, items: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Which of ``items`` may reach their means by ``time``, shape (n,)."""
        until = self._now.copy()
        until[items] = time
        self._may_end(until)
        return time >= self._alive.until[items]

    def _branch(self, which: int, items: np.ndarray) -> TrajectoryRecorder | None:
        """A recorder for an attempt. Only the finest trajectory has one, if it is asked for."""
        if self._recorder is None or not self._branch_is_recorded(which):
            return None
        return self._recorder.branch(items)

    def _branch_is_recorded(self, which: int) -> bool:
        return self._recorder is not None and which == len(self._trajectories) - 1

    def _run(
        self,
        which: int,
        items: np.ndarray,
        n_steps: int,
        n_iter: int,
        n_cycles: int = 0,
        *,
        resumes: bool = False,
        looks: bool | None = None,
    ) -> Segment:
        """Run ``items`` of one trajectory through the interval.

        It ``resumes`` where it has just come to, to the bit, or begins at the image accepted last.
        It ``looks`` on its way whether the flow has ended; None for where that may be.
        """
        trajectory, start = self._trajectories[which], take(self._at[which], items)
        if not resumes:
            trajectory.reset_primal(items, start)
        step = (self._end - self._now)[items] / n_steps
        iterations = n_steps * (n_iter + n_cycles * step_control.WORK_OF_A_CYCLE)
        self._n_iter[items] += iterations
        work = iterations * len(items)
        # A coarse trajectory is followed by one with twice the steps.
        is_finest = which == len(self._trajectories) - 1
        report = self._work.run(work, then=0.0 if is_finest else 2 * work)
        if looks is None and is_finest:
            looks = bool(self._may_items_end(items, self._end[items]).any())
        looks = bool(looks) and is_finest
        recorder, advance = self._branch(which, items), partial(trajectory.advance, items)
        if recorder is None and not looks:
            advance([n_steps], step[None], n_iter, report=report, n_cycles=n_cycles)
            return Segment(trajectory.primal(items))
        apart = max(n_steps // _LOOKS, 1) if recorder is None else 1
        end = np.full(len(items), np.inf)
        for begin in range(0, n_steps, apart):
            stop = min(begin + apart, n_steps)
            part = share_of(report, begin / n_steps, stop / n_steps)
            advance([stop - begin], step[None], n_iter, report=part, n_cycles=n_cycles)
            after = trajectory.primal(items)
            if recorder is not None:
                self._record(recorder, which, items, (start, after), step)
            size = rms(after).cpu().numpy()
            end = np.minimum(end, self._now[items] + stop * step + size / self._decay_rate)
            if part is not None:
                part(1.0)
            start = after
        return Segment(start, recorder, end)

    def _record(
        self,
        recorder: TrajectoryRecorder,
        which: int,
        items: np.ndarray,
        ends: tuple[Tensor, Tensor],
        step: np.ndarray,
    ) -> None:
        """Note a step between two images."""
        recorder.add_step(*ends, self._trajectories[which].dual(items), step)

    def _gap_error(self, which: int, items: np.ndarray, u: Tensor, step: np.ndarray) -> np.ndarray:
        """See :func:`.gap_error.gap_error`."""
        domain = None if self._domain is None else self._domain[items]
        return gap_error(self._trajectories[which], items, u, step, self._spacing, domain)

    def _allowed(self, items: np.ndarray) -> np.ndarray:
        """The error allowed at the end of the interval, in deviations of the image; shape (n,)."""
        assert self._settings.tol is not None
        share = step_control.allowed_share(self._end[items], self._horizon[items])
        return self._settings.tol * share

    def _accept(self, which: int, items: np.ndarray, segment: Segment) -> None:
        if len(items) == len(self._unit):
            self._at[which], self._is_ours[which] = segment.u, False
        elif len(items):
            if not self._is_ours[which]:
                self._at[which], self._is_ours[which] = self._at[which].clone(), True
            self._at[which][torch.as_tensor(items)] = segment.u
        if self._recorder is not None and segment.recorder is not None and len(items):
            self._recorder.accept(items, segment.recorder, self._at[which])
