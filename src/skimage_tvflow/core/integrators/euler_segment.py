"""What implicit Euler steps are asked for, and what a run through an interval gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from skimage_tvflow.core.recorder import TrajectoryRecorder


@dataclass(frozen=True)
class EulerSettings:
    """The parameters of the method.

    Attributes
    ----------
    n_steps : int or None, steps from 0 to the last time; None for automatic steps
    order : 1 or 2
    tol : float or None, wanted error in standard deviations; None for exactly ``max_num_iter``
        iterations in every step
    max_num_iter : int, largest number of iterations in a step
    algorithm : {"accelerated", "projection"}
    """

    n_steps: int | None
    order: int
    tol: float | None
    max_num_iter: int
    algorithm: str


@dataclass(frozen=True)
class Segment:
    """Items of one trajectory, brought to a time.

    Attributes
    ----------
    u : Tensor of shape (n, C, *spatial)
    recorder : TrajectoryRecorder of the n items, or None where nothing was recorded
    end : array of shape (n,), when the flow would have ended were the trajectory without error, or
        None where nobody looked
    """

    u: Tensor
    recorder: TrajectoryRecorder | None = None
    end: np.ndarray | None = None

    def __getitem__(self, items: np.ndarray) -> Segment:
        recorder = self.recorder and self.recorder[items]
        return Segment(self.u[items], recorder, None if self.end is None else self.end[items])
