"""The times at which an image is taken apart: given by the caller, or up to extinction."""

from __future__ import annotations

import itertools
from numbers import Integral
from typing import Any

import numpy as np

from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.functions import times_up_to
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times
from skimage_tvflow.spectral.flow_frames import extinction_of

__all__ = ["check_band_times", "check_number_of_bands", "times_of_bands"]

# The extinction time is known to 5 %. The last band, up to 1.5 times it, takes all that is left.
_RTOL, _BEYOND = 0.05, (1.25, 1.5)
_ADVICE = "Pass increasing times above 0, or a number of bands: times=20."


def check_number_of_bands(times: Any) -> int | None:
    """
    Tell whether a number of bands is asked for, and check it.

    Parameters
    ----------
    times : int, or sequence of float
        What the caller passed.

    Returns
    -------
    int or None
        How many bands; None if `times` are the times themselves.

    Raises
    ------
    ValueError
        If it is a number below 1.
    """
    if not isinstance(times, Integral) or isinstance(times, bool):
        return None
    if times < 1:
        raise ValueError(f"The number of bands must be at least 1, got times={times}. {_ADVICE}")
    return int(times)


def check_band_times(times: Any) -> tuple[float, ...]:
    """
    Check the times of a decomposition.

    Parameters
    ----------
    times : sequence of float
        At least two, increasing, above 0.

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
    values = [requested.increasing[k] for k in requested.order]
    if len(values) < 2:
        raise ValueError(
            f"A decomposition needs at least two times, got {len(values)}: {times!r}. {_ADVICE}"
        )
    if values[0] == 0:
        raise ValueError(f"times must be > 0, got 0 at position 0. {_ADVICE}")
    for k, (earlier, later) in enumerate(itertools.pairwise(values)):
        if later <= earlier:
            raise ValueError(
                f"times must increase, got {later} after {earlier} at position {k + 1}. {_ADVICE}"
            )
    return tuple(values)


def times_of_bands(flow_input: FlowInput, n: int, report: Report | None) -> tuple[float, ...]:
    """
    Choose times for a number of bands: geometric up to extinction, and two beyond.

    Parameters
    ----------
    flow_input : FlowInput
        The image.
    n : int
        How many bands.
    report : callable or None
        It is told the fraction of the work done.

    Returns
    -------
    tuple of n + 1 floats
        Increasing times.
    """
    times = times_up_to(extinction_of(flow_input, _RTOL, report), max(n - 1, 1))
    return tuple(np.append(times, np.multiply(_BEYOND, times[-1]))[-n - 1 :].tolist())
