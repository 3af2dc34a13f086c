"""From the values of an image to those of the solvers, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import FrameBuffer


@dataclass(frozen=True)
class Units:
    """What the values of an image are in those of the solver, and back: ``scale u + mean``.

    Attributes
    ----------
    mean : Tensor of shape (N, C), what was taken off
    scale : array of shape (N,), powers of two
    """

    mean: Tensor
    scale: np.ndarray

    def to_solver(self, frames: Tensor) -> Tensor:
        """From the image's values, shape (M, N, C, *spatial), to the solver's."""
        ones = [1] * (frames.ndim - 3)
        centred = frames - self.mean.reshape(*self.mean.shape, *ones)
        return centred / self._scale(frames).reshape(-1, 1, *ones)

    def frame_buffer(self, out: Tensor) -> FrameBuffer:
        """Where a march puts images in their own values: into ``out``, (N, M, C, *spatial)."""
        return FrameBuffer(out, self.scale, self.mean.cpu())

    def to_image(self, u: Tensor) -> Tensor:
        """From the solver's units, shape (N, M, C, *spatial), to the image's, in place."""
        ones = [1] * (u.ndim - 3)
        u *= self._scale(u).reshape(-1, 1, 1, *ones)
        u += self.mean.reshape(-1, 1, self.mean.shape[1], *ones)
        return u

    def _scale(self, like: Tensor) -> Tensor:
        return torch.from_numpy(self.scale).to(like)
