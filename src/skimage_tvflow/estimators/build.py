"""An estimator from the parameters that a user has given to a function."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["build"]

_Estimator = TypeVar("_Estimator")


def build(make: Callable[..., _Estimator], params: Mapping[str, Any]) -> _Estimator:
    """
    Make an estimator, or say which parameter is unknown.

    Parameters
    ----------
    make : callable
        The class of the estimator, or what makes one.
    params : dict
        Its parameters by name.

    Returns
    -------
    estimator
        Its parameters are checked when it computes.

    Raises
    ------
    TypeError
        If there is no such parameter. The message names the one that was probably meant.
    """
    known = inspect.signature(make).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for name in () if takes_any else params:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise TypeError(f"There is no parameter {name!r}. {hint}")
    return make(**params)
