"""Numbers that a caller gives, one or several: type, range, and the message when they are wrong."""

from __future__ import annotations

import math
import reprlib
import sys
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import InvalidParameterError

from skimage_tvflow.inputs.array_kinds import check_kind

LARGEST_COUNT = 10**9
"""Largest count (of steps, iterations) that a parameter may have: int64 holds products of two."""
_LARGEST = sys.float_info.max


def check_number(
    value: Any,
    name: str,
    low: float = -_LARGEST,
    high: float = _LARGEST,
    *,
    example: Any,
    open_ends: bool = False,
    integer: bool = False,
) -> Any:
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
    number = _unwrap(value)
    right_type = _is_number(number, Integral if integer else Real)
    if right_type and (low < number < high if open_ends else low <= number <= high):
        return int(number) if integer else float(number)
    above, below = (">", "<") if open_ends else (">=", "<=")
    limits = [f"{above} {low}"] * (low > -_LARGEST) + [f"{below} {high}"] * (high < _LARGEST)
    if integer:
        need = f"an integer {' and '.join(limits)}".strip()
    else:
        need = " and ".join(["finite", *limits])
        if not right_type:
            need = "a number"
        if len(limits) == 2:
            need = f"a number between {low} and {high}"
    raise InvalidParameterError(f"{name} must be {need}, got {value!r}. Pass {name}={example!r}.")


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
    check_kind(values, name, f"no number may be masked. {advice}")
    array = _to_numpy(values)
    if array.dtype.kind == "O":  # also integers beyond 64 bit, and fractions
        entries = [_unwrap(entry) for entry in array.flat]
        if all(_is_number(entry, Real) for entry in entries):
            array = np.array([_to_float(entry) for entry in entries]).reshape(array.shape)
    if array.dtype.kind not in "iuf":
        kind = "the string " if isinstance(values, str) else f"{type(values).__name__} "
        raise TypeError(f"{need}, got {kind}{reprlib.repr(values)}. {advice}")
    with np.errstate(over="ignore"):  # a long double out of range becomes infinite
        return array.astype(np.float64)


def _to_numpy(values: Any) -> np.ndarray:
    """Make an array; of objects from lists, where NumPy would make 1.0 of True."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16
        return (values.double() if values.is_floating_point() else values).numpy()
    try:
        return np.asarray(values, dtype=object if isinstance(values, list | tuple) else None)
    except (TypeError, ValueError, RuntimeError):  # arrays on a GPU, for one
        return np.array(None)


def _unwrap(value: Any) -> Any:
    """Take the number out of an array or tensor without axes, and out of NumPy's scalars."""
    is_array = hasattr(value, "tolist") and getattr(value, "ndim", None) == 0
    return value.tolist() if is_array and not getattr(value, "is_meta", False) else value


def _is_number(value: Any, kind: type) -> bool:
    """Tell whether a value is a number of a kind; True and False are none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _to_float(number: Any) -> float:
    """Convert to float; integers beyond its range become infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
