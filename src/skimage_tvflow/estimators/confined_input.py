"""The input of an image that is data, or flows, in parts only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skimage_tvflow.core.domain import Domain, faces_between
from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.core.pieces import Pieces
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.limits import FlowLimits


@dataclass(frozen=True, kw_only=True)
class ConfinedInput(FlowInput):
    """
    An image on a domain: each connected piece of it flows to a mean of its own.

    The core gets the image without these means, and 0 where there is no data. Then 0 is the end of
    every flow, and sums over all pixels are those over the data.

    Attributes
    ----------
    domain : Domain
        The limits of phi, in units of `strength`.
    strength : ndarray of shape (N,)
        The largest weight of every item.
    offset : torch.Tensor of shape image.shape
        The means that were taken off, in float64 where the device has it.
    data : torch.Tensor of bool, shape image.shape
        Where the image is data.
    share : ndarray of shape (N,)
        The part of the pixels that is data.
    """

    domain: Domain
    strength: np.ndarray
    offset: torch.Tensor
    data: torch.Tensor
    share: np.ndarray

    @property
    def dilution(self) -> np.ndarray:  # numpydoc ignore=RT01
        """The RMS over the data in units of that over all pixels, (N,)."""
        return 1 / np.sqrt(self.share)

    def whole(self, x: torch.Tensor) -> Any:
        """
        Bring images of the flow to the caller's kind of array, unchanged where they are no data.

        Parameters
        ----------
        x : torch.Tensor, shape (*lead, *image.shape)
            Images in the caller's layout, without the means of the pieces.

        Returns
        -------
        array of the same shape
            The images with the means.
        """
        given = self.offset if self.given is None else self.given
        frames = x.reshape(-1, *self.axes.shape)
        out = torch.empty_like(frames)
        for k, frame in enumerate(frames):
            torch.where(self.data, (frame + self.offset).to(x.dtype), given.to(x.dtype), out=out[k])
        return self.restore(out.reshape(x.shape))

    def part(self, x: torch.Tensor) -> Any:
        """
        Bring differences of images of the flow to the caller's kind of array.

        Parameters
        ----------
        x : torch.Tensor, shape (*lead, *image.shape)
            Differences in the caller's layout.

        Returns
        -------
        array of the same shape
            The differences, 0 where there is no data.
        """
        return self.restore(torch.where(self.data, x, 0))

    def as_given(self) -> dict[str, np.ndarray]:
        """
        Return what the caller gave.

        Returns
        -------
        dict of ndarray of shape image.shape
            The image, its mask and its weight.
        """
        assert self.limits is not None
        weight = self.limits.weight.to(self.offset)[:, None].expand(self.image.shape)
        image = torch.where(self.data, self.axes.from_core(self.image) + self.offset, 0)
        arrays = {
            "image": (image if self.given is None else self.given).to(self.image.dtype),
            "mask": self.data,
            "weight": self.axes.from_core(weight.contiguous()),
        }
        return {name: values.cpu().numpy() for name, values in arrays.items()}

    def without_means(self, frames: torch.Tensor) -> torch.Tensor:
        """
        Take the means of the pieces off images of the flow, the inverse of `whole`.

        Parameters
        ----------
        frames : torch.Tensor, shape (T, *image.shape)
            Images in the caller's layout.

        Returns
        -------
        torch.Tensor of the same shape
            The images without the means, 0 where there is no data.
        """
        return torch.where(self.data, frames - self.offset, 0)

    def rounding(self) -> np.ndarray:
        """
        Bound the rounding errors of putting the means back.

        Returns
        -------
        ndarray of shape (N,)
            Half a unit in the last place of the largest value of every item.
        """
        image = self.image.to(self.offset.dtype) + self.axes.to_core(self.offset)
        largest = image.abs().flatten(1).amax(1).cpu().numpy().astype(np.float64)
        return largest * torch.finfo(self.image.dtype).eps / 2


def confined(flow_input: FlowInput, limits: FlowLimits) -> ConfinedInput:
    """
    Take the means of the pieces off an image.

    Parameters
    ----------
    flow_input : FlowInput
        The image.
    limits : FlowLimits
        Its mask and weight.

    Returns
    -------
    ConfinedInput
        What the core works on.
    """
    image, axes = flow_input.image, flow_input.axes
    n, n_channels = image.shape[:2]
    peak = limits.weight.flatten(1).amax(1)
    radius = limits.weight / peak.clamp(min=1e-300).reshape(-1, *[1] * axes.n_spatial)
    faces = faces_between(limits.mask, radius)
    pieces = [Pieces.of(f.numpy()) for f in faces]
    exact = image.to(exact_dtype(image)).cpu().numpy()
    means = np.empty(exact.shape)
    for i in range(n):
        for c in range(n_channels):
            means[i, c] = pieces[i % len(pieces)].means(exact[i, c])
    offset = torch.from_numpy(means).to(image.device, exact_dtype(image))
    data = limits.mask[:, None].expand(-1, n_channels, *axes.spatial_shape)
    data = data.expand(n, *data.shape[1:]).to(image.device)
    offset = torch.where(data, offset, 0)
    share = limits.mask.flatten(1).double().mean(1).numpy()
    return ConfinedInput(
        **{
            **{f.name: getattr(flow_input, f.name) for f in dataclasses.fields(flow_input)},
            "image": torch.where(data, image.to(offset.dtype) - offset, 0).to(image.dtype),
        },
        domain=Domain.of(radius.to(image), faces.to(image.device), flow_input.spacing),
        strength=np.broadcast_to(np.where(peak > 0, peak, 1), n).copy(),
        offset=axes.from_core(offset),
        data=axes.from_core(data.contiguous()),
        share=np.broadcast_to(np.where(share > 0, share, 1), n).copy(),
    )


def refuse_what_is_not_known(
    flow_input: FlowInput, estimator: str, *, limits: bool, complex_images: bool
) -> None:
    """
    Refuse an input with what the method of an estimator does not know.

    Parameters
    ----------
    flow_input : FlowInput
        The input.
    estimator : str
        Name of the estimator, for the message.
    limits : bool
        Whether it knows masks and weights.
    complex_images : bool
        Whether it knows the coupled parts of complex images.

    Raises
    ------
    ValueError
        If there is a mask, a weight or a complex image that it does not know.
    """
    if flow_input.limits is not None and not limits:
        raise ValueError(
            f"{estimator} got a mask or a weight, and its method knows whole images only. Pass the "
            "image and its mask or weight to ChambolleTVFlow()."
        )
    if flow_input.is_complex and not complex_images:
        raise ValueError(
            f"Complex data not supported: {estimator} takes real images. Pass this one to "
            "ChambolleTVFlow(), or its real and imaginary part one after the other."
        )


def read_confined(image: Any, t: Any, *args: Any) -> FlowInput:
    """
    Read an image with a mask or a weight, see `FlowInput.read`.

    Parameters
    ----------
    image : array-like
        The image.
    t : float or sequence of float
        The requested times.
    *args : object
        The rest, in the order of `FlowInput.read`.

    Returns
    -------
    FlowInput
        A `ConfinedInput` where there are limits.
    """
    flow_input = FlowInput.read(image, t, *args)
    return flow_input if flow_input.limits is None else confined(flow_input, flow_input.limits)


def pose_problem(flow_input: FlowInput, dtype: torch.dtype | None = None) -> Problem:
    """
    Pose the problem of an input.

    Parameters
    ----------
    flow_input : FlowInput
        The image.
    dtype : torch.dtype, optional
        The precision of the problem.

    Returns
    -------
    Problem
        With the limits that the input has.
    """
    image = flow_input.image if dtype is None else flow_input.image.to(dtype)
    if not isinstance(flow_input, ConfinedInput):
        return Problem.of(image, flow_input.spacing)
    return Problem.of(image, flow_input.spacing, flow_input.domain, flow_input.strength)


@dataclass(frozen=True)
class RawImage:
    """
    An image in the layout of the core, its values as they were given.

    Attributes
    ----------
    image : torch.Tensor of shape (N, C, *spatial)
        The image; masked pixels hold any finite value.
    data : torch.Tensor of bool, shape (N, *spatial)
        Where it is data.
    axes : ImageAxes
        The axes of the caller's image.
    """

    image: torch.Tensor
    data: torch.Tensor
    axes: ImageAxes

    @classmethod
    def of(cls, flow_input: FlowInput) -> RawImage:
        """
        Undo what an input is changed by for the core.

        Parameters
        ----------
        flow_input : FlowInput
            The input.

        Returns
        -------
        RawImage
            Its image.
        """
        image = flow_input.image
        if not isinstance(flow_input, ConfinedInput):
            everywhere = torch.ones_like(image[:, 0], dtype=torch.bool)
            return cls(image, everywhere, flow_input.axes)
        axes = flow_input.axes
        raw = (image + axes.to_core(flow_input.offset)).to(image.dtype)
        return cls(raw, axes.to_core(flow_input.data)[:, 0], axes)


def read_raw(
    image: Any, *, channel_axis: int | None = None, batch_axis: int | None = None, mask: Any = None
) -> RawImage:
    """
    Read an image as `RawImage`.

    Parameters
    ----------
    image : array-like
        The image.
    channel_axis, batch_axis : int, optional
        Axes of the channels and of independent images.
    mask : array-like of bool, optional
        True where the image is data.

    Returns
    -------
    RawImage
        Its values.
    """
    grid = None, channel_axis, batch_axis, False, None
    return RawImage.of(read_confined(image, 0.0, *grid, mask, None))
