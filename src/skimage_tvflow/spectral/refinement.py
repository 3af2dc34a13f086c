r"""How a scale space grows: from a rough flow to frames that are solved to the tolerance.

The flow is a semigroup, :math:`u(s + t) = F(u(s), t)`, so any frame can be the beginning: after a
stop the solve goes on from the last one, and a knot is added between two others by a short solve.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import operators
from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times
from skimage_tvflow.spectral.coarse_flow import rough_flow
from skimage_tvflow.spectral.frame_store import FrameStore
from skimage_tvflow.spectral.knots import Knots, plan_times

# Tolerance of the rough space's knots, in deviations.
_ROUGH_TOL = 0.02
# Knots beyond the rough extinction time, which may be some per cent early.
_BEYOND = (1.02, 1.06, 1.15, 1.3, 1.6)
# An item whose total variation is below this part of the image's is at its mean.
_STILL = 1e-6
# Rounds in which knots are added where the interpolation is not accurate enough; one mostly does.
_ROUNDS = 3
# Part of the work that the first pass takes.
_FIRST_PASS = 0.9


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
    tol : float
        Largest interpolation error, in deviations.
    deviation : numpy.ndarray of shape (N,)
        Standard deviations of the items of the core.
    t_max : float or None
        The last time; None for the extinction.
    store : FrameStore
        Where the frames are kept.
    may_grow : bool
        Whether `flow` is the estimator that the space was begun with.
    """

    flow_input: FlowInput
    flow: BaseTVFlow
    tol: float
    deviation: np.ndarray
    t_max: float | None
    store: FrameStore
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
        image, t_max = self.flow_input.image, self.t_max
        knots = self._start()
        moving = self.deviation > 0
        if not moving.any() or t_max == 0:
            return knots, np.empty(0)
        rough = rough_flow(image, self.flow_input.spacing, t_max, report)
        knots = dataclasses.replace(knots, unit=rough.unit)
        times = np.array([frame.time for frame in rough.frames])
        allowed = np.where(moving, self.deviation, np.inf)
        extinction = rough.extinction[moving].max()
        end = float(min(extinction, np.inf if t_max is None else t_max))
        plan = partial(plan_times, times / rough.unit, rough.bend, end / rough.unit)
        for time in plan(_ROUGH_TOL * allowed) * rough.unit:
            k = int(np.abs(times - time).argmin())
            if times[k] > knots.times[-1]:
                knots = self.put(knots, times[k], rough.frames[k].image(), rough.error[k], False)
        fine = plan(self.tol * allowed) * rough.unit
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
            for time, u, error in self._solve(knots, start, left, first):
                knots = self.put(knots, time, u, error, True)
                accept(knots)
            if self.t_max is not None or self.still(knots)[-1]:
                break
            plan = knots.times[-1] * np.linspace(1.1, 1.5, 5)
        knots = self._cut(knots)
        accept(knots)
        for k in range(_ROUNDS):
            part = share_of(report, _FIRST_PASS + k * 0.03, _FIRST_PASS + (k + 1) * 0.03)
            gaps = self._gaps(knots)
            for m, (start, times) in enumerate(gaps):
                one = share_of(part, m / len(gaps), (m + 1) / len(gaps))
                for time, u, error in self._solve(knots, start, times, one):
                    knots = self.put(knots, time, u, error, True)
            if gaps:
                knots = self._cut(knots)
                accept(knots)

    def still(self, knots: Knots) -> np.ndarray:
        """
        Tell at which knots all items have reached their means.

        Parameters
        ----------
        knots : Knots
            The space.

        Returns
        -------
        numpy.ndarray of bool, shape (K,)
            For every knot.
        """
        rest = knots.variation <= _STILL * knots.variation[0]
        return rest.reshape(len(knots.times), -1).all(1)

    def put(self, knots: Knots, time: float, u: Tensor, error: np.ndarray, fine: bool) -> Knots:
        """
        Add a frame and measure the curvature around it.

        Parameters
        ----------
        knots : Knots
            The space.
        time : float
            The time of the frame.
        u : torch.Tensor of shape (N, C, *spatial)
            The frame.
        error : numpy.ndarray of shape (N,)
            Its estimated RMS error.
        fine : bool
            Whether it is solved to the tolerance.

        Returns
        -------
        Knots
            The new space.
        """
        axes = self.flow_input.axes
        frame = self.store.keep(axes.from_core(u))
        knots = knots.put(time, frame, self._variation(u), axes.combine(error), fine)
        at = int(np.searchsorted(knots.times, time))
        for k in range(max(at - 1, 1), min(at + 2, len(knots.times) - 1)):
            knots.curvature[k] = self._curvature(knots, k)
        return knots

    def _start(self) -> Knots:
        """The image alone."""
        image, axes = self.flow_input.image, self.flow_input.axes
        zero = np.zeros((1, *axes.batch_shape))
        frame = self.store.keep(axes.from_core(image.clone()))
        variation = self._variation(image)[None]
        return Knots(np.zeros(1), (frame,), variation, zero, zero.copy(), np.ones(1, np.bool_), 1.0)

    def _solve(
        self, knots: Knots, start: float, times: np.ndarray, report: Report | None
    ) -> Iterator[tuple[float, Tensor, np.ndarray]]:
        """Compute fine frames at ``times`` from the one at ``start``."""
        if not times.size:
            return
        k = int(np.searchsorted(knots.times, start))
        image = self.flow_input.axes.to_core(knots.frames[k])
        requested = dataclasses.replace(
            self.flow_input, image=image, times=resolve_times(times - start)
        )
        flow = self._tightened(image)
        before = self._per_item(knots.error[k])
        ahead = iter(times)
        for frames in flow._integrate(requested, report=report):
            for m in range(len(frames.times)):
                error = np.hypot(before, np.nan_to_num(frames.error[:, m]))
                yield float(next(ahead)), frames.u[:, m].contiguous(), error
        flow._warn(frames.error.T, frames.converged, image.dtype)

    def _tightened(self, image: Tensor) -> BaseTVFlow:
        """The estimator with a tolerance for what is left, which is relative to its deviation."""
        tol = getattr(self.flow, "tol", None)
        left = deviations(image)
        moving = left > _STILL * self.deviation
        if tol is None or not moving.any():
            return self.flow
        ratio = float((self.deviation[moving] / left[moving]).min())
        return copy.copy(self.flow).set_params(tol=tol * max(ratio, 1.0))

    def _per_item(self, values: np.ndarray) -> np.ndarray:
        """Values of the batch's items for those of the core, whose channels have them in common."""
        n = len(self.deviation)
        return np.repeat(values.ravel(), n // values.size)

    def _variation(self, u: Tensor) -> np.ndarray:
        scale = self._scale()
        scaled = u if scale == 1 else u / scale
        variation = operators.total_variation(scaled, self.flow_input.spacing).cpu().numpy()
        return self.flow_input.axes.total(variation * scale)

    def _scale(self) -> float:
        """Unit in which squares of values are in range."""
        largest = float(self.deviation.max())
        return 1.0 if largest == 0 or 1e-9 < largest < 1e9 else largest

    def _curvature(self, knots: Knots, k: int) -> np.ndarray:
        """RMS of the second derivative at knot k, from its neighbours."""
        first, second = np.diff(knots.times[k - 1 : k + 2]) / knots.unit
        between = torch.lerp(knots.frames[k - 1], knots.frames[k + 1], first / (first + second))
        axes, scale = self.flow_input.axes, self._scale()
        off = axes.to_core((between - knots.frames[k]) / scale)
        distance = operators.rms(off).cpu().numpy() * scale
        relative = distance / np.where(self.deviation > 0, self.deviation, np.inf)
        # In a batch the worst channel counts, each relative to its own deviation.
        worst = relative.reshape(*axes.batch_shape, -1).max(-1)
        return worst * self.unit() * 2 / (first * second)

    def unit(self) -> np.ndarray:
        """
        Give the deviation of every item of the batch, of its channels together.

        Returns
        -------
        numpy.ndarray of shape batch_shape
            Standard deviations.
        """
        return self.flow_input.axes.combine(self.deviation)

    def _gaps(self, knots: Knots) -> list[tuple[float, np.ndarray]]:
        """Where knots must be added: each interval's beginning, and times within it."""
        allowed = np.where(self.unit() > 0, self.unit(), np.inf) * self.tol
        excess = (knots.interpolation_errors() / allowed).reshape(len(knots.times) - 1, -1).max(1)
        pieces = np.ceil(np.sqrt(excess)).astype(int)
        return [
            (float(knots.times[k]), np.linspace(*knots.times[k : k + 2], pieces[k] + 1)[1:-1])
            for k in np.flatnonzero(pieces > 1)
        ]

    def _cut(self, knots: Knots) -> Knots:
        """End the space at the extinction time, if it is reached, by a frame of means."""
        still = self.still(knots)
        if not still[-1] or len(still) == 1:
            return knots
        last = int(np.flatnonzero(~still)[-1])
        end = float(self.extinction(knots).max())
        error = self._per_item(knots.error[last])
        knots = knots.first(last + 1)
        u = self.flow_input.image
        axes = list(range(2, u.ndim))
        mean = u.to(exact_dtype(u)).mean(axes, keepdim=True).to(u.dtype)
        return self.put(knots, end, mean.expand_as(u).contiguous(), error, True)

    def extinction(self, knots: Knots) -> np.ndarray:
        r"""
        Find when every item reaches its mean: :math:`t + \|u\|^2 / J(u)` at its last moving knot.

        Parameters
        ----------
        knots : Knots
            The space.

        Returns
        -------
        numpy.ndarray of shape batch_shape
            Extinction times; NaN where the space ends before.
        """
        moving = knots.variation > _STILL * knots.variation[0]
        result = np.full(moving.shape[1:], np.nan)
        axes, scale = self.flow_input.axes, self._scale()
        for index in np.ndindex(result.shape):
            column = np.flatnonzero(moving[:, *index])
            last = column[-1] if column.size else -1
            if last < 0:
                result[index] = 0.0
            elif last + 1 < len(moving):
                u = axes.to_core(knots.frames[last]).to(torch.float64) / scale
                u = u - u.mean(list(range(2, u.ndim)), keepdim=True)
                square = axes.total(operators.inner(u, u).cpu().numpy())[index]
                left = square * scale / max(float(knots.variation[last, *index]), 1e-300) * scale
                result[index] = min(knots.times[last] + left, knots.times[last + 1])
        return result


def deviations(image: Tensor) -> np.ndarray:
    """
    Compute the standard deviation of every item.

    Parameters
    ----------
    image : torch.Tensor of shape (N, C, *spatial)
        The items.

    Returns
    -------
    numpy.ndarray of shape (N,)
        Zero for constant items only.
    """
    flat = image.flatten(2)
    low, high = flat.aminmax(dim=2)
    constant = (low == high).all(1)
    centred = flat - flat.to(exact_dtype(image)).mean(2, keepdim=True).to(flat.dtype)
    scale = centred.abs().flatten(1).amax(1).clamp(min=torch.finfo(flat.dtype).tiny)
    unit = (centred / scale[:, None, None]).to(exact_dtype(image))
    deviation = unit.square().mean((1, 2)).sqrt() * scale
    return torch.where(constant, 0.0, deviation).cpu().numpy().astype(np.float64)
