"""The flow, its total variation and its natural times as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skimage_tvflow.core import operators
from skimage_tvflow.core.extinction_time import extinction_time as search_extinction_time
from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.build import build
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.estimators.chambolle import ChambolleTVFlow
from skimage_tvflow.estimators.confined_input import ConfinedInput, pose_problem, read_confined
from skimage_tvflow.estimators.joint import JointSpaceTimeTVFlow
from skimage_tvflow.estimators.net import TVFlowNet
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.numbers import check_number

_METHODS: dict[str, Callable[..., BaseTVFlow]] = {
    "chambolle": ChambolleTVFlow,
    "joint": JointSpaceTimeTVFlow,
    "net": TVFlowNet.from_pretrained,
}


def tv_flow(
    image: Any,
    t: Any,
    *,
    method: str = "chambolle",
    mask: Any = None,
    weight: Any = None,
    **params: Any,
) -> Any:
    """Total variation flow of an image.

    Parameters
    ----------
    image : array-like
        Real and finite; all axes but `batch_axis` and `channel_axis` are spatial.
    t : float or sequence of T floats
        Times >= 0, in the unit of value x spacing.
    method : {"chambolle", "joint", "net"}, optional
        Which estimator computes it: `ChambolleTVFlow`, `JointSpaceTimeTVFlow`, or
        `TVFlowNet.from_pretrained`.
    mask, weight : array-like, optional
        Where the image is data, and how strongly it flows: as for `ChambolleTVFlow.transform`.
    **params : dict
        Parameters of the estimator. All have `spacing`, the distance between pixels,
        `channel_axis`, `batch_axis`, `coupled_channels`, `batch_size` and `device`; the solver also
        has `tol`, the accepted error, 1e-3 standard deviations of the image by default, `n_steps`,
        `order`, `max_num_iter` and `algorithm`. See `ChambolleTVFlow`.

    Returns
    -------
    array of shape image.shape, or (T, *image.shape) for a sequence
        The flow, of the kind and on the device of the image.

    Raises
    ------
    ValueError, TypeError
        If the image, a time or a parameter is not what it must be.

    See Also
    --------
    ChambolleTVFlow : The parameters, and what else it can tell.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import tv_flow
    >>> spike = np.zeros((5, 5))
    >>> spike[2, 2] = 1
    >>> tv_flow(spike, [0.0, 0.1], tol=1e-6)[:, 2, 2].round(3)
    array([1.   , 0.659])
    """
    if not isinstance(method, str) or method not in _METHODS:
        raise ValueError(
            f"method must be one of {sorted(_METHODS)}, got {method!r}. Pass method='chambolle'."
        )
    return build(_METHODS[method], params).transform(image, t, mask=mask, weight=weight)


@fork_safe()
def total_variation(
    image: Any,
    *,
    spacing: Any = None,
    channel_axis: int | None = None,
    batch_axis: int | None = None,
    coupled_channels: bool = False,
    device: Any = None,
    mask: Any = None,
    weight: Any = None,
) -> Any:
    r"""Isotropic total variation :math:`J(u) = \sum_x |Du(x)|_2` with forward differences.

    Parameters
    ----------
    image : array-like
        Real and finite.
    spacing, channel_axis, batch_axis, coupled_channels, device : optional
        As for `ChambolleTVFlow`.
    mask, weight : array-like, optional
        As for `ChambolleTVFlow.transform`.

    Returns
    -------
    float, or ndarray of shape (B,) with a batch axis
        Summed in float64, over separate channels too.

    Raises
    ------
    ValueError, TypeError
        If the image or a parameter is not what it must be, or J is beyond the largest float64.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import total_variation
    >>> square = np.zeros((6, 6))
    >>> square[2:4, 2:4] = 1  # eight edges, of which the two of one corner make a diagonal
    >>> round(total_variation(square), 3)
    7.414
    """
    grid = spacing, channel_axis, batch_axis, coupled_channels, device
    data = read_confined(image, 0.0, *grid, mask, weight)
    # Squares of values such as 1e200 are out of range: a problem is in units of a power of two.
    problem, finest = pose_problem(data), min(data.spacing)
    variation = operators.total_variation(problem.u, problem.spacing, problem.domain)
    with np.errstate(over="ignore"):
        local = data.strength if isinstance(data, ConfinedInput) else 1.0
        total = variation.cpu().numpy() * local / finest * problem.units.scale
        total = data.axes.total(total)
    if not np.isfinite(total).all():
        raise ValueError(
            f"The total variation of the image on a grid of spacing {finest:.3g} is beyond the "
            "largest float64. Pass the image divided by its largest value: J(u / c) = J(u) / c."
        )
    return _plain(total)


@fork_safe()
def extinction_time(
    image: Any,
    *,
    rtol: float = 1e-2,
    spacing: Any = None,
    channel_axis: int | None = None,
    batch_axis: int | None = None,
    coupled_channels: bool = False,
    device: Any = None,
    mask: Any = None,
    weight: Any = None,
    callback: Callback | None = None,
) -> Any:
    r"""The time at which the flow of an image has reached its mean.

    The flow is run, in steps in proportion to what is left, until two bounds agree: from below
    :math:`T \ge t + \|u(t) - \bar u\|^2 / J(u(t))`, and from above :math:`T \le t + (\max u(t) -
    \min u(t))\, L / 4` with the longest side L of the image. For signals it is known in closed
    form: the largest value of the cumulated signal without its mean.

    Parameters
    ----------
    image : array-like
        Real and finite.
    rtol : float, optional
        Relative accuracy, between 0 and 1. Values below 1e-4 count as 1e-4, the finest that this
        method reaches in bounded time; signals are exact anyway.
    spacing, channel_axis, batch_axis, coupled_channels, device : optional
        As for `ChambolleTVFlow`.
    mask, weight : array-like, optional
        As for `ChambolleTVFlow.transform`.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.

    Returns
    -------
    float, or ndarray of shape (B,) with a batch axis
        In the unit of value x spacing; of separate channels the latest. 0 for a constant image.

    Raises
    ------
    ValueError, TypeError
        If the image or a parameter is not what it must be.
    StoppedByCallback
        If `callback` returned True.

    Notes
    -----
    The bound from above holds for a continuous image on a box. Grids of a few pixels can pass it,
    by a few per cent.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import extinction_time
    >>> extinction_time(np.repeat([0.0, 1.0], 4))
    2.0
    """
    rtol = check_number(rtol, "rtol", 0, 1, example=0.01, open_ends=True)
    report = WorkReport.of(callback)
    grid = spacing, channel_axis, batch_axis, coupled_channels, device
    flow_input = read_confined(image, 0.0, *grid, mask, weight)
    times = extinction_times(flow_input, rtol, report)
    if report is not None:
        report(1.0)
    return _plain(times)


def extinction_times(
    flow_input: FlowInput, rtol: float, report: Report | None = None
) -> np.ndarray:
    """
    Compute the extinction time of an image in the layout of the core.

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
    ndarray of shape (), or (B,) with a batch axis
        Of separate channels the latest.
    """
    problem = pose_problem(flow_input)
    times = search_extinction_time(problem, rtol, report) / problem.unit
    return np.asarray(times.reshape(*flow_input.axes.batch_shape, -1).max(-1))


@fork_safe()
def geometric_times(image: Any, n: int = 12, **params: Any) -> np.ndarray:
    """Times in geometric progression, up to the extinction of an image.

    Structures of every size get the same share of them. The last is the extinction time, the first
    a thousandth of it.

    Parameters
    ----------
    image : array-like
        Real and finite.
    n : int, optional
        How many.
    **params : dict
        As for `extinction_time`, `callback` included; with a batch axis the latest extinction
        counts.

    Returns
    -------
    ndarray of shape (n,)
        Increasing times.

    Raises
    ------
    ValueError
        If `n` is not a positive integer, or the image is constant: it has no such times.
    StoppedByCallback
        If the `callback` returned True.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import geometric_times
    >>> step = np.repeat([0.0, 1.0], 4)  # vanishes at t = 2
    >>> geometric_times(step, 4).round(3)
    array([0.002, 0.02 , 0.2  , 2.   ])
    """
    n = check_number(n, "n", 1, example=12, integer=True)
    return times_up_to(float(np.max(extinction_time(image, **params))), n)


def times_up_to(extinction: float, n: int) -> np.ndarray:
    """
    Space times geometrically, from a thousandth of the extinction time up to that time.

    Parameters
    ----------
    extinction : float
        The extinction time of an image.
    n : int
        How many times, at least 1.

    Returns
    -------
    ndarray of shape (n,)
        Increasing times.

    Raises
    ------
    ValueError
        If the extinction time is 0.
    """
    if extinction == 0:
        raise ValueError(
            "The image is constant, so its flow does not change and no times can be derived from "
            "it. Pass an image with structure, or choose times yourself, such as 0.1 and 0.2."
        )
    return np.geomspace(extinction / 1000, extinction, n) if n > 1 else np.array([extinction])


def _plain(values: np.ndarray) -> Any:
    """Make a float of an array without axes."""
    return float(values) if values.ndim == 0 else values
