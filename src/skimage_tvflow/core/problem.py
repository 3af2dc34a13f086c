"""A batch of independent flows in the units the solvers work in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skimage_tvflow.core.backends import Frames
from skimage_tvflow.core.operators import rms


@dataclass(frozen=True)
class Units:
    """What the values of an image are in those of the solver, and back: ``scale u + mean``.

    Attributes
    ----------
    mean : Tensor of shape (N, C), what was taken off
    scale : Tensor of shape (N,), float64, powers of two
    """

    mean: Tensor
    scale: Tensor

    def normalise(self, frames: Tensor) -> Tensor:
        """From the image's values, shape (M, N, C, *spatial), to the solver's."""
        ones = [1] * (frames.ndim - 3)
        centred = frames - self.mean.reshape(*self.mean.shape, *ones)
        return centred / self.scale.to(frames.dtype).reshape(-1, 1, *ones)

    def frames(self, out: Tensor) -> Frames:
        """Where a march puts images in their own values: into ``out``, (N, M, C, *spatial)."""
        return Frames(out, self.scale.cpu().numpy(), self.mean.cpu())

    def restore(self, u: Tensor) -> Tensor:
        """From the solver's units, shape (N, M, C, *spatial), to the image's, in place."""
        ones = [1] * (u.ndim - 3)
        u *= self.scale.to(u.dtype).reshape(-1, 1, 1, *ones)
        u += self.mean.reshape(-1, 1, self.mean.shape[1], *ones)
        return u


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
    unit : Tensor of shape (N,), float64: a time of the caller's is ``t * unit`` here
    deviation : Tensor of shape (N,), float64: the standard deviation of every item of ``u``
    rounding : Tensor of shape (N,), float64: what ``u`` is certainly nearer to the image, RMS
    """

    u: Tensor
    units: Units
    spacing: tuple[float, ...]
    unit: Tensor
    deviation: Tensor
    rounding: Tensor

    @classmethod
    def of(cls, image: Tensor, spacing: Sequence[float]) -> Problem:
        """The problem of ``image``, shape (N, C, *spatial)."""
        n_spatial = image.ndim - 2
        exact = torch.float32 if image.device.type == "mps" else torch.float64
        mean = image.flatten(2).mean(2, dtype=exact).to(image.dtype)
        centred = image.to(exact, copy=True)
        centred -= mean.reshape(*mean.shape, *[1] * n_spatial)
        lowest, highest = centred.flatten(1).aminmax(dim=1)
        largest = torch.maximum(-lowest, highest)
        # A constant image leaves rounding errors of its mean behind, not structures.
        flat = largest <= torch.finfo(exact).eps * 4 * (mean.abs().amax(1) + largest)
        # The reciprocal of a smaller number is out of range.
        normal = math.frexp(torch.finfo(exact).tiny)[1]
        exponent = torch.frexp(largest).exponent.clamp_(min=normal) - 1
        scale = torch.ldexp(torch.ones_like(largest), exponent)
        scale.masked_fill_(flat, 1.0)
        factor = (1 / scale).masked_fill_(flat, 0.0)
        centred *= factor.reshape(-1, *[1] * (n_spatial + 1))
        deviation = rms(centred)
        finest = min(spacing)
        u = centred.to(image.dtype)
        # Half a unit in the last place of every value, or of the smallest normal number.
        finfo = torch.finfo(image.dtype)
        rounding = (deviation + finfo.tiny) * (finfo.eps if image.dtype != exact else 0.0)
        return cls(
            u=u,
            units=Units(mean, scale),
            spacing=tuple(h / finest for h in spacing),
            unit=1 / (scale * finest),
            deviation=deviation,
            rounding=rounding,
        )
