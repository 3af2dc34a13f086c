"""The frames of all items, collected as they come from the core, and the result made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.operators import column
from skimage_tvflow.estimators.confined_input import ConfinedInput
from skimage_tvflow.estimators.result import TVFlowResult
from skimage_tvflow.inputs.flow_input import FlowInput

__all__ = ["ResultBuilder"]


class ResultBuilder:
    """
    The frames of a flow_input at its increasing times, in the layout of the core.

    Parameters
    ----------
    flow_input : FlowInput
        The image, its axes and the requested times.
    request : OutputRequest
        Which outputs besides the images there will be.

    Attributes
    ----------
    error : array of shape (T, N)
        Estimated errors.
    converged : array of shape (N,)
        Whether they are within the tolerance.
    hidden : array of shape (N,)
        Whether it is the offset of the image that keeps them from it.
    """

    def __init__(self, flow_input: FlowInput, request: OutputRequest) -> None:
        self._input = flow_input
        n_times, n = len(flow_input.times.increasing), flow_input.image.shape[0]
        self._u = _room(flow_input.image, (n_times, *flow_input.image.shape))
        self._dual: torch.Tensor | None = None
        if request.dual:
            n_channels, *sizes = flow_input.image.shape[1:]
            self._dual = _room(flow_input.image, (n_times, n, n_channels, len(sizes), *sizes))
        self.error = np.empty((n_times, n))
        self._bound = np.empty((n_times, n)) if request.bound else None
        self._n_iter, self.converged = np.empty(n, np.int64), np.empty(n, np.bool_)
        self.hidden = np.zeros(n, np.bool_)
        self._losses: list[list[float]] = []
        # Requested times reached by the items in progress, and by all items.
        self._reached = self._finished = 0

    def begin(self, items: slice) -> torch.Tensor:
        """
        Begin with the next items of the batch.

        Parameters
        ----------
        items : slice
            Their positions.

        Returns
        -------
        Tensor of shape (n, T, C, *spatial)
            Where to put their frames, which saves a copy.
        """
        self._reached = 0
        return self._u[:, items].transpose(0, 1)

    def put(self, items: slice, frames: Frames) -> None:
        """
        Take the next frames of the items in progress.

        Parameters
        ----------
        items : slice
            Their positions.
        frames : Frames
            At the requested times that follow.
        """
        now = slice(self._reached, self._reached + len(frames.times))
        out = self._u[now, items].transpose(0, 1)
        if frames.u.data_ptr() != out.data_ptr():
            out[:] = frames.u
        self.error[now, items] = frames.error.T
        if self._bound is not None and frames.bound is not None:
            self._bound[now, items] = frames.bound.T
        self._n_iter[items], self.converged[items] = frames.n_iter, frames.converged
        if frames.hidden is not None:
            self.hidden[items] = frames.hidden
        if frames.losses is not None:
            self._losses += frames.losses
        if self._dual is not None and frames.dual is not None:
            self._dual[now, items] = frames.dual.transpose(0, 1)
        self._reached = now.stop
        self._finished = now.stop if items.stop == len(self._n_iter) else 0

    def stop(self) -> None:
        """Keep only the times that all items have reached."""
        self._n_iter[:], self.converged[:] = 0, False
        self._losses = []

    def flow(self) -> Any:
        """
        Give the images in the order of the requested times.

        Returns
        -------
        array of shape (T, *image.shape), or image.shape for a single number
            The caller's kind of array.
        """
        return self._input.flow(self._in_order())

    def _in_order(self) -> torch.Tensor:
        asked = self._asked()
        return self._u if asked == list(range(len(self._u))) else self._u[asked]

    def result(self) -> TVFlowResult:
        """
        Give the result in the order of the requested times.

        Returns
        -------
        TVFlowResult
            What `solve` returns.
        """
        asked, axes = self._asked(), self._input.axes
        dual = None if self._dual is None else axes.dual_from_core(self._dual[asked])
        error, bound = self.error[asked], None if self._bound is None else self._bound[asked]
        if isinstance(self._input, ConfinedInput):
            rounding = self._input.rounding()
            # Rounding errors are uniformly distributed.
            error = np.hypot(error * self._input.dilution, rounding / math.sqrt(3))
            bound = None if bound is None else bound * self._input.dilution + rounding
            if dual is not None and self._dual is not None:
                scaled = self._dual[asked] * column(self._input.strength, self._dual[0])
                dual = axes.dual_from_core(scaled)
        return TVFlowResult(
            times=np.array([self._input.times.increasing[k] for k in asked]),
            u=self._input.frame(self._in_order()),
            dual=None if dual is None else self._input.restore(dual),
            error_estimate=axes.combine(error),
            error_bound=None if bound is None else axes.combine(bound),
            n_iter=axes.total(self._n_iter),
            converged=axes.every(self.converged),
            loss_curve=axes.total(self._loss_curve()) if self._losses else None,
        )

    def _loss_curve(self) -> np.ndarray:
        """The loss curves of all items, (K, N); shorter ones repeat their last value."""
        longest = max(map(len, self._losses))
        curves = [curve + curve[-1:] * (longest - len(curve)) for curve in self._losses]
        return np.array(curves).T

    def _asked(self) -> list[int]:
        return [k for k in self._input.times.order if k < self._finished]


def _room(like: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """A new tensor on the device of another."""
    if like.device.type != "cpu":
        return like.new_empty(shape)
    # NumPy asks the system for large pages of memory, torch does not: thousands of small ones take
    # as long as the flow.
    return torch.from_numpy(np.empty(shape, like.new_empty(0).numpy().dtype))
