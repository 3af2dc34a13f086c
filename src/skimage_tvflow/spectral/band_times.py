"""The times at which an image is taken apart: given by the caller, or up to extinction."""

from __future__ import annotations

import itertools
from numbers import Integral
from typing import Any

import numpy as np

from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.estimators.functions import extinction_times, times_up_to
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times

# The extinction time is known to 5 %. The last band, up to 1.5 times it, takes all that is left.
_RTOL, _BEYOND = 0.05, (1.25, 1.5)
# Part of the work that the search for the extinction time takes: 2 % for 10 to 40 bands of the
# camera image of 128 x 128 pixels.
_SHARE = 0.02
_ADVICE = "Pass increasing times above 0, or a number of bands: times=20."


def check_times(times: Any) -> int | tuple[float, ...]:
    """
    Check the times of a decomposition, or their number.

    Parameters
    ----------
    times : int, or sequence of float
        What the caller passed.

    Returns
    -------
    int or tuple of floats
        The number of bands, or the times.

    Raises
    ------
    TypeError, ValueError
        If it is a number below 1, or as `check_band_times`.
    """
    if not isinstance(times, Integral) or isinstance(times, bool):
        return check_band_times(times)
    if times < 1:
        raise ValueError(f"The number of bands must be at least 1, got times={times}. {_ADVICE}")
    return int(times)


def check_band_times(times: Any, name: str = "times", advice: str = _ADVICE) -> tuple[float, ...]:
    """
    Check the times of a decomposition.

    Parameters
    ----------
    times : sequence of float
        At least two, increasing, above 0.
    name : str, optional
        What the messages call them.
    advice : str, optional
        What to type.

    Returns
    -------
    tuple of float
        The same.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If they are fewer than two, or do not increase from above 0.
    """
    requested = resolve_times(times)
    values = tuple(requested.increasing[k] for k in requested.order)
    if len(values) < 2:
        raise ValueError(
            f"{name} must be at least two times, got {len(values)}: {times!r}. {advice}"
        )
    if values[0] == 0:
        raise ValueError(f"{name} must be > 0, got 0 at position 0. {advice}")
    for k, (earlier, later) in enumerate(itertools.pairwise(values), 1):
        if later <= earlier:
            raise ValueError(
                f"{name} must increase, got {later} after {earlier} at position {k}. {advice}"
            )
    return values


def choose_times(
    flow_input: FlowInput, times: int | tuple[float, ...], report: Report | None
) -> tuple[tuple[float, ...], Report | None]:
    """
    Choose times for a number of bands: geometric up to extinction, and two beyond.

    Parameters
    ----------
    flow_input : FlowInput
        The image.
    times : int or tuple of floats
        How many bands, or their times.
    report : callable or None
        It is told the fraction of the work done.

    Returns
    -------
    times : tuple of floats
        Increasing times, one more than bands.
    report : callable or None
        To be told the fraction of the rest of the work.
    """
    if isinstance(times, tuple):
        return times, report
    latest = extinction_times(flow_input, _RTOL, share_of(report, 0, _SHARE)).max()
    return band_times_up_to(float(latest), times), share_of(report, _SHARE, 1)


def band_times_up_to(extinction: float, n: int) -> tuple[float, ...]:
    """
    Space the times of bands geometrically up to extinction, with two times beyond.

    Parameters
    ----------
    extinction : float
        The extinction time of an image, above 0.
    n : int
        The number of bands.

    Returns
    -------
    tuple of floats
        Increasing times, one more than bands.
    """
    chosen = times_up_to(extinction, max(n - 1, 1))
    chosen = np.append(chosen, np.multiply(_BEYOND, chosen[-1]))[-n - 1 :]
    return tuple(chosen.tolist())
