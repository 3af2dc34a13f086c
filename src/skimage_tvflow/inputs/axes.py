"""The axes of an image as the caller names them, and the way to the core's ``(N, C, *spatial)``."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.spacing import resolve_spacing

_EXAMPLES = {
    "batch_axis": "For a stack of 2-D images pass batch_axis=0.",
    "channel_axis": "For colours along the last axis pass channel_axis=-1.",
}


@dataclass(frozen=True)
class ImageAxes:
    """
    The axes of an image, and where they go in the core, which sees ``(N, C, *spatial)``.

    These are N independent problems of C coupled channels. Items of a batch are independent, and
    so are channels that are not coupled: item b and channel c become the problem
    ``b * n_channels + c``. A result may carry leading axes, such as the times.

    Attributes
    ----------
    shape : tuple of int
        Shape of the image.
    batch_axis, channel_axis : int or None
        Axes of the items and of the channels, counted from 0. All the others are spatial.
    coupled_channels : bool
        Whether the channels share one norm, and hence their edges.

    Examples
    --------
    >>> axes = ImageAxes.resolve((5, 32, 48, 3), batch_axis=0, channel_axis=-1)
    >>> axes.spatial_shape, axes.batch_shape
    ((32, 48), (5,))
    >>> axes.to_core(torch.zeros(5, 32, 48, 3)).shape
    torch.Size([15, 1, 32, 48])
    """

    shape: tuple[int, ...]
    batch_axis: int | None = None
    channel_axis: int | None = None
    coupled_channels: bool = False

    @classmethod
    def resolve(
        cls,
        shape: Sequence[int],
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
            coupled channels are requested where there is no channel axis.
        """
        if not isinstance(coupled_channels, bool | np.bool_):
            raise TypeError(
                f"coupled_channels must be True or False, got {coupled_channels!r}. Pass "
                "coupled_channels=True, or leave it out."
            )
        shape = tuple(int(n) for n in shape)
        batch, channel = counted_axes(shape, batch_axis, channel_axis)
        if batch is not None and batch == channel:
            raise ValueError(
                f"batch_axis={batch_axis} and channel_axis={channel_axis} are the same axis and "
                "must differ. For a stack of colour images pass batch_axis=0, channel_axis=-1."
            )
        if coupled_channels and channel is None:
            raise ValueError(
                "coupled_channels=True got channel_axis=None, and coupling needs the axis of the "
                "channels. For (rows, columns, channels) pass channel_axis=-1."
            )
        axes = cls(shape, batch, channel, bool(coupled_channels))
        if not axes.spatial_axes:
            raise ValueError(
                f"No spatial axis is left in an image of shape {shape} with {batch_axis=} and "
                f"{channel_axis=}, and the flow needs at least one. Leave them out. Reshape your "
                "data for one signal with batch_axis=0: pass image.reshape(1, -1)."
            )
        return axes

    @property
    def spatial_axes(self) -> tuple[int, ...]:  # numpydoc ignore=RT01
        """The axes along which the image is differentiated."""
        taken = (self.batch_axis, self.channel_axis)
        return tuple(axis for axis in range(len(self.shape)) if axis not in taken)

    @property
    def n_spatial(self) -> int:  # numpydoc ignore=RT01
        """The number of spatial axes."""
        return len(self.spatial_axes)

    @property
    def spatial_shape(self) -> tuple[int, ...]:  # numpydoc ignore=RT01
        """The shape along the spatial axes."""
        return tuple(self.shape[axis] for axis in self.spatial_axes)

    @property
    def batch_shape(self) -> tuple[int, ...]:  # numpydoc ignore=RT01
        """Length of the batch axis in a tuple, empty without one."""
        return () if self.batch_axis is None else (self.shape[self.batch_axis],)

    @property
    def core_shape(self) -> tuple[int, ...]:  # numpydoc ignore=RT01
        """The shape ``(N, C, *spatial)`` of the image in the core."""
        n = math.prod(self.batch_shape)
        n_channels = 1 if self.channel_axis is None else self.shape[self.channel_axis]
        leading = (n, n_channels) if self.coupled_channels else (n * n_channels, 1)
        return *leading, *self.spatial_shape

    @property
    def _core_order(self) -> tuple[int, ...]:
        """The axes in the order of the core, counted from the end, as leading ones may come."""
        order = (self.batch_axis, self.channel_axis, *self.spatial_axes)
        return tuple(axis - len(self.shape) for axis in order if axis is not None)

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
        n = self.n_spatial
        return (1.0,) * n if spacing is None else resolve_spacing(spacing, n)

    def to_core(self, x: torch.Tensor) -> torch.Tensor:
        """
        Bring an image into the core's layout.

        Parameters
        ----------
        x : torch.Tensor, shape (*lead, *image.shape)
            The image, or several along leading axes.

        Returns
        -------
        torch.Tensor, shape (*lead, N, C, *spatial)
            Contiguous; it may share the memory of `x`.
        """
        lead = _leading_shape(x, self.shape, "an image")
        in_order = x.movedim(self._core_order, tuple(range(-len(self.shape), 0)))
        return in_order.reshape(*lead, *self.core_shape).contiguous()

    def from_core(self, u: torch.Tensor) -> torch.Tensor:
        """
        Bring a result of the core back to the axes of the image.

        Parameters
        ----------
        u : torch.Tensor, shape (*lead, N, C, *spatial)
            Images in the core's layout.

        Returns
        -------
        torch.Tensor, shape (*lead, *image.shape)
            A view of `u` where that is possible.
        """
        lead = _leading_shape(u, self.core_shape, "a core tensor")
        in_order = u.reshape(*lead, *(self.shape[axis] for axis in self._core_order))
        return in_order.movedim(tuple(range(-len(self.shape), 0)), self._core_order)

    def dual_from_core(self, phi: torch.Tensor) -> torch.Tensor:
        """
        Bring a dual field of the core back to the axes of the image.

        Parameters
        ----------
        phi : torch.Tensor, shape (*lead, N, C, n_spatial, *spatial)
            Dual fields in the core's layout, the component behind the channels.

        Returns
        -------
        torch.Tensor, shape (*lead, n_spatial, *image.shape)
            The component in front of the axes of the image.
        """
        return self.from_core(phi.movedim(-1 - self.n_spatial, -3 - self.n_spatial))

    def dual_to_core(self, dual: torch.Tensor) -> torch.Tensor:
        """
        Bring a dual field into the core's layout, the inverse of `dual_from_core`.

        Parameters
        ----------
        dual : torch.Tensor, shape (*lead, n_spatial, *image.shape)
            Dual fields with the component in front of the axes of the image.

        Returns
        -------
        torch.Tensor, shape (*lead, N, C, n_spatial, *spatial)
            Contiguous; it may share the memory of `dual`.
        """
        core = self.to_core(dual)
        return core.movedim(-3 - self.n_spatial, -1 - self.n_spatial).contiguous()

    def combine(self, errors: np.ndarray) -> np.ndarray:
        """
        Combine RMS errors of core items to those of the user's items.

        All channels have equally many pixels, so the RMS of an item is the root mean square of
        those of its channels.

        Parameters
        ----------
        errors : numpy.ndarray, shape (*lead, N)
            RMS per pixel of every core item.

        Returns
        -------
        numpy.ndarray, shape (*lead, *batch_shape)
            RMS per pixel of every item of the image.
        """
        channels = self._by_channel(errors)
        # not by squares: those of values such as 1e200 are out of range
        return np.asarray(np.hypot.reduce(channels / math.sqrt(channels.shape[-1]), axis=-1))

    def every(self, flags: np.ndarray) -> np.ndarray:
        """
        Tell for which items a flag holds in all channels.

        Parameters
        ----------
        flags : numpy.ndarray of bool, shape (*lead, N)
            A flag of every core item.

        Returns
        -------
        numpy.ndarray of bool, shape (*lead, *batch_shape)
            The flag of every item of the image.
        """
        return np.asarray(np.all(self._by_channel(flags), axis=-1))

    def total(self, values: np.ndarray) -> np.ndarray:
        """
        Add up values of core items over the channels of an item.

        Parameters
        ----------
        values : numpy.ndarray, shape (*lead, N)
            A value of every core item.

        Returns
        -------
        numpy.ndarray, shape (*lead, *batch_shape)
            The sum of every item of the image.
        """
        return np.asarray(np.sum(self._by_channel(values), axis=-1))

    def _by_channel(self, values: np.ndarray) -> np.ndarray:
        """Give the channels of an item, the problems of the core, an axis of their own."""
        n_channels = self.core_shape[0] // math.prod(self.batch_shape)
        return values.reshape(*values.shape[:-1], *self.batch_shape, n_channels)


