"""The core's layout ``(N, C, *spatial)`` of an image, and the way there and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["CoreLayout"]


@dataclass(frozen=True)
class CoreLayout:
    """
    Where the axes of an image go in the core, which sees ``(N, C, *spatial)``.

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
    """

    shape: tuple[int, ...]
    batch_axis: int | None = None
    channel_axis: int | None = None
    coupled_channels: bool = False

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
