"""Any image <-> the core's (N, C, *spatial), and every message about axes."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["ImageAxes"]

# A quarter of the digits of a difference are left across the longest axis.
_WIDEST = 1e12


@dataclass(frozen=True)
class ImageAxes:
    """
    The meaning of an image's axes, and the way to the core's layout and back.

    The core sees ``(N, C, *spatial)``: N independent problems of C coupled channels. Items of a
    batch are independent, and so are channels that are not coupled: item b and channel c become
    the problem ``b * n_channels + c``. A result may carry leading axes, such as the times.

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
    >>> axes.spatial_shape, axes.n_items, axes.batch_shape
    ((32, 48), 15, (5,))
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
    def n_items(self) -> int:  # numpydoc ignore=RT01
        """The number N of independent problems in the core."""
        return math.prod(self.batch_shape) * self._n_folded

    @property
    def _channel_shape(self) -> tuple[int, ...]:
        return () if self.channel_axis is None else (self.shape[self.channel_axis],)

    @property
    def _n_folded(self) -> int:
        # the channels of one item that are problems of their own
        return 1 if self.coupled_channels else math.prod(self._channel_shape)

    @property
    def _core_order(self) -> tuple[int, ...]:
        leading = (axis for axis in (self.batch_axis, self.channel_axis) if axis is not None)
        return (*leading, *self.spatial_axes)

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
            One positive number per spatial axis.

        Raises
        ------
        TypeError
            If `spacing` does not consist of real numbers.
        ValueError
            If they are too many or too few, not positive and finite, or of sizes too different.
        """
        if spacing is None:
            return (1.0,) * self.n_spatial
        advice = f"Pass spacing={(1.0,) * self.n_spatial}."
        try:
            values = np.asarray(spacing)
        except (TypeError, ValueError, RuntimeError):  # ragged, or a tensor of another device
            values = np.asarray(None)
        if values.dtype.kind not in "iuf":
            raise TypeError(f"spacing must consist of real numbers, got {spacing!r}. {advice}")
        if values.shape not in ((), (self.n_spatial,)):
            raise ValueError(
                f"spacing must be one number, or one for each of the {self.n_spatial} spatial "
                f"axes, got {spacing!r}. {advice}"
            )
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise ValueError(f"spacing must be positive and finite, got {spacing!r}. {advice}")
        if values.max() > _WIDEST * values.min():
            raise ValueError(
                f"spacing must not differ by more than {_WIDEST:.0e} between axes, got "
                f"{spacing!r}: differences along the longest would be lost in rounding. {advice}"
            )
        return tuple(float(h) for h in np.broadcast_to(values, (self.n_spatial,)))

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
        n_lead = self._n_lead(x, self.shape, "an image")
        order = [*range(n_lead), *(n_lead + axis for axis in self._core_order)]
        core = (self.n_items, self._n_coupled, *self.spatial_shape)
        return x.permute(order).reshape(*x.shape[:n_lead], *core).contiguous()

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
        core = (self.n_items, self._n_coupled, *self.spatial_shape)
        n_lead = self._n_lead(u, core, "a core tensor")
        split = (*self.batch_shape, *self._channel_shape, *self.spatial_shape)
        back = (self._core_order.index(axis) for axis in range(len(self._core_order)))
        order = [*range(n_lead), *(n_lead + axis for axis in back)]
        return u.reshape(*u.shape[:n_lead], *split).permute(order)

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
        n_lead = phi.ndim - 3 - self.n_spatial
        return self.from_core(phi.movedim(n_lead + 2, n_lead))

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
        n_lead = dual.ndim - 1 - len(self.shape)
        return self.to_core(dual).movedim(n_lead, n_lead + 2).contiguous()

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
        split = self._split(errors)
        # Squares of values such as 1e200 are out of range.
        largest = np.max(split, axis=-1, keepdims=True)
        size = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        return np.asarray(size[..., 0] * np.sqrt(np.mean(np.square(split / size), axis=-1)))

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
        return np.asarray(np.all(self._split(flags), axis=-1))

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
        return np.asarray(np.sum(self._split(values), axis=-1))

    @property
    def _n_coupled(self) -> int:
        return math.prod(self._channel_shape) if self.coupled_channels else 1

    def _split(self, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values)
        return values.reshape(*values.shape[:-1], *self.batch_shape, self._n_folded)

    def _n_lead(self, x: torch.Tensor, trailing: tuple[int, ...], what: str) -> int:
        n_lead = x.ndim - len(trailing)
        if n_lead < 0 or tuple(x.shape[n_lead:]) != trailing:
            raise ValueError(
                f"{what} of shape {tuple(x.shape)} does not end in {trailing}, the shape that "
                f"these axes have: pass a tensor of that shape, or resolve the axes anew."
            )
        return n_lead


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
