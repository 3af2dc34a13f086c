"""Structures of one image in another."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.progress import share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.estimators.confined_input import ConfinedInput
from skimage_tvflow.inputs.arrays import ingest
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.spectral.band_times import check_band_times
from skimage_tvflow.spectral.flow_bands import band_pass, check_input


@fork_safe()
def fuse(
    image: Any,
    other: Any,
    band: tuple[float, float],
    *,
    mask: Any = None,
    data: Any = None,
    flow: BaseTVFlow | None = None,
    callback: Callback | None = None,
    **params: Any,
) -> Any:
    """Put the structures of one image into another, band for band.

    What vanishes within the given band of times is taken out of `image` and replaced by what
    vanishes within it in `other`, with sharp edges: the wrinkles of another face, or the texture of
    a brick wall on a plain one [1]_.

    Parameters
    ----------
    image, other : array-like of the same shape
        The image that is changed, and the one the structures come from; they must be aligned.
    band : (float, float)
        First and last time, increasing, > 0.
    mask : array-like of shape image.shape, or without its channel axis, optional
        How much to replace at each pixel, from 0 to 1; everything by default.
    data : array-like of bool, optional
        True where both images are data, what other functions call their mask; elsewhere `image`
        comes back unchanged.
    flow : estimator, optional
        ``ChambolleTVFlow()`` by default.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.
    **params : dict, optional
        Parameters of `ChambolleTVFlow`, such as `spacing`, `channel_axis`, `batch_axis` and
        `coupled_channels`; not together with `flow`, which has its own.

    Returns
    -------
    array of shape image.shape
        The fused image.

    Raises
    ------
    ValueError
        If `other` or `mask` has another shape than `image`, or `band` is not two increasing times.
    StoppedByCallback
        If `callback` returned True.

    References
    ----------
    .. [1] M. Benning, M. Moeller, R. Z. Nossek, M. Burger, D. Cremers, G. Gilboa, C.-B. Schönlieb,
       "Nonlinear spectral image fusion", Scale Space and Variational Methods (2017) 41-53.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import fuse
    >>> plain = np.zeros((32, 32))
    >>> spot = plain.copy()
    >>> spot[15:17, 15:17] = 1
    >>> fused = fuse(plain, spot, (0.1, 1.0))  # it vanishes at t = 0.5
    >>> bool(fused[15, 15] > 0.9)
    True
    """
    report = WorkReport.of(callback)
    times = check_band_times(band, "band", "Pass band=(0.1, 1.0).")
    if len(times) != 2:
        raise ValueError(
            f"band must be two increasing times, the first and the last, got {len(times)}: "
            f"{band!r}. Pass band=(0.1, 1.0)."
        )
    flow, target = check_input(image, flow, params, data)
    source = _source(other, flow, target, data)
    weight = None if mask is None else _read(mask, "mask", target)
    if weight is not None and (weight.min() < 0 or weight.max() > 1):
        raise ValueError(
            f"mask must be between 0 and 1, got values from {weight.min():g} to {weight.max():g}. "
            "Pass mask > 0, or an 8-bit mask divided by 255."
        )
    # Both images have the same size and the same times: the same work.
    change = band_pass(flow, source, times, share_of(report, 0, 0.5))
    change -= band_pass(flow, target, times, share_of(report, 0.5, 1))
    if weight is not None:
        change *= weight
    return target.frame(target.image + change.to(target.image.dtype))


def _source(other: Any, flow: BaseTVFlow, target: FlowInput, data: Any) -> FlowInput:
    """The input of the other image, which must be like the first."""
    if isinstance(target, ConfinedInput):
        _, source = check_input(other, flow, {}, data)
        if source.axes.shape == target.axes.shape:
            return source
    return dataclasses.replace(target, image=_read(other, "other", target))


def _read(values: Any, name: str, target: FlowInput) -> torch.Tensor:
    """Read what must have the shape of the image; a mask may be the same for all channels."""
    tensor = ingest(values, name=name).tensor
    shape, channel = target.axes.shape, target.axes.channel_axis
    if name == "mask" and channel is not None and tensor.ndim == len(shape) - 1:
        tensor = tensor.unsqueeze(channel)
        tensor = tensor.expand([n if k == channel else -1 for k, n in enumerate(shape)])
    if tuple(tensor.shape) != shape:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}, but must have the shape of the image, "
            f"{shape}. Crop or resize it, for example with skimage.transform.resize."
        )
    return target.axes.to_core(tensor.to(target.image))
