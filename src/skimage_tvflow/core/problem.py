"""A batch of independent flows in the units the solvers work in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.core.scaling import Units


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
        found = backends.centre_and_scale(image)
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
