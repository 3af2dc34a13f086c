"""What an estimator works on, and what it has found, between the caller's layout and the core's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skimage_tvflow._axes import ImageAxes
from skimage_tvflow._result import TVFlowResult
from skimage_tvflow._times import RequestedTimes

__all__ = ["Collected", "Job"]


@dataclass(frozen=True)
class Job:
    """An image and the times asked for, checked and in the layout of the core."""

    image: torch.Tensor
    axes: ImageAxes
    spacing: tuple[float, ...]
    times: RequestedTimes
    restore: Callable[[torch.Tensor], Any]

    def frame(self, u: torch.Tensor) -> Any:
        """
        From the core's layout to the caller's kind of array.

        Parameters
        ----------
        u : Tensor of shape (*lead, N, C, *spatial)
            Images of the core.

        Returns
        -------
        array of shape (*lead, *image.shape)
            The same for the caller.
        """
        return self.restore(self.axes.from_core(u))


@dataclass(frozen=True)
class Collected:
    """
    The frames of a job at its increasing times, in the layout of the core.

    Attributes
    ----------
    u : Tensor of shape (T, N, C, *spatial)
        The images.
    dual : Tensor of shape (T, N, C, n_spatial, *spatial) or None
        The mean of phi since the time before.
    error, bound : arrays of shape (T, N)
        Estimated and, or None, certain.
    n_iter, converged : arrays of shape (N,)
        As in the result.
    finished : int
        How many times were reached.
    losses : list of lists
        Values of an objective on the way to a minimum, of all items or none.
    """

    u: torch.Tensor
    dual: torch.Tensor | None
    error: np.ndarray
    bound: np.ndarray | None
    n_iter: np.ndarray
    converged: np.ndarray
    finished: int
    losses: list[list[float]]

    def frames(self, job: Job) -> Any:
        """
        Give the images in the order asked.

        Parameters
        ----------
        job : Job
            Whose frames these are.

        Returns
        -------
        array of shape (T, *image.shape)
            Of the caller's kind.
        """
        asked = self._asked(job)
        in_order = asked == list(range(len(self.u)))
        return job.frame(self.u if in_order else self.u[asked])

    def result(self, job: Job) -> TVFlowResult:
        """
        Give all that is known, in the order asked.

        Parameters
        ----------
        job : Job
            Whose frames these are.

        Returns
        -------
        TVFlowResult
            For the caller.
        """
        asked, axes = self._asked(job), job.axes
        dual = None if self.dual is None else axes.dual_from_core(self.dual[asked])
        return TVFlowResult(
            times=np.array([job.times.increasing[k] for k in asked]),
            u=self.frames(job),
            dual=None if dual is None else job.restore(dual),
            error_estimate=axes.combine(self.error[asked]),
            error_bound=None if self.bound is None else axes.combine(self.bound[asked]),
            n_iter=axes.total(self.n_iter),
            converged=axes.every(self.converged),
            loss_curve=axes.total(self._loss_curve()) if self.losses else None,
        )

    def _loss_curve(self) -> np.ndarray:
        """The values of all items, (K, N), those of a shorter curve with its last to the end."""
        longest = max(map(len, self.losses))
        return np.array([curve + curve[-1:] * (longest - len(curve)) for curve in self.losses]).T

    def _asked(self, job: Job) -> list[int]:
        return [k for k in job.times.order if k < self.finished]
