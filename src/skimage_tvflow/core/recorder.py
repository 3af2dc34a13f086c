"""What is noted of a trajectory while an integrator takes its steps, the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.extinction import LastStep
from skimage_tvflow.core.frames import OutputRequest
from skimage_tvflow.core.operators import column


class TrajectoryRecorder:
    """The error bound and the mean dual variable of n items along one trajectory.

    Parameters
    ----------
    start : array of shape (n,)
        RMS distance of the trajectory's start from the image.
    spacing : one per spatial axis
    request : OutputRequest
        What is not asked for is not computed.
    domain : Domain, optional
    """

    def __init__(
        self,
        start: np.ndarray,
        spacing: Sequence[float],
        request: OutputRequest,
        domain: Domain | None = None,
    ) -> None:
        self.error_bound = ErrorBound(start, spacing, domain)
        self._spacing, self._request, self._domain = spacing, request, domain
        self._mean: Tensor | None = None
        self._span = np.zeros(len(start))

    @property
    def bound(self) -> np.ndarray:
        """The bound of the RMS error now, shape (n,)."""
        return self.error_bound.value

    def add_step(self, before: Tensor, after: Tensor, dual: Tensor, lengths: np.ndarray) -> None:
        """Go from ``before`` to ``after``, (n, C, *spatial), in ``lengths``, with constant dual."""
        if self._request.bound:
            self.error_bound.add_step(before, after, dual, lengths)
        self.add_dual(dual, lengths)

    def add_dual(self, dual: Tensor, lengths: np.ndarray) -> None:
        """Count ``dual`` for ``lengths`` in the mean dual variable, if it is asked for."""
        if not self._request.dual:
            return
        self._span = self._span + lengths
        if self._mean is None:
            self._mean = dual.clone()
            return
        share = np.divide(lengths, self._span, out=np.zeros_like(lengths), where=lengths > 0)
        self._mean = torch.lerp(self._mean, dual, column(share, dual))

    def take_mean_dual(self, like: Tensor) -> Tensor:
        """The mean of the dual variable since it was taken last, 0 if nothing moved.

        ``like`` is an image of all items, (n, C, *spatial).
        """
        mean, self._mean = self._mean, None
        self._span = np.zeros_like(self._span)
        return _no_dual(like) if mean is None else mean

    def branch(self, items: np.ndarray) -> TrajectoryRecorder:
        """A recorder for an attempt of ``items`` to go on from here."""
        domain = None if self._domain is None else self._domain[items]
        other = TrajectoryRecorder(self.bound[items], self._spacing, self._request, domain)
        other.error_bound = self.error_bound.branch(items)
        return other

    def __getitem__(self, items: np.ndarray) -> TrajectoryRecorder:
        chosen = self.branch(items)
        chosen._mean = None if self._mean is None else self._mean[items]
        return chosen

    def accept(self, items: np.ndarray, attempt: TrajectoryRecorder, like: Tensor) -> None:
        """Take over what an attempt of ``items`` has noted; ``like`` is an image of all items."""
        self.error_bound.accept(items, attempt.error_bound)
        if attempt._mean is not None:
            if self._mean is None:
                self._mean = _no_dual(like)
            self._mean[items] = attempt._mean


class Sample(NamedTuple):
    """One item at one requested time: image, mean dual variable, error and bound."""

    u: Tensor
    dual: Tensor | None
    error: float
    bound: float


def stack_samples(
    items: Sequence[Sequence[Sample]], request: OutputRequest
) -> tuple[Tensor, np.ndarray, Tensor | None, np.ndarray | None]:
    """Images (N, M, C, *spatial), errors (N, M), and the requested duals and bounds."""
    u = torch.stack([torch.stack([sample.u for sample in item]) for item in items])
    error, bound = (
        np.array([[getattr(sample, name) for sample in item] for item in items])
        for name in ("error", "bound")
    )
    dual = None
    if request.dual:
        duals = [[sample.dual for sample in item if sample.dual is not None] for item in items]
        dual = torch.stack([torch.stack(item) for item in duals])
    return u, error, dual, bound if request.bound else None


class SampledTrajectory:
    """One item on its way through the requested times; linear in time between its steps.

    Parameters
    ----------
    u : Tensor of shape (C, *spatial), the image at time 0
    times : array, increasing requested times in the units of the problem
    start : float, RMS distance of ``u`` from the image
    spacing : one per spatial axis
    request : OutputRequest
    """

    def __init__(
        self,
        u: Tensor,
        times: np.ndarray,
        start: float,
        spacing: Sequence[float],
        request: OutputRequest,
    ) -> None:
        self.u, self._times, self._spacing, self._request = u, times, spacing, request
        self._recorder = TrajectoryRecorder(np.array([start]), spacing, request)
        self.now, self.reached = 0.0, 0
        self.samples: list[Sample] = []

    @property
    def finished(self) -> bool:
        """Whether all requested times are reached."""
        return self.reached == len(self._times)

    @property
    def requested(self) -> np.ndarray:
        """The requested times that are not reached."""
        return self._times[self.reached :]

    def add_step(
        self, after: Tensor, dual: Tensor | None, length: float, error: float = np.nan
    ) -> None:
        """Go on to ``after`` in ``length``, and sample the requested times that are passed."""
        begin, before = self.now, self.u
        end = begin + length
        while not self.finished and self._times[self.reached] <= end * (1 + 1e-9):
            time = self._times[self.reached]
            share = min((time - begin) / length, 1.0) if length > 0 else 1.0
            # A sample at the very end of the step is its result, to the last bit.
            here = after if share > 1 - 1e-9 else before.lerp(after, share)
            self._move(here, dual, time - self.now)
            self._sample(error)
            self.now = time
        self._move(after, dual, end - self.now)
        self.now = end

    def vanish(self) -> bool:
        """Go to the mean if a single step does before the next requested time; whether it did.

        Nothing moves after that: all requested times that are left are sampled at once.
        """
        wait = self._times[self.reached] - self.now
        last = LastStep.of(self.u[None], self._spacing)
        length = float(last.length[0]) * (1 + 1e-6)
        if length >= wait:
            return False
        if length > 0:
            self._move(last.mean[0], last.dual(np.array([length]))[0], length)
            self.now += length
        self.stand_still()
        return True

    def settle(self, image: Tensor) -> None:
        """Be the mean of ``image``, (C, *spatial), at all requested times that are left.

        For the time after the end of the flow, where the mean is the exact answer, so that the
        bound that there is holds.
        """
        self.u = image.mean(list(range(1, image.ndim)), keepdim=True).expand_as(image)
        self.stand_still()

    def stand_still(self, error: float = 0.0, count: int | None = None) -> None:
        """Sample the next ``count`` requested times, all by default, without moving."""
        still = _no_dual(self.u[None])[0]
        for time in self._times[self.reached :][:count]:
            self._move(self.u, still, time - self.now)
            self.now = time
            self._sample(error)

    def take(self, count: int) -> list[Sample]:
        """The first ``count`` samples, which are then forgotten."""
        taken, self.samples = self.samples[:count], self.samples[count:]
        return taken

    def _move(self, u: Tensor, dual: Tensor | None, length: float) -> None:
        if length > 0 and dual is not None:
            self._recorder.add_step(self.u[None], u[None], dual[None], np.array([length]))
        self.u = u

    def _sample(self, error: float) -> None:
        dual = self._recorder.take_mean_dual(self.u[None])[0] if self._request.dual else None
        self.samples.append(Sample(self.u, dual, error, float(self._recorder.bound[0])))
        self.reached += 1


def _no_dual(u: Tensor) -> Tensor:
    """The dual variable of images (n, C, *spatial) that do not move: 0."""
    n, channels, *sizes = u.shape
    return u.new_zeros((n, channels, len(sizes), *sizes))
