"""The requested times of a flow: checked, sorted, made unique, and back in the order requested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skimage_tvflow.inputs.numbers import read_numbers

_ADVICE = "Pass a number, e.g. t=0.1, or several, e.g. t=[0.05, 0.1]."


@dataclass(frozen=True)
class RequestedTimes:
    """
    Times to solve for, and how they answer what was requested.

    Attributes
    ----------
    increasing : tuple of float
        The distinct times, sorted.
    order : tuple of int
        For every requested time its index into `increasing`.
    scalar : bool
        Whether a single number was requested, so that the result has no axis of times.
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
        The distinct times and their places in what was requested.

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
    if type(t) is float:
        values = np.array(t)
    else:
        need = "t must be a real number or a 1-D sequence of them"
        values = read_numbers(t, "t", need=need, advice=_ADVICE)
    if values.ndim > 1:
        raise ValueError(
            f"t must be a number or a 1-D sequence of numbers, got an array of shape "
            f"{values.shape}. Pass its values in one row: t=numpy.ravel(t)."
        )
    if values.size == 0:
        raise ValueError(f"t must hold at least one time, got an empty sequence. {_ADVICE}")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if wrong.size:
        value = values.flat[wrong[0]]
        where = f" at position {wrong[0]}" if values.ndim else ""
        need, advice = "finite", _ADVICE
        if np.isfinite(value):
            need, advice = ">= 0", "The flow runs forward in time: pass t=0.1, say."
        raise ValueError(f"t must be {need}, got {value}{where}. {advice}")
    # adding zero turns -0.0 into 0.0
    increasing, order = np.unique(values + 0.0, return_inverse=True)
    return RequestedTimes(
        tuple(increasing.tolist()), tuple(order.ravel().tolist()), scalar=values.ndim == 0
    )


def is_per_item(t: Any) -> bool:
    """
    Tell whether times have an axis of items behind that of the times.

    Parameters
    ----------
    t : object
        What the caller gave.

    Returns
    -------
    bool
        Whether it is an array of two axes.
    """
    return getattr(t, "ndim", 0) == 2 or (isinstance(t, list | tuple) and np.ndim(t) == 2)
