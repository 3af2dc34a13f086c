"""A batch of independent flows in the units the solvers work in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import backends
from skimage_tvflow.core.backends import Frames
from skimage_tvflow.core.operators import exact_dtype


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

    def normalise(self, frames: Tensor) -> Tensor:
        """From the image's values, shape (M, N, C, *spatial), to the solver's."""
        ones = [1] * (frames.ndim - 3)
        centred = frames - self.mean.reshape(*self.mean.shape, *ones)
        return centred / self._scale(frames).reshape(-1, 1, *ones)

    def frames(self, out: Tensor) -> Frames:
        """Where a march puts images in their own values: into ``out``, (N, M, C, *spatial)."""
        return Frames(out, self.scale, self.mean.cpu())

    def restore(self, u: Tensor) -> Tensor:
        """From the solver's units, shape (N, M, C, *spatial), to the image's, in place."""
        ones = [1] * (u.ndim - 3)
        u *= self._scale(u).reshape(-1, 1, 1, *ones)
        u += self.mean.reshape(-1, 1, self.mean.shape[1], *ones)
        return u

    def _scale(self, like: Tensor) -> Tensor:
        return torch.from_numpy(self.scale).to(like)


@dataclass(frozen=True)
class Problem:
    r"""Images without their means, scaled by a power of two, on a grid whose finest spacing is 1.

    The laws :math:`F_h(c f + a, |c| t) = c F_h(f, t) + a` and
    :math:`F_h(f, t) = F_{h / \eta}(f, t / \eta)` bring any image there and back without a rounding
    error: an offset of 4096 would cost float32 three digits, values of 1e30 its range. What is
    taken off is the mean rounded to the image's precision, so that it can be put back exactly.

    Attributes
    ----------
    u : Tensor of shape (N, C, *spatial), the largest value in [1, 2), if the image's is normal
    units : Units, the way back to the image's values
    spacing : one per spatial axis, the smallest 1
    unit : array of shape (N,): a time of the caller's is ``t * unit`` here
    deviation : array of shape (N,), the standard deviation of every item of ``u``
    rounding : array of shape (N,), what ``u`` is certainly nearer to the image, RMS
    """

    u: Tensor
    units: Units
    spacing: tuple[float, ...]
    unit: np.ndarray
    deviation: np.ndarray
    rounding: np.ndarray

    @classmethod
    def of(cls, image: Tensor, spacing: Sequence[float]) -> Problem:
        """The problem of ``image``, shape (N, C, *spatial)."""
        found = backends.normalise(image)
        finest = min(spacing)
        # Half a unit in the last place of every value, or of the smallest normal number.
        finfo = torch.finfo(image.dtype)
        eps = finfo.eps if image.dtype != exact_dtype(image) else 0.0
        return cls(
            u=found.u,
            units=Units(found.mean, found.scale),
            spacing=tuple(h / finest for h in spacing),
            unit=1 / (found.scale * finest),
            deviation=found.deviation,
            rounding=(found.deviation + finfo.tiny) * eps,
        )
