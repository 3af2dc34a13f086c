"""The distance between pixels: checked, one number per spatial axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from skimage_tvflow.inputs.numbers import read_numbers

__all__ = ["resolve_spacing"]

# Across the longest axis, a quarter of the digits of a difference are left.
_LARGEST_RATIO = 1e12
# Squares of these and of their inverses are far inside the range of float64.
_SMALLEST, _LARGEST = 1e-100, 1e100


def resolve_spacing(spacing: Any, n_spatial: int) -> tuple[float, ...]:
    """
    Check the spacing and give one number per spatial axis.

    Parameters
    ----------
    spacing : None, float or sequence of float
        None for 1, a number for the same along all spatial axes, or one for each.
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
    if spacing is None:
        return (1.0,) * n_spatial
    advice = f"Pass spacing={(1.0,) * n_spatial}."
    values = read_numbers(
        spacing, "spacing", need="spacing must consist of real numbers", advice=advice
    )
    if values.shape not in ((), (n_spatial,)):
        raise ValueError(
            f"spacing must be one number, or one for each of the {n_spatial} spatial axes, got "
            f"{spacing!r}. {advice}"
        )
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"spacing must be positive and finite, got {spacing!r}. {advice}")
    smallest, largest = float(values.min()), float(values.max())
    if largest / _LARGEST_RATIO > smallest:
        raise ValueError(
            f"spacing must not differ by more than {_LARGEST_RATIO:.0e} between axes, got "
            f"{spacing!r}: differences along the longest would be lost in rounding. {advice}"
        )
    if smallest < _SMALLEST or largest > _LARGEST:
        raise ValueError(
            f"spacing must be between {_SMALLEST:.0e} and {_LARGEST:.0e}, got {spacing!r}: its "
            "square would be out of range. Choose another unit of length, e.g. the pixel: "
            f"{advice[0].lower()}{advice[1:]}"
        )
    return tuple(float(h) for h in np.broadcast_to(values, (n_spatial,)))
