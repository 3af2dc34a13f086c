"""The result of a solve, and the progress that a callback is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TVFlowResult:
    """The flow of an image at several times, and what is known of its accuracy.

    Attributes
    ----------
    times : ndarray of shape (T,)
        The times asked for, in the order asked; fewer if a callback stopped the solve.
    u : array of shape (T, *image.shape)
        The flow at these times, of the kind and on the device of the image.
    dual : array of shape (T, n_spatial, *image.shape) or None
        The mean, over the time since the next smaller time asked for, of the dual variable `phi`:
        ``|phi| <= 1``, but for the regularised flows. With ``order=1``,
        ``u_k = u_{k-1} + (t_k - t_{k-1}) * div(phi_k)``, but for the residual objective; with
        ``order=2`` it belongs to the finer of the two trajectories, whose extrapolation `u` is.
    error_estimate : ndarray of shape (T,), or (T, B) with a batch axis
        Estimated root-mean-square error per pixel, in the values of the image. With a given number
        of time steps and order 1 it is the error of their solves alone, without that of the time
        steps. NaN where nothing estimates it: ``tol=None`` with ``order=1``, the network, the
        residual objective, and the regularised flows. Their `error_bound` holds all the same.
    error_bound : ndarray of the same shape, or None
        Rigorous upper bound of the root-mean-square distance per pixel from the exact flow of the
        discrete image, whatever the solver did: see `certify`. None if it was not asked for.
    n_iter : ndarray of shape (), or (B,) with a batch axis
        Iterations, summed over time steps, attempts and separate channels; 0 if a callback stopped
        the solve.
    converged : ndarray of shape (), or (B,) with a batch axis
        Whether every estimate is within the tolerance asked for; False if a callback stopped the
        solve.
    loss_curve : ndarray of shape (K,), or (K, B) with a batch axis, or None
        Values of the objective during the minimisation, summed over separate channels, for methods
        that minimise one. An image that converges early keeps its last value.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import ChambolleTVFlow
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> result = ChambolleTVFlow(tol=1e-3).solve(step, [0.5, 1.0], return_dual=True)
    >>> result.u.shape, result.dual.shape, bool(result.converged)
    ((2, 8), (2, 1, 8), True)
    """

    times: np.ndarray
    u: Any
    dual: Any
    error_estimate: np.ndarray
    error_bound: np.ndarray | None
    n_iter: np.ndarray
    converged: np.ndarray
    loss_curve: np.ndarray | None = None


class Progress(float):
    """The fraction of the work that is done, 0 to 1; what a callback is given.

    It never goes back from one call to the next.

    Attributes
    ----------
    fraction : float
        The number itself.
    time : float
        In `solve`, the last requested time that was reached; NaN elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import ChambolleTVFlow
    >>> seen = []
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> result = ChambolleTVFlow().solve(image, 1.0, callback=seen.append)
    >>> float(seen[-1]), seen[-1].time
    (1.0, 1.0)
    """

    __slots__ = ("time",)

    time: float

    def __new__(cls, fraction: float, time: float = math.nan) -> Progress:
        """Make a float with a time."""
        progress = super().__new__(cls, fraction)
        progress.time = time
        return progress

    def __reduce__(self) -> tuple[type[Progress], tuple[float, float]]:
        return Progress, (float(self), self.time)

    @property
    def fraction(self) -> float:  # numpydoc ignore=RT01
        """The number itself."""
        return float(self)
