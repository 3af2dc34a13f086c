"""The axes of an image as the caller names them, and every message about axes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from skimage_tvflow.inputs.layout import CoreLayout
from skimage_tvflow.inputs.spacing import resolve_spacing

__all__ = ["ImageAxes"]


class ImageAxes(CoreLayout):
    """
    The axes of an image, checked, with the way to the core's layout and back.

    Examples
    --------
    >>> import torch
    >>> axes = ImageAxes.resolve((5, 32, 48, 3), batch_axis=0, channel_axis=-1)
    >>> axes.spatial_shape, axes.n_items, axes.batch_shape
    ((32, 48), 15, (5,))
    >>> axes.to_core(torch.zeros(5, 32, 48, 3)).shape
    torch.Size([15, 1, 32, 48])
    """

    @classmethod
    def resolve(
        cls,
        shape: Sequence[int],
        *,
        batch_axis: int | None = None,
        channel_axis: int | None = None,
        coupled_channels: bool = False,
    ) -> ImageAxes:
        """
        Check the axes of an image and count them from 0.

        Parameters
        ----------
        shape : sequence of int
            Shape of the image.
        batch_axis, channel_axis : int or None
            The axes as the user gave them, negative ones counted from the end.
        coupled_channels : bool
            Whether the channels are coupled, which needs a `channel_axis`.

        Returns
        -------
        ImageAxes
            The axes.

        Raises
        ------
        TypeError
            If an axis is not an integer, or `coupled_channels` no bool.
        ValueError
            If an axis is out of range, if both are the same, if no spatial axis is left, or if
            coupled channels are asked for where there is no channel axis.
        """
        if not isinstance(coupled_channels, bool | np.bool_):
            raise TypeError(
                f"coupled_channels must be True or False, got {coupled_channels!r}. Pass "
                "coupled_channels=True, or leave it out."
            )
        shape = tuple(int(n) for n in shape)
        batch = _axis("batch_axis", batch_axis, shape)
        channel = _axis("channel_axis", channel_axis, shape)
        if batch is not None and batch == channel:
            raise ValueError(
                f"batch_axis={batch_axis} and channel_axis={channel_axis} are the same axis of an "
                f"image of shape {shape}, and they must differ. For a stack of colour images pass "
                "batch_axis=0, channel_axis=-1."
            )
        if coupled_channels and channel is None:
            raise ValueError(
                "coupled_channels=True got channel_axis=None, and coupling needs the axis of the "
                "channels. For (rows, columns, channels) pass channel_axis=-1."
            )
        axes = cls(shape, batch, channel, bool(coupled_channels))
        if not axes.spatial_axes:
            raise ValueError(
                f"No spatial axis is left in an image of shape {shape} with batch_axis="
                f"{batch_axis} and channel_axis={channel_axis}; the flow needs at least one. "
                "Reshape your data: pass image.reshape(1, -1) for one signal with batch_axis=0, "
                "or leave the axes at None."
            )
        return axes

    def spacing(self, spacing: Any) -> tuple[float, ...]:
        """
        Return the distance between pixels along every spatial axis.

        Parameters
        ----------
        spacing : None, float or sequence of float
            None for 1, a number for the same along all spatial axes, or one for each.

        Returns
        -------
        tuple of float
            One positive number per spatial axis; see `resolve_spacing`.
        """
        return resolve_spacing(spacing, self.n_spatial)


def _axis(name: str, axis: Any, shape: tuple[int, ...]) -> int | None:
    if axis is None:
        return None
    example = "For a stack of 2-D images pass batch_axis=0."
    if name == "channel_axis":
        example = "For colours along the last axis pass channel_axis=-1."
    try:
        if isinstance(axis, bool | np.bool_):
            raise TypeError
        index = operator.index(axis)
    except TypeError:
        raise TypeError(f"{name} must be an integer or None, got {axis!r}. {example}") from None
    if not -len(shape) <= index < len(shape):
        raise ValueError(
            f"{name}={index} is out of range for an image of shape {shape}: it must lie between "
            f"{-len(shape)} and {len(shape) - 1}. {example}"
        )
    return index % len(shape)
