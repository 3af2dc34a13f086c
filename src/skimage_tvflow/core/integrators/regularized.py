r"""Flows of a smoothed total variation, which is how the TV flow was computed before duality.

With :math:`|d|_\epsilon = \sqrt{|d|^2 + \epsilon^2}` in place of the length, the flow is a
diffusion, :math:`u_t = \mathrm{div}(Du / |Du|_\epsilon)`. What it loses is that structures vanish:
edges blur, plateaus are never flat, and the smaller :math:`\epsilon`, the stiffer it is.

Grossmann, Dittmer, Korolev and Schönlieb, "Unsupervised Learning of the Total Variation Flow",
arXiv:2206.04406 (2022), eq. (4) and (5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrators.linear_diffusion import implicit_step
from skimage_tvflow.core.operators import divergence, gradient, norm_bound
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report, WorkMeter
from skimage_tvflow.core.recorder import TrajectoryRecorder
from skimage_tvflow.core.step_control import steps_in_intervals

# An upper limit only for the arithmetic: nobody waits for so many steps.
_MOST_STEPS = 1e15


@dataclass(frozen=True)
class RegularizedSettings:
    """The parameters of the method.

    Attributes
    ----------
    scheme : {"explicit", "lagged-diffusivity"}
    eps : float, in the values of the image over its spacing
    n_steps : int or None
        Steps from 0 to the last time; None for the fewest stable ones of explicit Euler.
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


class RegularizedIntegrator:
    """All items through the times, one after the other. Nothing ever becomes extinct here."""

    def __init__(
        self,
        settings: RegularizedSettings,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self._units, self._unit, self._spacing = problem.units, problem.unit, problem.spacing
        self._settings, self._request = settings, request
        self._flat = problem.deviation == 0
        self._u = [problem.u[i : i + 1] for i in range(len(problem.u))]
        # eps of the solver's values and spacings: values are divided by the scale, and the finest
        # spacing, 1 / (unit * scale), becomes 1.
        scale = problem.units.scale
        self._eps = settings.eps / (self._unit * scale) / scale
        self._recorders = [
            TrajectoryRecorder(problem.rounding[i : i + 1], self._spacing, request)
            for i in range(len(self._u))
        ]
        self._work = WorkMeter(report)

    def frames(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """See :class:`~skimage_tvflow.core.integrate.Integrator`."""
        items = range(len(self._u))
        lengths = np.diff([0.0, *times])
        counts = np.array([[self._steps(i, h, times[-1]) for i in items] for h in lengths])
        self._work.expect(counts.sum(1).tolist())
        for time, length, count in zip(times, lengths, counts):
            self._work.begin_interval()
            for i in items:
                self._reach(i, length * self._unit[i] / max(count[i], 1), int(count[i]))
            yield self._frame(time, count)

    def _steps(self, item: int, length: float, last: float) -> int:
        """The number of steps of one item in an interval."""
        if self._flat[item]:
            return 0
        if self._settings.n_steps is not None:
            return int(steps_in_intervals(self._settings.n_steps, np.array(length), last))
        own = length * self._unit[item]
        sizes = self._u[item].shape[2:]
        return fewest_stable_steps(own, self._eps[item], self._spacing, sizes)

    def _reach(self, item: int, step: float, count: int) -> None:
        """Take ``count`` steps of one item."""
        u, recorder = self._u[item], self._recorders[item]
        for _ in range(count):
            tick = partial(_tick, self._work.run(1))
            after, phi = self._step(u, step, float(self._eps[item]), tick)
            recorder.add_step(u, after, phi, np.array([step]))
            u = after
        self._u[item] = u

    def _step(
        self, u: Tensor, length: float, eps: float, tick: Callable[..., None]
    ) -> tuple[Tensor, Tensor]:
        """One step: the image after it, and the dual variable that took it there."""
        tick()
        du = gradient(u, self._spacing)
        if self._settings.scheme == "explicit":
            phi = du * diffusivity(du, eps)
            return u + length * divergence(phi, self._spacing), phi
        after = u
        for _ in range(self._settings.n_iter):
            weight = diffusivity(gradient(after, self._spacing), eps)
            after = implicit_step(u, after, length * weight, self._spacing, tick)
        # The last linear system defines a dual variable, up to the solver's rounding.
        return after, gradient(after, self._spacing) * weight

    def _frame(self, time: float, counts: np.ndarray) -> Frames:
        n = len(counts)
        bound = np.stack([recorder.bound for recorder in self._recorders])
        systems = self._settings.n_iter if self._settings.scheme != "explicit" else 1
        return Frames(
            times=[time],
            u=self._units.to_image(torch.cat(self._u)[:, None]),
            error=np.where(self._flat, 0.0, np.nan)[:, None],
            n_iter=counts * systems,
            converged=np.ones(n, np.bool_),
            dual=self._mean_duals() if self._request.dual else None,
            bound=bound if self._request.bound else None,
        )

    def _mean_duals(self) -> Tensor:
        pairs = zip(self._u, self._recorders)
        return torch.cat([recorder.take_mean_dual(like=u) for u, recorder in pairs])[:, None]


def diffusivity(du: Tensor, eps: float) -> Tensor:
    """``1 / |Du|_eps``, over channels and axes; (N, 1, 1, *spatial)."""
    return (du.square().sum((1, 2), keepdim=True) + eps * eps).rsqrt_()


def _tick(report: Report | None, *_: object) -> None:
    """Report that a step has begun, or an iteration of its linear system."""
    if report is not None:
        report(0.0)
