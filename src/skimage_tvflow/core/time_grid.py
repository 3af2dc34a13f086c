"""The time steps of an item that is solved at all times at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.extinction import LastStep
from skimage_tvflow.core.step_control import steps_in_intervals


@dataclass(frozen=True)
class TimeGrid:
    """Steps up to the last requested time, or up to where nothing is left to move.

    Attributes
    ----------
    lengths : array of shape (N,), of the steps
    ends : integer array, the steps at whose end a requested time is reached, and N
    """

    lengths: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, times: np.ndarray, n_steps: int, u: Tensor, spacing: Sequence[float]) -> TimeGrid:
        """``n_steps`` steps to the last of ``times``, or to twice the bound of the extinction."""
        horizon = min(times[-1], 2 * float(LastStep.of(u[None], spacing).length[0]))
        inner = times[times < horizon]
        intervals = np.diff([0.0, *inner, horizon])
        counts = steps_in_intervals(n_steps, intervals, horizon)
        smallest = torch.finfo(u.dtype).tiny
        lengths = np.maximum(np.repeat(intervals / counts, counts), smallest)
        return cls(lengths, np.cumsum(counts))
