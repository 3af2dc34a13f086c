"""The times of one item that is solved at all of them at once, and what is noted on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.extinction import LastStep
from skimage_tvflow.core.frames import OutputRequest
from skimage_tvflow.core.step_control import steps_in_intervals


@dataclass
class Found:
    """One item at the times asked for: images, mean dual variables, and what is known of them."""

    u: Tensor
    dual: Tensor | None
    error: np.ndarray
    bound: np.ndarray | None
    losses: list[float]
    n_iter: int = 0
    converged: bool = True


@dataclass(frozen=True)
class Course:
    """The time steps of one item, and what comes when nothing is left to move.

    Attributes
    ----------
    lengths : array of shape (N,), of the steps
    ends : the steps at whose end a time asked for is reached, and N
    later : array, how long it is from the last step to the times that are then left, one by one
    """

    lengths: np.ndarray
    ends: np.ndarray
    later: np.ndarray

    @classmethod
    def of(cls, times: np.ndarray, n_times: int, u: Tensor, spacing: Sequence[float]) -> Course:
        """``n_times`` steps to the last of ``times``, or to where ``u`` has long been constant."""
        horizon = min(times[-1], 2 * float(LastStep.of(u[None], spacing).length[0]))
        inner = times[times < horizon]
        intervals = np.diff([0.0, *inner, horizon])
        counts = steps_in_intervals(n_times, intervals, horizon)
        smallest = torch.finfo(u.dtype).tiny
        lengths = np.maximum(np.repeat(intervals / counts, counts), smallest)
        return cls(lengths, np.cumsum(counts), np.diff([horizon, *times[len(inner) :]]))


class Record:
    """The trajectory of one item as it is gone through, noted at the times asked for."""

    def __init__(self, before: Tensor, ledger: ErrorBound, request: OutputRequest) -> None:
        self._before, self._ledger, self._request = before, ledger, request
        self._mean: Tensor | None = None
        self._since = 0.0
        self._u: list[Tensor] = []
        self._duals: list[Tensor] = []
        self._errors: list[float] = []
        self._bounds: list[float] = []

    def move(self, after: Tensor, dual: Tensor | None, length: float) -> None:
        """Take a step; ``dual`` is needed for the dual variable and the bound."""
        if dual is not None:
            part = dual * length
            self._mean = part if self._mean is None else self._mean + part
            self._since += length
        if self._request.bound and dual is not None:
            lengths = np.array([length])
            self._ledger.add_step(self._before[None], after[None], dual[None], lengths)
        self._before = after

    def vanish(self, length: float, spacing: Sequence[float]) -> bool:
        """Stand still, or go to the mean where one step does; whether it did."""
        u = self._before
        last = LastStep.of(u[None], spacing)
        if last.length[0] <= length:
            self.move(last.mean[0], last.dual(np.array([length]))[0], length)
            return True
        self.move(u, torch.zeros_like(last.psi[0]), length)
        return False

    def note(self, error: float) -> None:
        """Here is a time asked for."""
        self._u.append(self._before)
        self._errors.append(error)
        self._bounds.append(float(self._ledger.bound[0]))
        if self._request.dual and self._mean is not None:
            self._duals.append(self._mean / self._since)
        self._mean, self._since = None, 0.0

    def found(self) -> Found:
        """All that was noted."""
        return Found(
            torch.stack(self._u),
            torch.stack(self._duals) if self._duals else None,
            np.array(self._errors),
            np.array(self._bounds) if self._request.bound else None,
            [],
        )