def counted_axes(
    shape: tuple[int, ...], batch_axis: Any, channel_axis: Any
) -> tuple[int | None, int | None]:
    """
    Count the axes of items and of channels from 0.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image.
    batch_axis, channel_axis : int or None
        The axes as the user gave them.

    Returns
    -------
    tuple of int or None
        Both, from 0 on.

    Raises
    ------
    TypeError, ValueError
        If one is not an integer, or out of range.
    """
    batch = _resolve_axis("batch_axis", batch_axis, shape)
    return batch, _resolve_axis("channel_axis", channel_axis, shape)


def _leading_shape(x: torch.Tensor, trailing: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Check that a shape ends as it must, and return what comes before."""
    shape = tuple(x.shape)
    if shape[-len(trailing) :] != trailing:
        raise ValueError(
            f"{what} of shape {shape} does not end in {trailing}, the shape that these axes have: "
            "pass a tensor of that shape, or resolve the axes anew."
        )
    return shape[: -len(trailing)]


def _resolve_axis(name: str, axis: Any, shape: tuple[int, ...]) -> int | None:
    """Check one axis and count it from 0."""
    if axis is None:
        return None
    try:
        index = operator.index(axis)
    except TypeError:
        index = None
    if index is None or isinstance(axis, bool):
        raise TypeError(f"{name} must be an integer or None, got {axis!r}. {_EXAMPLES[name]}")
    if not -len(shape) <= index < len(shape):
        raise ValueError(
            f"{name}={index} is out of range for an image of shape {shape}: it must lie between "
            f"{-len(shape)} and {len(shape) - 1}. {_EXAMPLES[name]}"
        )
    return index % len(shape)
