r"""Flows of a smoothed total variation, which is how the TV flow was computed before duality.

With :math:`|d|_\epsilon = \sqrt{|d|^2 + \epsilon^2}` in place of the length, the flow is a
diffusion, :math:`u_t = \mathrm{div}(Du / |Du|_\epsilon)`. What it loses is that structures vanish:
edges blur, plateaus are never flat, and the smaller :math:`\epsilon`, the stiffer it is.

Grossmann, Dittmer, Korolev and Schönlieb, "Unsupervised Learning of the Total Variation Flow",
arXiv:2206.04406 (2022), eq. (4) and (5).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrate import Begin
from skimage_tvflow.core.operators import divergence, gradient, norm_bound
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.step_control import steps_in_intervals

# More are never taken.
_MOST_STEPS = 1e15
# What the bound says of the error, on photographs.
_BOUND_OVER_ERROR = 2.5


@dataclass(frozen=True)
class RegularizedSettings:
    """What the caller may choose.

    Attributes
    ----------
    scheme : {"explicit", "lagged-diffusivity"}
    eps : float, in the values of the image over its spacing
    n_steps : int or None
        Steps from 0 to the last time; None takes as few explicit ones as are stable.
    n_iter : int
        Linear systems in a step of lagged diffusivity.
    """

    scheme: str
    eps: float
    n_steps: int | None
    n_iter: int


def fewest_stable_steps(
    time: float, eps: float, spacing: Sequence[float], sizes: Sequence[int]
) -> int:
    """How many explicit Euler steps are stable: none longer than ``2 eps / L``.

    The derivative of the right hand side is at most ``L / eps``, L the bound of the squared norm
    of D.
    """
    steps = time * norm_bound(spacing, sizes) / (2 * eps) * (1 - 1e-12) if eps > 0 else math.inf
    return max(1, math.ceil(min(steps, _MOST_STEPS)))


class Regularized:
    """All items through the times, one step after the other."""

    def __init__(
        self,
        problem: Problem,
        settings: RegularizedSettings,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self.units = problem.units
        self.flat = problem.deviation == 0
        self._settings, self._request, self._report = settings, request, report
        self._spacing = problem.spacing
        self._u = [problem.u[i] for i in range(len(problem.u))]
        self._unit = problem.unit
        # Values are divided by the scale, and differences are over spacings of which the finest is
        # 1 now.
        scale = problem.units.scale
        self._eps = settings.eps / (self._unit * scale) / scale
        rounding = problem.rounding
        self._ledgers = [
            ErrorBound(rounding[i : i + 1], self._spacing) for i in range(len(rounding))
        ]

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """March through the increasing ``times``, all > 0."""
        now = 0.0
        for time in times:
            counts = [self._steps(i, time - now, times[-1]) for i in range(len(self._u))]
            duals = [self._reach(i, now, time, count) for i, count in enumerate(counts)]
            now = time
            yield self._outcome(time, np.array(counts), duals)

    def _steps(self, item: int, length: float, last: float) -> int:
        """The number of steps of one item in an interval."""
        if self.flat[item]:
            return 1
        if self._settings.n_steps is not None:
            return int(steps_in_intervals(self._settings.n_steps, np.array(length), last))
        own = length * self._unit[item]
        sizes = self._u[item].shape[1:]
        return fewest_stable_steps(own, self._eps[item], self._spacing, sizes)

    def _reach(self, item: int, now: float, time: float, count: int) -> Tensor:
        """Bring one item from ``now`` to ``time``; the mean of its dual variable."""
        u, ledger = self._u[item][None], self._ledgers[item]
        length = (time - now) * self._unit[item] / count
        mean = torch.zeros_like(gradient(u, self._spacing))
        for n in range(0 if self.flat[item] else count):
            tick = functools.partial(self._tell, now + (time - now) * n / count)
            after, phi = self._step(u, length, float(self._eps[item]), tick)
            if self._request.bound:
                ledger.add_step(u, after, phi, np.array([length]))
            mean += phi / count
            u = after
        self._u[item] = u[0]
        return mean[0]

    def _tell(self, time: float, *_: object) -> None:
        if self._report is not None:
            self._report(time)

    def _step(
        self, u: Tensor, length: float, eps: float, tick: Callable[..., None]
    ) -> tuple[Tensor, Tensor]:
        """One step; the image after it, and the dual variable that took it there."""
        tick()
        du = gradient(u, self._spacing)
        if self._settings.scheme == "explicit":
            phi = du * diffusivity(du, eps)
            return u + length * divergence(phi, self._spacing), phi
        from skimage_tvflow.core.integrators.linear_diffusion import implicit_step

        after = u
        for _ in range(self._settings.n_iter):
            weight = diffusivity(gradient(after, self._spacing), eps)
            after = implicit_step(u, after, length * weight, self._spacing, tick)
        # What the last system makes of the image is a dual variable, but for the solver's rounding.
        return after, gradient(after, self._spacing) * weight

    def _outcome(self, time: float, counts: np.ndarray, duals: Sequence[Tensor]) -> Frames:
        u = self.units.to_image(torch.stack(self._u)[:, None])
        error, bound = np.full((len(counts), 1), np.nan), None
        if self._request.bound:
            bound = np.stack([ledger.bound for ledger in self._ledgers])
            error = bound / _BOUND_OVER_ERROR
        dual = torch.stack(list(duals))[:, None] if self._request.dual else None
        systems = self._settings.n_iter if self._settings.scheme != "explicit" else 1
        n_iter = np.where(self.flat, 0, counts * systems)
        return Frames([time], u, error, n_iter, np.ones(len(counts), np.bool_), dual, bound)


def diffusivity(du: Tensor, eps: float) -> Tensor:
    """``1 / |Du|_eps``, over channels and axes; (N, 1, 1, *spatial)."""
    return (du.square().sum((1, 2), keepdim=True) + eps * eps).rsqrt_()


def regularized(settings: RegularizedSettings) -> Begin:
    """Steps of a regularised flow."""
    return lambda problem, request, report: Regularized(problem, settings, request, report)
