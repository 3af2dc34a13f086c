"""What an estimator works on, between the caller's layout and the core's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from skimage_tvflow.inputs.arrays import ingest, is_complex
from skimage_tvflow.inputs.axes import ImageAxes, counted_axes
from skimage_tvflow.inputs.complex_images import split_parts
from skimage_tvflow.inputs.limits import FlowLimits, read_mask, read_weight
from skimage_tvflow.inputs.times import RequestedTimes, resolve_times


@dataclass(frozen=True)
class FlowInput:
    """
    An image and the requested times, checked and in the layout of the core.

    Attributes
    ----------
    image : torch.Tensor, shape (N, C, *spatial)
        The image.
    axes : ImageAxes
        The axes of the caller's image.
    spacing : tuple of float
        Distance between pixels along every spatial axis.
    times : RequestedTimes
        The times to solve for.
    restore : callable
        Turns a tensor in the caller's layout into an array of the caller's kind.
    given : torch.Tensor of shape image.shape, or None
        The image as it was given, where it is not data everywhere.
    limits : FlowLimits or None
        Where it is data, and how strongly it flows.
    is_complex : bool
        Whether the last axis of `axes` holds the real and the imaginary part.
    """

    image: torch.Tensor
    axes: ImageAxes
    spacing: tuple[float, ...]
    times: RequestedTimes
    restore: Callable[[torch.Tensor], Any]
    given: torch.Tensor | None = None
    limits: FlowLimits | None = None
    is_complex: bool = False

    @classmethod
    def read(
        cls,
        image: Any,
        t: Any = 0.0,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        coupled_channels: bool = False,
        device: Any = None,
        mask: Any = None,
        weight: Any = None,
    ) -> FlowInput:
        """
        Check an image and times, and bring them into the layout of the core.

        Parameters
        ----------
        image : array-like
            The image, see `ingest`.
        t : float or sequence of float, optional
            The requested times.
        spacing, channel_axis, batch_axis, coupled_channels, device : object, optional
            As the caller gave them, see `ImageAxes`.
        mask, weight : array-like, optional
            Where the image is data, and how strongly it flows; see `FlowLimits`.

        Returns
        -------
        FlowInput
            The image and the times.

        Raises
        ------
        ValueError, TypeError
            If anything is not what it must be.
        """
        if is_complex(image):
            if channel_axis is not None:
                raise ValueError(
                    f"A complex image got channel_axis={channel_axis}, and its real and imaginary "
                    "part are channels already. Pass batch_axis for independent complex images, "
                    "or its channels one after the other."
                )
            parts, join = split_parts(image)
            batch, _ = counted_axes(tuple(parts.shape[:-1]), batch_axis, None)
            read = cls.read(parts, t, spacing, -1, batch, True, device, mask, weight)
            own = read.restore
            return dataclasses.replace(read, restore=lambda u: join(own(u)), is_complex=True)
        times, inside, strength = resolve_times(t), None, None

        def data_in(shape: tuple[int, ...]) -> torch.Tensor | None:
            nonlocal inside
            if mask is not None:
                inside = read_mask(mask, shape, counted_axes(shape, batch_axis, channel_axis))
            return inside

        data = ingest(image, device=device, data_in=data_in)
        axes = ImageAxes.resolve(data.tensor.shape, batch_axis, channel_axis, coupled_channels)
        if weight is not None:
            strength = read_weight(weight, axes.shape, (axes.batch_axis, axes.channel_axis))
        u, limits = axes.to_core(data.tensor), None
        if mask is not None or weight is not None:
            limits = FlowLimits.resolve(inside, strength, axes)
        given = data.given if limits else None
        return cls(u, axes, axes.spacing(spacing), times, data.restore, given, limits)

    @property
    def dilution(self) -> Any:  # numpydoc ignore=RT01
        """The RMS over the data in units of that over all pixels, a number or (N,)."""
        return 1.0

    def whole(self, x: torch.Tensor) -> Any:
        """
        Bring images of the flow to the caller's kind of array.

        Parameters
        ----------
        x : torch.Tensor, shape (*lead, *image.shape)
            Images in the caller's layout.

        Returns
        -------
        array of the same shape
            The same images for the caller.
        """
        return self.restore(x)

    def part(self, x: torch.Tensor) -> Any:
        """
        Bring differences of images of the flow, such as bands, to the caller's kind of array.

        Parameters
        ----------
        x : torch.Tensor, shape (*lead, *image.shape)
            Differences in the caller's layout.

        Returns
        -------
        array of the same shape
            The same for the caller.
        """
        return self.restore(x)

    def frame(self, u: torch.Tensor) -> Any:
        """
        Bring images of the core to the caller's layout and kind of array.

        Parameters
        ----------
        u : torch.Tensor, shape (*lead, N, C, *spatial)
            Images of the core.

        Returns
        -------
        array of shape (*lead, *image.shape)
            The same images for the caller.
        """
        return self.whole(self.axes.from_core(u))

    def flow(self, u: torch.Tensor) -> Any:
        """
        Bring the flow at the requested times to the caller: without their axis for a single number.

        The axis is dropped here, as not every array library indexes by one number.

        Parameters
        ----------
        u : torch.Tensor, shape (T, N, C, *spatial)
            The flow at the requested times, in the order requested.

        Returns
        -------
        array of shape (T, *image.shape), or image.shape for a scalar t
            The flow for the caller.
        """
        return self.frame(u[0] if self.times.scalar else u)
