"""The driver: from an image and times to frames, in the image's own values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrators.adaptive_steps import Adaptive
from skimage_tvflow.core.integrators.euler import EulerSettings
from skimage_tvflow.core.integrators.fixed_steps import Controlled, Plain
from skimage_tvflow.core.problem import Problem, Units
from skimage_tvflow.core.progress import Report, throttled


class Way(Protocol):
    """From a problem through increasing times: what every estimator brings of its own."""

    units: Units
    flat: np.ndarray

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """All items at the increasing ``times``, all > 0, as they come."""


Begin = Callable[[Problem, OutputRequest, Report | None], Way]


def integrate(
    image: Tensor,
    times: Sequence[float],
    spacing: Sequence[float],
    begin: Begin,
    *,
    request: OutputRequest,
    out: Tensor | None = None,
    report: Report | None = None,
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
    report : called every 20 to 40 ms of work with the time reached; what it raises ends the march
    """
    n, channels, *sizes = image.shape
    n_iter, converged = np.zeros(n, np.int64), np.ones(n, np.bool_)
    moving = [time for time in times if time > 0]
    if len(moving) < len(times):
        dual = image.new_zeros((n, 1, channels, len(sizes), *sizes)) if request.dual else None
        zeros = np.zeros((n, 1))
        yield Frames([0.0], image.clone()[:, None], zeros, n_iter, converged, dual, zeros)
    if not moving:
        return
    scheme = begin(Problem.of(image, spacing), request, throttled(report))
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


def solver(settings: EulerSettings) -> Begin:
    """Implicit Euler steps, solved."""
    kind = Adaptive if settings.n_steps is None else Plain if settings.tol is None else Controlled
    return lambda problem, request, report: kind(problem, settings, request, report)
