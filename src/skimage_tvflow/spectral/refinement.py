r"""How a scale space grows: from a rough flow to frames that are solved to the tolerance.

The flow is a semigroup, :math:`u(s + t) = F(u(s), t)`, so any frame can be the beginning: after a
stop the solve goes on from the last one, and a knot is added between two others by a short solve.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from torch import Tensor

from skimage_tvflow.core.frames import OutputRequest
from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times
from skimage_tvflow.spectral.coarse_flow import rough_flow
from skimage_tvflow.spectral.frame_store import FrameStore
from skimage_tvflow.spectral.knots import Knots, plan_times
from skimage_tvflow.spectral.measures import EXCESS, INTERPOLATED, STILL, Measures

# Tolerance of the rough space's knots, in deviations.
_ROUGH_TOL = 0.015
# Part of the work on the rough space that its solve takes; the rest brings frames to full size.
_ROUGH_SOLVED = 0.7
# Knots beyond the rough extinction time, which may be some per cent early.
_BEYOND = (1.02, 1.06, 1.15, 1.3, 1.6)
# Rounds in which knots are added where the interpolation is not accurate enough; one mostly does.
_ROUNDS = 3
# Part of the work that the first pass takes.
_FIRST_PASS = 0.9


class Frame(NamedTuple):
    """
    The flow of all items of the core at one time.

    Attributes
    ----------
    time : float
        The time.
    u : torch.Tensor of shape (N, C, *spatial)
        The images.
    error, bound : numpy.ndarray of shape (N,)
        Estimated RMS errors, and their bounds or NaN.
    """

    time: float
    u: Tensor
    error: np.ndarray
    bound: np.ndarray


@dataclasses.dataclass(frozen=True)
class Growth:
    """
    What is known of an image and of how its space is to grow.

    Attributes
    ----------
    flow_input : FlowInput
        The image.
    flow : BaseTVFlow
        Computes the fine frames.
    measures : Measures
        Measures the frames.
    t_max : float or None
        The last time; None for the extinction.
    store : FrameStore
        Where the frames are kept.
    certify : bool
        Whether the frames get rigorous error bounds.
    may_grow : bool
        Whether `flow` is the estimator that the space was begun with.
    """

    flow_input: FlowInput
    flow: BaseTVFlow
    measures: Measures
    t_max: float | None
    store: FrameStore
    certify: bool = False
    may_grow: bool = True

    def begin(self, report: Report | None) -> tuple[Knots, np.ndarray]:
        """
        Compute the rough space.

        Parameters
        ----------
        report : callable or None
            It is told the fraction of the work done.

        Returns
        -------
        knots : Knots
            A few rough frames.
        plan : numpy.ndarray
            Times of the fine frames.
        """
        t_max = self.t_max
        knots = self._start()
        moving = self.measures.deviation > 0
        if not moving.any() or t_max == 0:
            return knots, np.empty(0)
        flow_input = self.flow_input
        limits = self.measures.domain, self.measures.strength
        rough = rough_flow(
            flow_input.image, flow_input.spacing, t_max, report, self.store.keep, *limits
        )
        knots = dataclasses.replace(knots, unit=rough.unit)
        times = np.array([frame.time for frame in rough.frames])
        allowed = np.where(moving, self.measures.deviation, np.inf)
        extinction = rough.extinction[moving].max()
        end = float(min(extinction, np.inf if t_max is None else t_max))
        if end == t_max:
            times[-1] = end  # to the last digit
        bend = rough.bend * self.measures.dilution
        plan = partial(plan_times, times / rough.unit, bend, end / rough.unit)
        for time in plan(_ROUGH_TOL * allowed) * rough.unit:
            k = int(np.abs(times - time).argmin())
            if knots.times[-1] < times[k] <= end:
                image, error = rough.frames[k].image(), rough.error[k] * self.measures.dilution
                frame = Frame(float(times[k]), image, error, np.full_like(error, np.nan))
                knots = self.put(knots, frame, False)
                if report is not None:
                    report(_ROUGH_SOLVED + (1 - _ROUGH_SOLVED) * time / end)
        if end == extinction:
            nothing = np.full_like(rough.error[-1], np.nan)
            knots = self.put(knots, Frame(end, self._mean(), rough.error[-1], nothing), False)
        fine = plan(INTERPOLATED * self.measures.tol * allowed) * rough.unit
        if t_max is None or extinction < t_max:
            fine = np.append(fine, np.multiply(_BEYOND, end))
        if t_max is not None:
            fine = np.append(fine[fine < t_max], t_max)
        return knots, fine

    def refine(
        self, knots: Knots, plan: np.ndarray, report: Report | None, accept: Callable[[Knots], None]
    ) -> None:
        """
        Solve for the fine frames that are still missing.

        Parameters
        ----------
        knots : Knots
            The space as it is.
        plan : numpy.ndarray
            Times of the fine frames.
        report : callable or None
            It is told the fraction of the work done; what it raises ends the work.
        accept : callable
            Is given every better space.
        """
        while True:
            start = float(knots.times[knots.fine][-1])
            left = plan[plan > start]
            first = share_of(report, start / plan[-1] * _FIRST_PASS, _FIRST_PASS)
            for frame in self._solve(knots, start, left, first):
                knots = self.put(knots, frame, True)
                accept(knots)
            if self.t_max is not None or self._has_ended(knots):
                break
            plan = knots.times[-1] * np.linspace(1.1, 1.5, 5)
        knots = self._cut(knots)
        accept(knots)
        for k in range(_ROUNDS):
            part = share_of(report, _FIRST_PASS + k * 0.03, _FIRST_PASS + (k + 1) * 0.03)
            gaps = self._gaps(knots)
            for m, (start, times) in enumerate(gaps):
                one = share_of(part, m / len(gaps), (m + 1) / len(gaps))
                for frame in self._solve(knots, start, times, one):
                    knots = self.put(knots, frame, True)
            if gaps:
                knots = self._cut(knots)
                accept(knots)

    def put(self, knots: Knots, frame: Frame, fine: bool) -> Knots:
        """
        Add a frame and measure the curvature around it.

        Parameters
        ----------
        knots : Knots
            The space.
        frame : Frame
            The frame.
        fine : bool
            Whether it is solved to the tolerance.

        Returns
        -------
        Knots
            The new space.
        """
        axes, (time, u, *errors) = self.flow_input.axes, frame
        kept, variation = self.store.keep(axes.from_core(u)), self.measures.variation(u)
        knots = knots.put(time, kept, fine, variation, *map(axes.combine, errors))
        at = int(np.searchsorted(knots.times, time))
        for k in range(max(at - 1, 1), min(at + 2, len(knots.times) - 1)):
            knots.curvature[k] = self.measures.curvature(knots, k)
        return knots

    def _start(self) -> Knots:
        """The image alone."""
        image, axes = self.flow_input.image, self.flow_input.axes
        zero = np.zeros((1, *axes.batch_shape))
        frame = self.store.keep(axes.from_core(image.clone()))
        variation = self.measures.variation(image)[None]
        fine, bound = np.ones(1, np.bool_), zero if self.certify else np.full_like(zero, np.nan)
        return Knots(np.zeros(1), (frame,), variation, zero, bound, zero.copy(), fine, 1.0)

    def _solve(
        self, knots: Knots, start: float, times: np.ndarray, report: Report | None
    ) -> Iterator[Frame]:
        """Compute fine frames at ``times`` from the one at ``start``."""
        if not times.size:
            return
        k = int(np.searchsorted(knots.times, start))
        image = self.flow_input.axes.to_core(knots.frames[k])
        requested = dataclasses.replace(
            self.flow_input, image=image, times=resolve_times(times - start)
        )
        flow, request = self._tightened(image), OutputRequest(bound=self.certify)
        before = self.measures.per_item(knots.error[k])
        bound = self.measures.per_item(knots.bound[k])
        ahead = iter(times)
        for frames in flow._integrate(requested, request=request, report=report):
            for m in range(len(frames.times)):
                dilution = self.measures.dilution
                error = np.hypot(before, dilution * np.nan_to_num(frames.error[:, m]))
                # The exact flow from a wrong beginning does not get further from the right one.
                certified = np.nan if frames.bound is None else frames.bound[:, m]
                added = bound + dilution * certified
                yield Frame(float(next(ahead)), frames.u[:, m].contiguous(), error, added)
        flow._warn(frames.error.T, frames.converged, image.dtype, frames.hidden)

    def _tightened(self, image: Tensor) -> BaseTVFlow:
        """The estimator with a tolerance for what is left, which is relative to its deviation."""
        tol = getattr(self.flow, "tol", None)
        left = self.measures.left(image)
        moving = left > STILL * self.measures.deviation
        if tol is None or not moving.any():
            return self.flow
        ratio = float((self.measures.deviation[moving] / left[moving]).min())
        return copy.copy(self.flow).set_params(tol=tol * max(ratio, 1.0))

    def _has_ended(self, knots: Knots) -> bool:
        """Whether no item moves at the last knot."""
        return bool(self.measures.last_moving(knots).max() < len(knots.times) - 1)

    def _gaps(self, knots: Knots) -> list[tuple[float, np.ndarray]]:
        """Where knots must be added: each interval's beginning, and times within it."""
        excess = self.measures.excess(knots)
        pieces = np.where(excess > EXCESS, np.ceil(np.sqrt(excess)), 1).astype(int)
        starts, steps = knots.times[:-1], np.diff(knots.times)
        return [
            (float(starts[k]), starts[k] + steps[k] * np.arange(1, pieces[k]) / pieces[k])
            for k in np.flatnonzero(pieces > 1)
        ]

    def _cut(self, knots: Knots) -> Knots:
        """End the space at the extinction time, if it is reached, by a frame of means."""
        if not self._has_ended(knots):
            return knots
        last = int(self.measures.last_moving(knots).max())
        end = float(self.measures.extinction(knots).max())
        error = self.measures.per_item(knots.error[last])
        # The flow never gets further from its mean than it is.
        left = self.measures.left(self.flow_input.axes.to_core(knots.frames[last]))
        bound = self.measures.per_item(knots.bound[last]) + left
        return self.put(knots.first(last + 1), Frame(end, self._mean(), error, bound), True)

    def _mean(self) -> Tensor:
        """Images of the means."""
        u = self.flow_input.image
        mean = u.to(exact_dtype(u)).mean(list(range(2, u.ndim)), keepdim=True).to(u.dtype)
        return mean.expand_as(u).contiguous()
