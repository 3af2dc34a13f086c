"""Which pixels of an image are data, and how strongly it flows at each: masks and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.array_kinds import read_array
from skimage_tvflow.inputs.axes import ImageAxes


@dataclass(frozen=True)
class FlowLimits:
    """
    A mask and a weight in the layout of the core, for M items: all of them, or one for all.

    Attributes
    ----------
    mask : torch.Tensor of bool, shape (M, *spatial)
        True where the image is data.
    weight : torch.Tensor of float64, shape (M, *spatial)
        The local strength of the flow, >= 0; 0 where there is no data.
    """

    mask: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def resolve(
        cls, mask: torch.Tensor | None, weight: torch.Tensor | None, axes: ImageAxes
    ) -> FlowLimits | None:
        """
        Bring a mask and a weight into the layout of the core.

        Parameters
        ----------
        mask, weight : torch.Tensor of shape image.shape, or None
            What `read_mask` and `read_weight` return.
        axes : ImageAxes
            The axes of the image.

        Returns
        -------
        FlowLimits or None
            None if there is neither, or if they change nothing.

        Raises
        ------
        ValueError
            If they differ between coupled channels, or no pixel is data.
        """
        if mask is None and weight is None:
            return None
        data = torch.ones(axes.shape, dtype=torch.bool) if mask is None else mask
        strength = torch.ones(axes.shape, dtype=torch.float64) if weight is None else weight
        inside = _shared(axes.to_core(data), "mask")
        # An item without any data, such as a gap in a series of times, stays as it is.
        if not inside.any():
            raise ValueError(
                "mask is False everywhere, and the flow needs data. Pass True where the image is "
                "data: mask=~mask, perhaps."
            )
        local = _shared(axes.to_core(strength), "weight") * inside
        if all((x == x[:1]).all() for x in (inside, local)):
            inside, local = inside[:1], local[:1]
        if inside.all() and (local == 1).all():
            return None
        return cls(inside, local)


def _shared(values: torch.Tensor, name: str) -> torch.Tensor:
    """Drop the channels of (N, C, *spatial), which must be equal."""
    if not (values == values[:, :1]).all():
        raise ValueError(
            f"{name} differs between channels, and coupled_channels=True lets them flow together. "
            f"Pass one {name} for all channels, such as {name}.all(axis) for a mask, or leave "
            "coupled_channels out."
        )
    return values[:, 0].contiguous()


def read_mask(mask: Any, shape: tuple[int, ...], dropped: tuple[int | None, ...]) -> torch.Tensor:
    """
    Read a mask for an image.

    Parameters
    ----------
    mask : array-like of bool
        True where the image is data.
    shape : tuple of int
        Shape of the image.
    dropped : tuple of int or None
        Axes of the image that the mask may lack, counted from 0.

    Returns
    -------
    torch.Tensor of bool, shape image.shape
        The mask for every pixel, on the CPU.

    Raises
    ------
    TypeError
        If it is not made of True and False.
    ValueError
        If its shape does not fit.
    """
    values = _values(mask, "mask")
    if values.dtype != np.bool_:
        raise TypeError(
            f"mask must be an array of bool, True where the image is data, got {values.dtype}. "
            "Pass mask=numpy.isfinite(image), or mask=labels > 0."
        )
    return torch.from_numpy(stretched(values, "mask", shape, dropped))


def read_weight(
    weight: Any, shape: tuple[int, ...], dropped: tuple[int | None, ...]
) -> torch.Tensor:
    """
    Read a local strength of the flow for an image.

    Parameters
    ----------
    weight : array-like of real numbers
        The strength, >= 0.
    shape : tuple of int
        Shape of the image.
    dropped : tuple of int or None
        Axes of the image that the weight may lack, counted from 0.

    Returns
    -------
    torch.Tensor of float64, shape image.shape
        The strength at every pixel, on the CPU.

    Raises
    ------
    TypeError
        If it is not made of real numbers.
    ValueError
        If its shape does not fit, or a value is negative or not finite.
    """
    values = _values(weight, "weight")
    if values.dtype.kind not in "biuf":
        raise TypeError(
            f"weight must be an array of real numbers >= 0, got {values.dtype}. Pass "
            "weight=numpy.ones(image.shape), say, with other values where the flow is to differ."
        )
    values = values.astype(np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        first = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"weight must be finite and >= 0, got {values[wrong][0]} at {tuple(first)}. Pass "
            "numpy.clip(weight, 0, None), and mask=... for pixels that are no data."
        )
    if not values.any():
        raise ValueError("weight is 0 everywhere, so nothing flows. Pass t=0 for that.")
    return torch.from_numpy(stretched(values, "weight", shape, dropped))


def _values(given: Any, name: str) -> np.ndarray:
    values, _ = read_array(given, name)
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def stretched(
    values: np.ndarray, name: str, shape: tuple[int, ...], dropped: tuple[int | None, ...]
) -> np.ndarray:
    """
    Repeat values along the axes that they lack, or that have one entry.

    Parameters
    ----------
    values : ndarray
        The values.
    name : str
        What the messages call them.
    shape : tuple of int
        The shape that is wanted.
    dropped : tuple of int or None
        Axes that the values may lack, counted from 0.

    Returns
    -------
    ndarray of that shape
        A new array.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    axes = sorted(axis for axis in dropped if axis is not None)
    for lacking in ([], *[[axis] for axis in axes], axes):
        if values.ndim == len(shape) - len(lacking):
            wide = np.expand_dims(values, tuple(lacking))
            if all(n in (1, m) for n, m in zip(wide.shape, shape, strict=True)):
                return np.array(np.broadcast_to(wide, shape))
    raise ValueError(
        f"{name} has shape {values.shape}, and the image {shape}. Pass a {name} of the shape of "
        "the image; axes of items and channels may be left out, and any axis may have length 1."
    )
