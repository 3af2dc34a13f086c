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
from skimage_tvflow.core.decay_rate import decay_rate
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.operators import distance, exact_dtype, rms


class ErrorBound:
    """The bound of the RMS error of every item, updated step by step along one trajectory.

    Parameters
    ----------
    start : array of shape (N,)
        RMS distance of the trajectory's start from the image.
    spacing : one per spatial axis
    domain : Domain, optional
    """

    def __init__(
        self, start: np.ndarray, spacing: Sequence[float], domain: Domain | None = None
    ) -> None:
        self.value = start.astype(np.float64)
        self._spacing, self._domain = tuple(spacing), domain
        self._now = np.zeros(len(start))
        # The flow has ended by this time: at any node it is as far from its mean as the trajectory
        # and the error together, and it loses decay_rate of that in a unit of time.
        self.latest_end = np.full(len(start), np.inf)
        # The mean of the flow where it is needed: the trajectory has it up to rounding.
        self._mean: Tensor | None = None
        self._from_mean = self.value.copy()
        # The image at the end of the last piece, and its total variation.
        self._last: tuple[Tensor | None, np.ndarray] = None, start

    def add_step(self, before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray) -> None:
        """Extend the trajectory from ``before`` to ``after`` in ``lengths``, shape (N,).

        ``dual`` is shortened to 1 where it is longer, and the difference counts as a residual.
        """
        ends = before, after
        found = backends.gap_and_residual(*ends, dual, lengths, self._spacing, self._domain)
        start, middle, end = found.gaps
        integral = lengths * (start + 2 * middle + end) / 4 / before[0].numel()
        self.value = np.sqrt(self.value**2 + 2 * integral) + found.residual
        self._from_mean = self._from_mean + found.residual
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
            still = backends.energy_change(before, before, self._spacing, self._domain)
            variation = still.variation
        found = backends.energy_change(before, after, self._spacing, self._domain)
        self._last = after, found.variation
        # J is convex on the piece: the trapezoidal rule, with the middle as a node, is above it.
        both = lengths * ((variation + found.variation) / 2 + found.halfway)
        energy = (np.maximum(both + found.growth, 0) + ROUNDING * both) / pixels
        largest_change = lengths * 2 * sum(1 / h for h in self._spacing)
        size = np.sqrt(found.norm / pixels)
        residual = eps * ((n_steps + 2) * size + 4 * largest_change)
        energy = energy + 2 * (residual + ROUNDING * largest_change) * size
        self.value = np.sqrt(self.value**2 + energy) + residual
        self._from_mean = self._from_mean + residual
        self._note_end(lengths, np.sqrt(np.maximum(found.norm + found.growth, 0) / pixels), after)

    def look(self, u: Tensor) -> None:
        """Note the mean of the flow, and by when it has certainly ended, from its start ``u``."""
        u = u.to(exact_dtype(u))
        size = rms(u).cpu().numpy()
        self._mean = u.mean(list(range(2, u.ndim)), keepdim=True)
        self._from_mean = self.value + ROUNDING * size
        self._note_end(np.zeros(len(size)), size, u)

    def _note_end(self, lengths: np.ndarray, size: np.ndarray, u: Tensor) -> None:
        """Go on in time, and note by when the flow has certainly ended."""
        self._now = self._now + lengths
        left = (size * (1 + ROUNDING) + self.value) / self._rate(u)
        self.latest_end = np.minimum(self.latest_end, self._now + left)

    def _rate(self, u: Tensor) -> float:
        """What the flow of ``u`` loses of its RMS distance from the mean in a unit of time."""
        if self._domain is None:
            rate = decay_rate(self._spacing, tuple(u.shape[2:]))
        else:
            rate = float(self._domain.rate.min())
        return rate / math.sqrt(u[0].numel())

    def after_end(self, u: Tensor, time: np.ndarray) -> np.ndarray:
        """Bound the error of images ``u`` at ``time`` by how far from the mean both can be.

        They are any images if the start was looked at, and the trajectory's own otherwise.
        """
        u = u.to(exact_dtype(u))
        own = rms(u) if self._mean is None else distance(u, self._mean.expand_as(u))
        left = np.maximum(self.latest_end - time, 0)
        # The rate of a single pixel is infinite.
        flow = np.multiply(left, self._rate(u), out=np.zeros_like(left), where=left > 0)
        return own.cpu().numpy() * (1 + ROUNDING) + self._from_mean + flow

    def branch(self, items: np.ndarray) -> ErrorBound:
        """Return the bound of ``items``, to go on from here."""
        domain = None if self._domain is None else self._domain[items]
        other = ErrorBound(self.value[items], self._spacing, domain)
        other._now, other._from_mean = self._now[items], self._from_mean[items]
        other.latest_end = self.latest_end[items]
        return other

    def accept(self, items: np.ndarray, other: ErrorBound) -> None:
        """Take over what a branch of ``items`` has come to."""
        self.value[items], self._now[items] = other.value, other._now
        self._from_mean[items], self.latest_end[items] = other._from_mean, other.latest_end
