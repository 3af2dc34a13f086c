"""The driver: from an image and times to frames, in the image's own values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.adaptive import Adaptive
from skimage_tvflow.core.clock import Poll, steady
from skimage_tvflow.core.fixed import Controlled, Plain
from skimage_tvflow.core.problem import Problem, Units
from skimage_tvflow.core.scheme import Outcome, Settings, Wanted


class Way(Protocol):
    """From a problem through increasing times: what every estimator brings of its own."""

    units: Units
    flat: np.ndarray

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Outcome]:
        """All items at the increasing ``times``, all > 0, as they come."""


Begin = Callable[[Problem, Wanted, Poll | None], Way]


@dataclass(frozen=True)
class Frames:
    """The flow of all items at M successive times; what is cheaper together comes together.

    Attributes
    ----------
    times : M floats
    u : Tensor of shape (N, M, C, *spatial)
    error : array of shape (N, M), the estimated RMS error; NaN where nothing estimates it
    n_iter : array of shape (N,), iterations of the dual solve up to now
    converged : array of shape (N,), bool
    dual : Tensor of shape (N, M, C, n_spatial, *spatial) or None: the mean of phi since the time
        before
    bound : array of shape (N, M) or None: what the RMS error is certainly below
    losses : N lists or None: the values of an objective on the way to a minimum
    """

    times: Sequence[float]
    u: Tensor
    error: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray
    dual: Tensor | None
    bound: np.ndarray | None
    losses: Sequence[list[float]] | None = None


def march(
    image: Tensor,
    times: Sequence[float],
    spacing: Sequence[float],
    begin: Begin,
    *,
    wanted: Wanted,
    out: Tensor | None = None,
    poll: Poll | None = None,
) -> Iterator[Frames]:
    """The TV flow of every item of ``image`` at the increasing ``times``, as they come.

    Parameters
    ----------
    image : Tensor of shape (N, C, *spatial)
    times : increasing, all >= 0
    spacing : one per spatial axis
    begin : gives a way through the times for a problem: :func:`solver`, :func:`.learned.network`,
        :func:`.joint.joint`
    wanted : what else to give
    out : Tensor of shape (N, T, C, *spatial), every image contiguous: where the frames are put if
        that saves a copy
    poll : called every 20 to 40 ms of work with the time reached; what it raises ends the march
    """
    n, channels, *sizes = image.shape
    n_iter, converged = np.zeros(n, np.int64), np.ones(n, np.bool_)
    moving = [time for time in times if time > 0]
    if len(moving) < len(times):
        dual = image.new_zeros((n, 1, channels, len(sizes), *sizes)) if wanted.dual else None
        zeros = np.zeros((n, 1))
        yield Frames([0.0], image.clone()[:, None], zeros, n_iter, converged, dual, zeros)
    if not moving:
        return
    scheme = begin(Problem.of(image, spacing), wanted, steady(poll))
    scale, flat = scheme.units.scale, scheme.flat
    # What an image's values lose of a small contrast on a large offset when the mean is put back.
    offset = scheme.units.mean.abs().amax(1).cpu().numpy().astype(np.float64)
    lost = np.where(flat, 0.0, offset * torch.finfo(image.dtype).eps / 4)
    if out is not None:
        out = out[:, len(times) - len(moving) :]
    for outcome in scheme.outcomes(moving, out):
        n_iter, converged = n_iter + outcome.n_iter, converged & outcome.converged
        u = outcome.u
        if flat.any():
            u[flat] = image[flat][:, None]
        error = np.maximum(outcome.error.T * scale, lost).T
        bound = outcome.bound
        if bound is not None:
            # What is returned was rounded once more, to the image's precision.
            largest = torch.stack(u.flatten(2).aminmax(dim=2)).abs().amax(0).cpu().numpy()
            rounding = largest.astype(np.float64) * torch.finfo(u.dtype).eps
            bound = np.where(flat, 0.0, bound.T * scale + rounding.T).T
        yield Frames(
            outcome.times, u, error, n_iter, converged, outcome.dual, bound, outcome.losses
        )


def solver(settings: Settings) -> Begin:
    """Implicit Euler steps, solved."""
    kind = Adaptive if settings.n_steps is None else Plain if settings.tol is None else Controlled
    return lambda problem, wanted, poll: kind(problem, settings, wanted, poll)
