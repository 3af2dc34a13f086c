"""The warning of an accuracy that was not reached."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from skimage_tvflow.inputs.caller import stacklevel_of_caller


def warn_of_convergence(
    tol: float | None,
    error: np.ndarray,
    converged: np.ndarray,
    dtype: torch.dtype,
    hidden: np.ndarray | None,
    advice: str,
) -> None:
    """
    Warn that items are not as accurate as asked for.

    Parameters
    ----------
    tol : float or None
        What was asked for.
    error : ndarray of shape (T, N)
        Estimated errors.
    converged : ndarray of shape (N,)
        Which items are within the tolerance: not all.
    dtype : torch.dtype
        Of the result.
    hidden : ndarray of shape (N,) or None
        Which items miss it by the rounding of their result.
    advice : str
        What to do where it is not the rounding.
    """
    if hidden is not None and hidden.any():
        advice = _offset(dtype)
    warnings.warn(
        f"{int(np.sum(~converged))} of {converged.size} images or channels did not reach the "
        f"wanted accuracy, tol={tol}: the worst estimate is "
        f"{np.nanmax(error[:, ~converged]):.1e} in the values of the image. {advice}",
        ConvergenceWarning,
        stacklevel=stacklevel_of_caller(),
    )


def _offset(dtype: torch.dtype) -> str:
    """What to do about an offset beside which the result has too few digits for the contrast."""
    name = str(dtype).removeprefix("torch.")
    other = "Pass a float64 image, or subtract" if dtype == torch.float32 else "Subtract"
    return (
        f"The offset of the image hides its contrast: so near the mean {name} has too few digits "
        f"for that tol. {other} the mean of the image first."
    )
