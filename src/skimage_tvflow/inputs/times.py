"""The requested times of a flow: checked, sorted, made unique, and back in the order asked."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

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
        If a time is negative, NaN or infinite, or if `t` is empty or has two or more axes.

    Examples
    --------
    >>> resolve_times([0.2, 0, 0.2])
    RequestedTimes(increasing=(0.0, 0.2), order=(1, 0, 1), scalar=False)
    """
    values = _as_real_array(t)
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
    _refuse_first(values, ~np.isfinite(values), "t must be finite", "Pass a number, e.g. t=0.1.")
    _refuse_first(
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


def _as_real_array(t: Any) -> np.ndarray:
    if isinstance(t, torch.Tensor):
        t = t.detach().cpu()
        t = t.to(torch.float64) if t.is_floating_point() else t  # NumPy has no bfloat16
    try:
        values = np.asarray(t)
    except (TypeError, ValueError, RuntimeError):  # ragged, or an array of another device
        raise _not_numbers(t) from None
    # NumPy would turn [True, 0.5] into [1.0, 0.5]
    entries = t if isinstance(t, list | tuple) else ()
    if any(isinstance(entry, bool | np.bool_) for entry in entries):
        raise _not_numbers(t)
    if values.dtype.kind == "O" and all(isinstance(v, numbers.Real) for v in values.flat):
        # integers beyond 64 bit and fractions are numbers as well
        return np.array([_to_float(v) for v in values.flat], dtype=float).reshape(values.shape)
    if values.dtype.kind not in "iuf":
        raise _not_numbers(t)
    with np.errstate(over="ignore"):  # a long double out of range becomes infinite: refused later
        return values.astype(np.float64)


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _not_numbers(t: Any) -> TypeError:
    kind = "the string " if isinstance(t, str) else f"{type(t).__name__} "
    return TypeError(
        f"t must be a real number or a 1-D sequence of them, got {kind}{t!r}. Pass a number, e.g. "
        "t=0.1, or several, e.g. t=[0.05, 0.1]."
    )


def _refuse_first(values: np.ndarray, bad: np.ndarray, need: str, advice: str) -> None:
    if not bad.any():
        return
    index = int(np.flatnonzero(bad)[0])
    where = "" if values.ndim == 0 else f" at position {index}"
    raise ValueError(f"{need}, got {values.flat[index]}{where}. {advice}")
