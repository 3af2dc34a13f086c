"""The way from the solver's values back to those of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import FrameBuffer


@dataclass(frozen=True)
class Units:
    """The linear map from the solver's values to those of the image: ``scale u + mean``.

    Attributes
    ----------
    mean : Tensor of shape (N, C), in the dtype of the image
    scale : array of shape (N,), powers of two
    """

    mean: Tensor
    scale: np.ndarray

    def to_solver(self, frames: Tensor) -> Tensor:
        """Convert values of the image, shape (M, N, C, *spatial), to those of the solver."""
        ones = [1] * (frames.ndim - 3)
        centred = frames - self.mean.reshape(*self.mean.shape, *ones)
        return centred / self._scale_like(frames).reshape(-1, 1, *ones)

    def frame_buffer(self, out: Tensor) -> FrameBuffer:
        """Make a buffer for values of the image from ``out``, shape (N, M, C, *spatial)."""
        return FrameBuffer(out, self.scale, self.mean.cpu())

    def to_image(self, u: Tensor) -> Tensor:
        """Convert the solver's values, shape (N, M, C, *spatial), to the image's, in place."""
        ones = [1] * (u.ndim - 3)
        u *= self._scale_like(u).reshape(-1, 1, 1, *ones)
        u += self.mean.reshape(-1, 1, self.mean.shape[1], *ones)
        return u

    def rounding(self) -> np.ndarray:
        r"""Estimate what putting the mean back costs: the RMS rounding error of a frame, (N,).

        Values near a mean m are multiples of the unit in its last place, :math:`2^e \epsilon` for
        :math:`2^e \le |m| < 2^{e + 1}`. Rounding to nearest is off by at most half of it, uniformly
        distributed: :math:`2^e \epsilon / \sqrt{12}` in the RMS. Of several channels the largest
        counts.
        """
        last_place = np.spacing(self.mean.abs().amax(1).cpu().numpy())
        return last_place.astype(np.float64) / math.sqrt(12)

    def _scale_like(self, tensor: Tensor) -> Tensor:
        return torch.from_numpy(self.scale).to(tensor)
