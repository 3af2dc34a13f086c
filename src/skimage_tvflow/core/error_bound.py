r"""A rigorous bound of the distance between any trajectory and the exact flow.

Let :math:`\hat u` be linear on every piece of a time grid and :math:`|\hat\phi| \le 1` constant
there. Then :math:`-\mathrm{div}\,\hat\phi` is an eps-subgradient of J at :math:`\hat u(t)`, with

.. math:: \epsilon(t) = J(\hat u(t)) + \langle \hat u(t), \mathrm{div}\,\hat\phi \rangle \ge 0 .

With the residual :math:`r = \hat u_t - \mathrm{div}\,\hat\phi` and the exact flow :math:`u`,
monotonicity of the subgradients gives for the error :math:`E = \|\hat u - u\|`

.. math:: \tfrac12 (E^2)' \le \epsilon + \|r\| E,
   \qquad E(t_{n+1}) \le \sqrt{E(t_n)^2 + 2 \int \epsilon} + \int \|r\| ,

the last by Brezis' form of Gronwall's lemma, applied piece by piece. On a piece :math:`\epsilon` is
convex, so the trapezoidal rule, here with the middle as a third node, bounds its integral from
above. The code works with root mean squares: norms are divided by the root of the number of pixels.

An implicit Euler step has no residual, and :math:`\langle \hat u, \mathrm{div}\,\hat\phi
\rangle = \tfrac12 (\|\hat u\|^2)'`. So a piece may hold many such steps, whose mean dual variable
is admissible, and needs none of them:

.. math:: E(t_{n+1})^2 \le E(t_n)^2 + 2 \int J(\hat u) + \|\hat u(t_{n+1})\|^2 - \|\hat u(t_n)\|^2 .

Sums are accumulated in float64, and a bound of their rounding errors is added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.protocol import ROUNDING
from skimage_tvflow.core.extinction import decay_rate
from skimage_tvflow.core.operators import distance, exact_dtype, rms
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.core.step_control import even, iterations_for

# Tolerance of the solves of the finer trajectory, in deviations: iterations_for(step, _FINER_TOL),
# but at least _LEAST_ITERATIONS and at most _MOST_ITERATIONS in a step. The duality gap that they
# leave must be small compared with that of the time steps. On small crops, at the same work, the
# bound is a fifth lower with 4e-4; 14 is the best of 2 to 30; with 50 instead of 400, and more
# steps instead, long intervals are bounded four times better.
_FINER_TOL = 2e-4
_LEAST_ITERATIONS, _MOST_ITERATIONS = 14, 400


class ErrorBound:
    """The bound of the RMS error of every item, updated step by step along one trajectory.

    Parameters
    ----------
    start : array of shape (N,)
        RMS distance of the trajectory's start from the image.
    spacing : one per spatial axis
    """

    def __init__(self, start: np.ndarray, spacing: Sequence[float]) -> None:
        self.value = start.astype(np.float64)
        self._spacing = tuple(spacing)
        self._now = np.zeros(len(start))
        # RMS distance of the trajectory from its mean, at the end of the last piece.
        self.size = np.full(len(start), np.inf)
        # The flow has ended by this time: at any node it is as far from its mean as the trajectory
        # and the error together, and it loses decay_rate of that in a unit of time.
        self.latest_end = np.full(len(start), np.inf)
        # How far rounding may have moved the mean.
        self._drift = self.value.copy()
        # The image at the end of the last piece, and its total variation.
        self._last: tuple[Tensor | None, np.ndarray] = None, start

    def add_step(self, before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray) -> None:
        """Extend the trajectory from ``before`` to ``after`` in ``lengths``, shape (N,).

        ``dual`` is shortened to 1 where it is longer, and the difference counts as a residual.
        """
        found = backends.gap_and_residual(before, after, dual, lengths, self._spacing)
        start, middle, end = found.gaps
        integral = lengths * (start + 2 * middle + end) / 4 / before[0].numel()
        self.value = np.sqrt(self.value**2 + 2 * integral) + found.residual
        self._drift = self._drift + found.residual
        self._note_end(lengths, rms(after.to(exact_dtype(after))).cpu().numpy(), after)

    def add_euler_steps(
        self, before: Tensor, after: Tensor, lengths: np.ndarray, n_steps: int
    ) -> None:
        r"""Extend the trajectory by ``n_steps`` equal implicit Euler steps of ``lengths`` together.

        They are exact but for the rounding r of each: eps |u| / 2 for u over the length of a step,
        twice that where a piece begins and where it is read, and a few eps of div phi, at most
        :math:`2 \sum 1 / h_i`. As :math:`\mathrm{div}\,\hat\phi = \hat u_t - r`, the integral
        of :math:`2 |r| |\hat u|` is a part of the balance, and that of r is added to the root. What
        is summed up in the change of the norm is at most twice :math:`|\hat u|` times the change.
        """
        eps, pixels = torch.finfo(after.dtype).eps, before[0].numel()
        last, variation = self._last
        if last is not before:
            variation = backends.energy_change(before, before, self._spacing).variation
        found = backends.energy_change(before, after, self._spacing)
        self._last = after, found.variation
        # J is convex on the piece: the trapezoidal rule, with the middle as a node, is above it.
        both = lengths * ((variation + found.variation) / 2 + found.halfway)
        energy = (np.maximum(both + found.growth, 0) + ROUNDING * both) / pixels
        largest_change = lengths * 2 * sum(1 / h for h in self._spacing)
        size = np.sqrt(found.norm / pixels)
        residual = eps * ((n_steps + 2) * size + 4 * largest_change)
        energy = energy + 2 * (residual + ROUNDING * largest_change) * size
        self.value = np.sqrt(self.value**2 + energy) + residual
        self._drift = self._drift + residual
        self._note_end(lengths, np.sqrt(np.maximum(found.norm + found.growth, 0) / pixels), after)

    def _note_end(self, lengths: np.ndarray, size: np.ndarray, u: Tensor) -> None:
        """Go on in time, and note by when the flow has certainly ended."""
        self._now, self.size = self._now + lengths, size
        left = (size * (1 + ROUNDING) + self.value) / self._rate(u)
        self.latest_end = np.minimum(self.latest_end, self._now + left)

    def _rate(self, u: Tensor) -> float:
        """What the flow of ``u`` loses of its RMS distance from the mean in a unit of time."""
        return decay_rate(self._spacing, tuple(u.shape[2:])) / math.sqrt(u[0].numel())

    def after_end(self, u: Tensor, time: np.ndarray) -> np.ndarray:
        """Bound the error of images ``u`` at ``time`` by how far from the mean both can be."""
        flow = np.maximum(self.latest_end - time, 0) * self._rate(u) + self._drift
        return rms(u.to(exact_dtype(u))).cpu().numpy() * (1 + ROUNDING) + flow

    def branch(self, items: np.ndarray) -> ErrorBound:
        """Return the bound of ``items``, to go on from here."""
        other = ErrorBound(self.value[items], self._spacing)
        other._now, other._drift = self._now[items], self._drift[items]
        other.size, other.latest_end = self.size[items], self.latest_end[items]
        return other

    def accept(self, items: np.ndarray, other: ErrorBound) -> None:
        """Take over what a branch of ``items`` has come to."""
        self.value[items], self._now[items] = other.value, other._now
        self._drift[items], self.size[items] = other._drift, other.size
        self.latest_end[items] = other.latest_end


def certify(
    problem: Problem,
    u: Tensor,
    dual: Tensor,
    times: Sequence[float],
    refine: int,
    report: Report | None = None,
) -> np.ndarray:
    """Bound the RMS error of a candidate at every time, in the units of ``problem``; (N, T).

    Parameters
    ----------
    problem : Problem
    u : Tensor of shape (N, T, C, *spatial), the candidate at the times
    dual : Tensor of shape (N, T, C, n_spatial, *spatial), its phi since the time before
    times : T increasing numbers >= 0
    refine : also bound a trajectory with this many Euler steps in every interval and add the
        distance to it; the smaller bound counts
    report : called after every time, and after every Euler step, with the fraction of the work done
    """
    lengths = np.diff(solver_times([0.0, *times], problem.unit), axis=0)
    own = ErrorBound(problem.rounding, problem.spacing)
    finer = _FinerTrajectory(problem, refine) if refine else None
    before, bounds = problem.u, []
    for m, time in enumerate(times):
        after = u[:, m]
        if time == 0:
            own.value += distance(after, before).cpu().numpy()
        else:
            own.add_step(before, after, dual[:, m], lengths[m])
        bounds.append(own.value.copy())
        if finer is not None:
            part = share_of(report, m / len(times), (m + 1) / len(times))
            bounds[-1] = np.minimum(bounds[-1], finer.bound(after, lengths[m], part))
        if report is not None:
            report((m + 1) / len(times))
        before = after
    return np.stack(bounds, 1)


class _FinerTrajectory:
    """Implicit Euler steps between the times of a candidate, and a bound through them."""

    def __init__(self, problem: Problem, n_steps: int) -> None:
        self._n_steps = n_steps
        self._deviation = problem.deviation
        self._trajectory = backends.start(problem.u, problem.spacing, "accelerated")
        self._error_bound = ErrorBound(problem.rounding, problem.spacing)
        self._at = problem.u

    def bound(self, candidate: Tensor, lengths: np.ndarray, report: Report | None) -> np.ndarray:
        """Advance by ``lengths``, shape (N,), and bound the error of ``candidate`` there."""
        everyone = np.arange(len(candidate))
        step = lengths / self._n_steps
        if step.any():
            spread = np.where(self._deviation > 0, self._deviation, 1)
            plan = iterations_for(step / spread, _FINER_TOL, "accelerated")
            n_iter = int(even(np.maximum(plan, _LEAST_ITERATIONS), _MOST_ITERATIONS).max())
            for k in range(self._n_steps):
                part = share_of(report, k / self._n_steps, (k + 1) / self._n_steps)
                self._trajectory.advance(everyone, [1], step[None], n_iter, report=part)
                after = self._trajectory.primal(everyone)
                dual = self._trajectory.dual(everyone)
                self._error_bound.add_step(self._at, after, dual, step)
                self._at = after
        apart = distance(candidate, self._at).cpu().numpy()
        return self._error_bound.value + apart * (1 + ROUNDING)
