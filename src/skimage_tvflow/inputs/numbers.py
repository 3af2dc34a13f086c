"""Numbers that a caller gives, one or several: type, range, and the message when they are wrong."""

from __future__ import annotations

import math
import reprlib
from numbers import Integral, Real
from typing import Any, Literal, overload

import numpy as np
import torch
from sklearn.utils._param_validation import InvalidParameterError

from skimage_tvflow.inputs.array_checks import check_kind

__all__ = ["LARGEST_COUNT", "check_number", "read_numbers"]

LARGEST_COUNT = 10**9
"""Largest count (of steps, iterations) that a parameter may have: int64 holds products of two."""


@overload
def check_number(
    value: Any,
    name: str,
    low: float = ...,
    high: float = ...,
    *,
    example: Any,
    open_ends: bool = ...,
    integer: Literal[True],
) -> int: ...


@overload
def check_number(
    value: Any,
    name: str,
    low: float = ...,
    high: float = ...,
    *,
    example: Any,
    open_ends: bool = ...,
    integer: Literal[False] = ...,
) -> float: ...


def check_number(
    value: Any,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    example: Any,
    open_ends: bool = False,
    integer: bool = False,
) -> float:
    """
    Check that a value is one number within a range.

    Parameters
    ----------
    value : object
        What the caller gave. Python's, NumPy's and torch's single numbers pass, bool does not.
    name : str
        Name of the parameter, for the message.
    low, high : float, optional
        Range of the number. NaN and infinity never pass.
    example : int or float
        A value that works, for the message.
    open_ends : bool, optional
        Whether `low` and `high` themselves are excluded.
    integer : bool, optional
        Whether the number must be an integer. A float such as 2.0 is none.

    Returns
    -------
    float or int
        The value as a Python float, or as a Python int for ``integer=True``.

    Raises
    ------
    InvalidParameterError
        If the value is no number or out of range. This error of scikit-learn is both a ValueError
        and a TypeError.

    Examples
    --------
    >>> check_number(3, "sigma", 0, example=0.1)
    3.0
    >>> check_number(True, "sigma", 0, example=0.1)
    Traceback (most recent call last):
    ...
    sklearn...InvalidParameterError: sigma must be a number, got True. Pass sigma=0.1.
    """
    number = _single(value)
    is_number = isinstance(number, Integral if integer else Real) and not isinstance(number, bool)
    converted = _convert(number, integer) if is_number else math.nan
    inside = low < converted < high if open_ends else low <= converted <= high
    if inside and (integer or math.isfinite(converted)):
        return converted
    need = _need(low, high, open_ends, integer) if integer or is_number else "a number"
    raise InvalidParameterError(f"{name} must be {need}, got {value!r}. Pass {name}={example!r}.")


def _single(value: Any) -> Any:
    """Take the number out of an array or tensor without axes, and out of NumPy's scalars."""
    is_array = hasattr(value, "item") and getattr(value, "ndim", None) == 0
    try:
        return value.item() if is_array else value
    except (TypeError, ValueError, RuntimeError):  # a tensor that holds no data, for one
        return value


def _convert(number: Any, integer: bool) -> float:
    if integer:
        return int(number)
    try:
        return float(number)
    except OverflowError:  # an integer such as 10**400
        return math.inf


def _need(low: float, high: float, open_ends: bool, integer: bool) -> str:
    """Say which numbers are allowed: "an integer >= 1", "finite and > 0"."""
    above, below = (">", "<") if open_ends else (">=", "<=")
    limits = [f"{above} {low}"] if low > -math.inf else []
    limits += [f"{below} {high}"] if high < math.inf else []
    if integer:
        return " ".join(["an integer", " and ".join(limits)]).strip()
    return " and ".join(["finite", *limits])


def read_numbers(values: Any, name: str, *, need: str, advice: str) -> np.ndarray:
    """
    Read a number, or an array of numbers, as float64.

    Parameters
    ----------
    values : float or array-like of float
        What the caller gave: Python's numbers, sequences, or an array of any library.
    name : str
        Name of the parameter, for the messages.
    need : str
        What the parameter must be: "t must be a real number ...".
    advice : str
        What to type: "Pass t=0.1."

    Returns
    -------
    numpy.ndarray of float64
        The numbers; those beyond float64 become infinite.

    Raises
    ------
    TypeError
        If there is anything but real numbers, or an array holds no plain numbers.
    ValueError
        If a number is masked, or a tensor would lose its gradients.
    """
    check_kind(values, name, if_masked=f"no number may be masked. {advice}")
    array = _to_numpy(values)
    # NumPy would turn [True, 0.5] into [1.0, 0.5]
    if isinstance(values, list | tuple) and any(isinstance(_single(v), bool) for v in values):
        array = None
    elif array is not None and array.dtype.kind == "O":
        # integers beyond 64 bit and fractions are numbers as well
        entries = [_single(entry) for entry in array.flat]
        if all(isinstance(entry, Real) and not isinstance(entry, bool) for entry in entries):
            floats = [_convert(entry, integer=False) for entry in entries]
            return np.array(floats, dtype=np.float64).reshape(array.shape)
    if array is None or array.dtype.kind not in "iuf":
        kind = "the string " if isinstance(values, str) else f"{type(values).__name__} "
        raise TypeError(f"{need}, got {kind}{reprlib.repr(values)}. {advice}")
    with np.errstate(over="ignore"):  # a long double out of range becomes infinite
        return array.astype(np.float64)


def _to_numpy(values: Any) -> np.ndarray | None:
    """Make an array, or None where NumPy cannot: rows of different lengths, for one."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16
        values = values.to(torch.float64) if values.is_floating_point() else values
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        return None
