"""The distance between pixels: checked, one number per spatial axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skimage_tvflow.inputs.numbers import read_numbers

# Across the longest axis, a quarter of the digits of a difference are left.
_LARGEST_RATIO = 1e12
# Squares of these and of their inverses are far inside the range of float64.
_SMALLEST, _LARGEST = 1e-100, 1e100


def resolve_spacing(spacing: Any, n_spatial: int) -> tuple[float, ...]:
    """
    Check the spacing and give one number per spatial axis.

    Parameters
    ----------
    spacing : float or sequence of float
        A number for the same along all spatial axes, or one for each.
    n_spatial : int
        Number of spatial axes.

    Returns
    -------
    tuple of float
        One positive number per spatial axis.

    Raises
    ------
    TypeError
        If `spacing` does not consist of real numbers.
    ValueError
        If they are too many or too few, not positive and finite, masked, too small or too large,
        or of sizes too different.
    """
    advice = f"Pass spacing={(1.0,) * n_spatial}."
    need = "spacing must consist of real numbers"
    values = read_numbers(spacing, "spacing", need=need, advice=advice)
    smallest, largest = values.min(initial=math.inf), values.max(initial=0)
    if values.shape not in ((), (n_spatial,)):
        need = f"be one number, or one for each of the {n_spatial} spatial axes"
    elif not (smallest > 0 and largest < math.inf):
        need = "be positive and finite"
    elif largest / _LARGEST_RATIO > smallest:
        need = f"not differ by more than a factor of {_LARGEST_RATIO:.0e} between axes"
    elif smallest < _SMALLEST or largest > _LARGEST:
        need = (
            f"be between {_SMALLEST:.0e} and {_LARGEST:.0e}: its square is used, so change the unit"
        )
    else:
        return tuple(np.broadcast_to(values, (n_spatial,)).tolist())
    raise ValueError(f"spacing must {need}, got {spacing!r}. {advice}")
