"""Take off the means and scale by a power of two, in plain torch."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import ScaledImage
from skimage_tvflow.core.operators import exact_dtype, rms


def centre_and_scale(image: Tensor) -> ScaledImage:
    """Write ``image = scale u + mean`` with the largest value of every item of u in [1, 2).

    The mean is rounded to the precision of the image, so that adding it back is exact up to one
    rounding. A constant item gives ``u = 0`` and ``scale = 1``.

    Parameters
    ----------
    image : Tensor of shape (N, C, *spatial)

    Returns
    -------
    ScaledImage
    """
    exact = exact_dtype(image)
    ones = [1] * (image.ndim - 2)
    pixels = image.flatten(2)
    # Sums of distances from the first pixel are exactly zero where the image is constant.
    first = pixels[:, :, :1]
    mean = first[:, :, 0].to(exact) + (pixels - first).mean(2, dtype=exact)
    mean = mean.to(image.dtype)
    centred = image.to(exact, copy=True)
    centred -= mean.reshape(*mean.shape, *ones)
    lowest, highest = centred.flatten(1).aminmax(dim=1)
    largest = torch.maximum(-lowest, highest).cpu().numpy()
    scale, factor = power_of_two_scales(largest, torch.finfo(exact))
    centred *= torch.from_numpy(factor).to(centred).reshape(-1, 1, *ones)
    return ScaledImage(centred.to(image.dtype), mean, scale, rms(centred).cpu().numpy())


def power_of_two_scales(largest: np.ndarray, finfo: torch.finfo) -> tuple[np.ndarray, np.ndarray]:
    """Give the power of two at or below the largest value of every item, and its reciprocal.

    Parameters
    ----------
    largest : array of shape (N,), the largest ``|image - mean|`` of every item
    finfo : of the dtype of the arithmetic

    Returns
    -------
    scale, factor : arrays of shape (N,); 1 and 0 for a constant item
    """
    constant = largest == 0
    # The reciprocals of subnormal numbers are out of range.
    smallest_exponent = math.frexp(finfo.tiny)[1]
    exponent = np.maximum(np.frexp(largest)[1], smallest_exponent) - 1
    scale = np.where(constant, 1.0, np.ldexp(1.0, exponent))
    return scale, np.where(constant, 0.0, 1 / scale)
