"""The one driver: from an image and times to frames, by any method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import ROUNDING
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.operators import exact_dtype, rms
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report, throttled
from skimage_tvflow.core.scaling import Units


class Integrator(Protocol):
    """One run of a method: how its steps are taken, and nothing else."""

    def frames(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """All items at the increasing ``times``, all > 0, as they are reached.

        Images are in the values of the image, errors and bounds in those of the problem. They are
        put into ``out``, (N, M, C, *spatial), where that saves a copy.
        """


# A method with its parameters starts an integrator for a problem. The report gets the fraction of
# the work that is done.
Method = Callable[[Problem, OutputRequest, Report | None], Integrator]


def integrate(
    image: Tensor,
    times: Sequence[float],
    spacing: Sequence[float],
    method: Method,
    *,
    request: OutputRequest,
    domain: Domain | None = None,
    strength: np.ndarray | float = 1.0,
    tol: float | None = None,
    out: Tensor | None = None,
    report: Report | None = None,
) -> Iterator[Frames]:
    """The TV flow of every item of ``image`` at the increasing ``times``, as they are reached.

    Parameters
    ----------
    image : Tensor of shape (N, C, *spatial)
    times : increasing, all >= 0
    spacing : one per spatial axis
    method : starts an integrator
    request : which outputs besides the images
    domain, strength : the limits of phi, if it has any, and their unit; see :class:`.Problem`
    tol : in standard deviations of an item: one that the rounding of its result carries beyond has
        not converged; None if the method has no tolerance
    out : Tensor of shape (N, T, C, *spatial), every image contiguous: the frames are put there if
        that saves a copy
    report : called every 20 to 40 ms with the fraction of the work that is done; it may raise
    """
    moving = [time for time in times if time > 0]
    if len(moving) < len(times):
        yield _start(image, request)
    if not moving:
        return
    problem = Problem.of(image, spacing, domain, strength)
    units, deviation, flat = problem.units, problem.deviation, problem.deviation == 0
    size = deviation * (1 + 2**10 * ROUNDING)  # summed in any order over 2**17 pixels
    integrator = method(problem, request, report and throttled(report))
    del problem  # or its image would stay in memory as long as the frames are read
    if out is not None:
        out = out[:, len(times) - len(moving) :]
    n_iter, converged = np.zeros(len(flat), np.int64), np.ones(len(flat), np.bool_)
    # When the mean is put back, a large offset hides a small contrast.
    rounding = np.where(flat, 0.0, units.rounding())
    # A tolerance below the precision itself is missed without any offset.
    in_reach = tol is not None and tol > torch.finfo(image.dtype).eps
    allowed = tol * deviation * units.scale if in_reach else math.inf
    hidden = np.zeros(len(flat), np.bool_)
    for frames in integrator.frames(moving, out):
        u = frames.u
        error = np.where(flat, 0.0, frames.error.T * units.scale)
        hidden |= _carried_beyond(allowed, error, rounding).any(0)
        n_iter, converged = n_iter + frames.n_iter, converged & frames.converged & ~hidden
        if flat.any():
            u[flat] = image[flat][:, None]
        bound = frames.bound
        if bound is not None:
            bound = np.minimum(bound.T, _distance_from_mean(u, units) + size) * units.scale
            # The result was rounded once more, to the precision of the image.
            largest = torch.stack(u.flatten(2).aminmax(dim=2)).abs().amax(0).cpu().numpy()
            last_place = largest.astype(np.float64) * torch.finfo(u.dtype).eps
            bound = np.where(flat, 0.0, bound + last_place.T).T
        yield Frames(
            times=frames.times,
            u=u,
            error=np.hypot(error, rounding).T,
            n_iter=n_iter,
            converged=converged,
            dual=frames.dual,
            bound=bound,
            losses=frames.losses,
            hidden=hidden.copy(),
        )


def _carried_beyond(
    allowed: np.ndarray | float, error: np.ndarray, rounding: np.ndarray
) -> np.ndarray:
    """Whether it is the rounding of the results that takes them beyond the ``allowed`` error.

    An error of the method that is larger than that is not the matter of the rounding: with a given
    number of steps the tolerance is one of their solves alone.
    """
    return np.where(error <= allowed, np.hypot(error, rounding), rounding) > allowed


def _distance_from_mean(u: Tensor, units: Units) -> np.ndarray:
    """RMS distance of frames (N, M, C, *spatial) from the mean in the solver's values, (M, N).

    The flow never gets further from the mean than the image, so both distances bound the error.
    """
    frames = units.to_solver(u.to(exact_dtype(u)).transpose(0, 1))
    return np.stack([rms(frame).cpu().numpy() for frame in frames]) * (1 + ROUNDING)


def _start(image: Tensor, request: OutputRequest) -> Frames:
    """The image itself, at time 0."""
    n, channels, *sizes = image.shape
    zeros = np.zeros((n, 1))
    return Frames(
        times=[0.0],
        u=image.clone()[:, None],
        error=zeros,
        n_iter=np.zeros(n, np.int64),
        converged=np.ones(n, np.bool_),
        dual=image.new_zeros((n, 1, channels, len(sizes), *sizes)) if request.dual else None,
        bound=zeros,
    )
