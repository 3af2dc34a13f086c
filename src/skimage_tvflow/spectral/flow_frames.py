"""Where the spectral layer asks an estimator for a flow, in the layout of the core."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.chambolle import ChambolleTVFlow
from skimage_tvflow.estimators.functions import extinction_times
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times

__all__ = ["check_flow", "check_image", "extinction_of", "flow_frames"]


def check_flow(flow: Any, **defaults: Any) -> BaseTVFlow:
    """
    Check that a flow is an estimator.

    Parameters
    ----------
    flow : estimator or None
        What the caller passed.
    **defaults : dict
        Parameters of the ``ChambolleTVFlow`` that None stands for.

    Returns
    -------
    BaseTVFlow
        The estimator.

    Raises
    ------
    TypeError
        If `flow` is neither an estimator nor None.
    """
    if flow is None:
        return ChambolleTVFlow(**defaults)
    if not isinstance(flow, BaseTVFlow):
        raise TypeError(
            f"flow must be an estimator of the TV flow, got {flow!r}. Pass "
            "flow=ChambolleTVFlow(), or leave it out."
        )
    return flow


def check_image(image: Any, flow: BaseTVFlow) -> FlowInput:
    """
    Read an image, once, and bring it into the layout of the core.

    Parameters
    ----------
    image : array-like
        As the estimator takes it.
    flow : estimator
        It knows the axes of the image.

    Returns
    -------
    FlowInput
        The image; the times are still to be chosen.
    """
    return flow._check_input(image, 0.0)


def extinction_of(flow_input: FlowInput, rtol: float, report: Report | None = None) -> float:
    """
    Compute when the last item of an image reaches its mean.

    Parameters
    ----------
    flow_input : FlowInput
        The image.
    rtol : float
        Relative accuracy.
    report : callable, optional
        It is told the fraction of the work done.

    Returns
    -------
    float
        The extinction time.
    """
    return float(np.max(extinction_times(flow_input, rtol, report)))


def flow_frames(
    flow: BaseTVFlow, flow_input: FlowInput, times: Any, report: Report | None = None
) -> Iterator[Tensor]:
    """
    Compute the flow of an image at increasing times.

    Parameters
    ----------
    flow : estimator
        Which computes it.
    flow_input : FlowInput
        The image.
    times : sequence of float
        Increasing, all above 0.
    report : callable, optional
        It is told the fraction of the work done; what it raises ends the flow.

    Yields
    ------
    Tensor of shape (N, C, *spatial)
        One frame for each time, in float64 where the device has it, as differences of neighbouring
        frames over short times would leave float32 few digits.
    """
    flow_input = dataclasses.replace(flow_input, times=resolve_times(times))
    for frames in flow._integrate(flow_input, report=report):
        for m in range(len(frames.times)):
            u = frames.u[:, m]
            yield u.to(exact_dtype(u))
    flow._warn(frames.error.T, frames.converged, flow_input.image.dtype)
