"""The requested times of a flow: checked, sorted, made unique, and back in the order asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skimage_tvflow.inputs.numbers import read_numbers

__all__ = ["RequestedTimes", "resolve_times"]


@dataclass(frozen=True)
class RequestedTimes:
    """
    Times to solve for, and how they answer what was asked.

    Attributes
    ----------
    increasing : tuple of float
        The distinct times, sorted.
    order : tuple of int
        For every requested time its index into `increasing`.
    scalar : bool
        Whether a single number was asked for, so that the result has no axis of times.
    """

    increasing: tuple[float, ...]
    order: tuple[int, ...]
    scalar: bool


def resolve_times(t: Any) -> RequestedTimes:
    """
    Check the requested times, sort them and make them unique.

    Parameters
    ----------
    t : float or 1-D array-like of float
        A time or several, in any order, also repeated.

    Returns
    -------
    RequestedTimes
        The distinct times and their places in what was asked.

    Raises
    ------
    TypeError
        If `t` is not made of real numbers.
    ValueError
        If a time is negative, NaN, infinite or masked, if `t` is empty or has two or more axes, or
        if it is a tensor that requires grad while gradients are recorded.

    Examples
    --------
    >>> resolve_times([0.2, 0, 0.2])
    RequestedTimes(increasing=(0.0, 0.2), order=(1, 0, 1), scalar=False)
    """
    values = read_numbers(
        t,
        "t",
        need="t must be a real number or a 1-D sequence of them",
        advice="Pass a number, e.g. t=0.1, or several, e.g. t=[0.05, 0.1].",
    )
    if values.ndim > 1:
        raise ValueError(
            f"t must be a number or a 1-D sequence of numbers, got an array of shape "
            f"{values.shape}. Pass its values in one row: t=numpy.ravel(t)."
        )
    if values.size == 0:
        raise ValueError(
            "t must hold at least one time, got an empty sequence. Pass a number, e.g. t=0.1, or "
            "several, e.g. t=[0.05, 0.1]."
        )
    _check_all(values, ~np.isfinite(values), "t must be finite", "Pass a number, e.g. t=0.1.")
    _check_all(
        values, values < 0, "t must be >= 0", "The flow runs forward in time: pass t=0.1, say."
    )
    # adding zero turns -0.0 into 0.0
    increasing = np.unique(values + 0.0)
    order = np.searchsorted(increasing, np.ravel(values))
    return RequestedTimes(
        increasing=tuple(increasing.tolist()),
        order=tuple(order.tolist()),
        scalar=values.ndim == 0,
    )


def _check_all(values: np.ndarray, wrong: np.ndarray, need: str, advice: str) -> None:
    if not wrong.any():
        return
    index = int(np.flatnonzero(wrong)[0])
    where = "" if values.ndim == 0 else f" at position {index}"
    raise ValueError(f"{need}, got {values.flat[index]}{where}. {advice}")
