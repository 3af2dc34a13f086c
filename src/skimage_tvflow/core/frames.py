"""What is asked of an integrator and what it gives: requested outputs, and frames of the flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class OutputRequest:
    """What to compute besides the images.

    Attributes
    ----------
    dual : bool, the mean of the dual variable between requested times
    bound : bool, the rigorous error bound
    """

    dual: bool = False
    bound: bool = False

    @property
    def needs_steps(self) -> bool:
        """Whether the dual variable of every time step is needed."""
        return self.dual or self.bound


@dataclass(frozen=True)
class Frames:
    """The flow of all items at M successive requested times.

    Integrators give images in the values of the image, errors and bounds in those of the problem,
    and the iterations since the frames before. :func:`.integrate.integrate` gives all in the values
    of the image, and the iterations since time 0.

    Attributes
    ----------
    times : M floats, in the caller's unit
    u : Tensor of shape (N, M, C, *spatial), the receiver's to overwrite
    error : array of shape (N, M), estimated RMS error; NaN where nothing estimates it
    n_iter : array of shape (N,), iterations of the dual solves
    converged : array of shape (N,), bool
    dual : Tensor of shape (N, M, C, n_spatial, *spatial) or None, the mean of phi since the
        requested time before
    bound : array of shape (N, M) or None, rigorous upper bound of the RMS error
    losses : N lists or None, values of an objective on the way to its minimum
    hidden : array of shape (N,) or None, bool: items whose result is rounded so much, as they have
        a large offset, that it misses the tolerance for that; :func:`.integrate.integrate` sets it
    """

    times: Sequence[float]
    u: Tensor
    error: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray
    dual: Tensor | None = None
    bound: np.ndarray | None = None
    losses: Sequence[list[float]] | None = None
    hidden: np.ndarray | None = None
