"""Images without their means, in units of their own, in plain torch."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import ScaledImage
from skimage_tvflow.core.operators import exact_dtype, rms


def centre_and_scale(image: Tensor) -> ScaledImage:
    """Take the means of ``image``, shape (N, C, *spatial), off and scale it, without rounding."""
    exact = exact_dtype(image)
    ones = [1] * (image.ndim - 2)
    mean = image.flatten(2).mean(2, dtype=exact).to(image.dtype)
    centred = image.to(exact, copy=True)
    centred -= mean.reshape(*mean.shape, *ones)
    lowest, highest = centred.flatten(1).aminmax(dim=1)
    largest = torch.maximum(-lowest, highest).cpu().numpy()
    scale, factor = scales(largest, mean.abs().amax(1).cpu().numpy(), torch.finfo(exact))
    centred *= torch.from_numpy(factor).to(centred).reshape(-1, 1, *ones)
    return ScaledImage(centred.to(image.dtype), mean, scale, rms(centred).cpu().numpy())


def scales(
    largest: np.ndarray, offset: np.ndarray, finfo: torch.finfo
) -> tuple[np.ndarray, np.ndarray]:
    """The scale of every item, and what to multiply it by: zero if it is constant.

    Parameters
    ----------
    largest : array of shape (N,), the largest value without the mean
    offset : array of shape (N,), the largest mean of its channels
    finfo : of the arithmetic
    """
    # A constant image leaves rounding errors of its mean behind, not structures.
    flat = largest <= finfo.eps * 4 * (offset + largest)
    # The reciprocal of a smaller number is out of range.
    normal = math.frexp(finfo.tiny)[1]
    exponent = np.maximum(np.frexp(largest)[1], normal) - 1
    scale = np.where(flat, 1.0, np.ldexp(1.0, exponent))
    return scale, np.where(flat, 0.0, 1 / scale)
