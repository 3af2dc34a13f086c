"""What an estimator works on, between the caller's layout and the core's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.times import RequestedTimes

__all__ = ["FlowInput"]


@dataclass(frozen=True)
class FlowInput:
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
