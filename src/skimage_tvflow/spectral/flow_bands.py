r"""The bands of a TV flow: what vanishes around each of several times.

Between increasing times :math:`0 = t_0 < t_1 < \dots < t_K` the flow moves with the mean slope
:math:`s_k = (u_k - u_{k-1}) / (t_k - t_{k-1})`. The transform :math:`\phi(t) = t\,u_{tt}` of
Gilboa ("A total variation spectral framework for scale and texture analysis", SIAM J. Imaging Sci.
7, 2014), integrated over a neighbourhood of :math:`t_k`, is then

.. math:: \mathrm{band}_k = t_k (s_{k+1} - s_k), \qquad \mathrm{residual} = u_K - t_K s_K,

and by summation by parts :math:`\sum_k \mathrm{band}_k + \mathrm{residual} = u_0`, for any times
and for any error of the flow.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.build import build
from skimage_tvflow.estimators.chambolle import ChambolleTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times

# Times that sample a band of times; the sharpness of its edges depends on them alone.
_N_TIMES = 9
# The first band of a decomposition holds all that vanishes before it: one just before is left out.
_JUST_BEFORE = 0.95


class Band(NamedTuple):
    """
    One band of a decomposition, or its residual, in the layout of the core.

    Attributes
    ----------
    time : float
        The time around which its structures vanish; infinity for the residual.
    image : Tensor of shape (N, C, *spatial)
        The band. Differences of neighbouring frames are exact in their own precision.
    slope : Tensor of shape (N, C, *spatial)
        Mean slope of the flow in the interval before that time; for the residual in the last one.
    """

    time: float
    image: Tensor
    slope: Tensor


def check_input(
    image: Any,
    flow: Any,
    params: Mapping[str, Any],
    mask: Any = None,
    weight: Any = None,
    **defaults: Any,
) -> tuple[BaseTVFlow, FlowInput]:
    """
    Check that a flow is an estimator, and read an image, once, as it takes it.

    Parameters
    ----------
    image : array-like
        What the caller passed.
    flow : estimator or None
        What the caller passed; it knows the axes of the image.
    params : dict
        Parameters of ``ChambolleTVFlow`` that the caller passed in place of a flow.
    mask, weight : array-like or None
        As for `ChambolleTVFlow.transform`.
    **defaults : dict
        Parameters of the ``ChambolleTVFlow`` that None stands for.

    Returns
    -------
    flow : BaseTVFlow
        The estimator.
    flow_input : FlowInput
        The image; the times are still to be chosen.

    Raises
    ------
    TypeError
        If `flow` is neither an estimator nor None, or a parameter is unknown.
    ValueError
        If there are a flow and parameters.
    """
    if flow is not None and params:
        name = next(iter(params))
        raise ValueError(
            f"{name} and a flow were given, but a flow has a {name} of its own. Give it to the "
            f"flow, as in flow=ChambolleTVFlow({name}={params[name]!r}), or leave the flow out."
        )
    flow = build(ChambolleTVFlow, {**defaults, **params}) if flow is None else flow
    if not isinstance(flow, BaseTVFlow):
        raise TypeError(
            f"flow must be an estimator of the TV flow, got {flow!r}. Pass "
            "flow=ChambolleTVFlow(), or leave it out."
        )
    return flow, flow._check_input(image, 0.0, mask, weight)


def flow_bands(
    flow: BaseTVFlow, flow_input: FlowInput, times: tuple[float, ...], report: Report | None
) -> Iterator[Band]:
    """
    Compute the bands of an image one after the other, the residual last.

    Parameters
    ----------
    flow : estimator
        Which computes the flow.
    flow_input : FlowInput
        The image.
    times : tuple of K >= 2 floats
        Increasing times > 0.
    report : callable or None
        It is told the fraction of the work done, 1 before the residual is given; what it raises
        ends the flow.

    Yields
    ------
    Band
        K - 1 bands, then the residual.
    """
    requested = dataclasses.replace(flow_input, times=resolve_times(times))

    def frames_one_by_one() -> Iterator[tuple[float, Tensor]]:
        for reached in flow._integrate(requested, report=report):
            for m, time in enumerate(reached.times):
                yield time, reached.u[:, m]
        flow._warn(reached.error.T, reached.converged, flow_input.image.dtype, reached.hidden)
        if report is not None:
            report(1.0)

    yield from bands_between(flow_input.image, frames_one_by_one())


def bands_between(image: Tensor, frames: Iterable[tuple[float, Tensor]]) -> Iterator[Band]:
    """
    Compute the bands of any flow from its frames.

    Parameters
    ----------
    image : Tensor of shape (N, C, *spatial)
        The flow at time 0.
    frames : iterable of (float, Tensor)
        Increasing times > 0, at least two, and the flow there.

    Yields
    ------
    Band
        One less than frames, then the residual.
    """
    last, now, before = image, 0.0, None
    for time, u in frames:
        slope = (u - last).div_(time - now)
        if before is not None:
            yield Band(now, (slope - before).mul_(now), before)
        before, last, now = slope, u, time
    assert before is not None
    yield Band(math.inf, last - now * before, before)


def band_pass(
    flow: BaseTVFlow, flow_input: FlowInput, band: tuple[float, ...], report: Report | None
) -> Tensor:
    """
    Compute what vanishes between two times, without holding the single bands.

    Parameters
    ----------
    flow : estimator
        Which computes the flow.
    flow_input : FlowInput
        The image.
    band : (float, float)
        Two increasing times above 0.
    report : callable or None
        It is told the fraction of the work done.

    Returns
    -------
    Tensor of shape (N, C, *spatial)
        The sum of the bands.
    """
    first, last = band
    times = (_JUST_BEFORE * first, *np.geomspace(first, last, _N_TIMES).tolist())
    total = torch.zeros_like(flow_input.image)
    for part in flow_bands(flow, flow_input, times, report):
        if first <= part.time < last:
            total += part.image
    return total
