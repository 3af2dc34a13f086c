"""The standard deviation of noise as a caller gives it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.limits import stretched
from skimage_tvflow.inputs.numbers import check_number, read_numbers


def read_sigma(sigma: Any, axes: ImageAxes) -> Tensor:
    """
    Read the noise of an image.

    Parameters
    ----------
    sigma : float or array-like
        One number, one for each channel or item, or an array like the image.
    axes : ImageAxes
        The axes of the image.

    Returns
    -------
    torch.Tensor of shape (N, C, *spatial) or (N, C, 1, ...)
        The standard deviation in the layout of the core.

    Raises
    ------
    ValueError, TypeError
        If it is negative, not finite, or does not fit.
    """
    if np.ndim(sigma) == 0:
        sigma = check_number(sigma, "sigma", 0, example=0.1)
        n, n_channels, *spatial = axes.core_shape
        return torch.full((n, n_channels, *[1] * len(spatial)), sigma, dtype=torch.float64)
    values = read_numbers(
        sigma,
        "sigma",
        need="sigma must be a number, or an array of numbers",
        advice="Pass sigma=0.1, say.",
    )
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        raise ValueError(
            f"sigma must be finite and >= 0, got {values[wrong][0]}. Pass numpy.clip(sigma, 0, "
            "None), and mask=... for pixels that are no data."
        )
    own = next((a for a in (axes.channel_axis, axes.batch_axis) if a is not None), None)
    if values.ndim == 1 and own is not None:
        if len(values) != axes.shape[own]:
            raise ValueError(
                f"sigma has {len(values)} values, and the image {axes.shape[own]} along axis "
                f"{own}. Pass one for each, or an array of the shape of the image."
            )
        values = values.reshape([-1 if a == own else 1 for a in range(len(axes.shape))])
    full = stretched(values, "sigma", axes.shape, (axes.batch_axis, axes.channel_axis))
    in_core = axes.to_core(torch.from_numpy(full))
    flat = in_core.flatten(2)
    if bool((flat == flat[..., :1]).all()) and math.prod(axes.spatial_shape) > 1:
        return flat[..., :1].reshape(*in_core.shape[:2], *[1] * axes.n_spatial)
    return in_core
