"""What every network needs: the items of a problem as its input, and frames from its answers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.operators import column, distance, exact_dtype
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.recorder import SampledTrajectory, stack_samples

Network = TypeVar("Network", bound=nn.Module)


class NetworkItems:
    """The items of a problem in float32, each of them or its negative.

    Parameters
    ----------
    problem : Problem
    request : OutputRequest

    Attributes
    ----------
    u : Tensor of shape (N, 1, *spatial), with at least two spatial axes
    spacing : one per spatial axis
    unit : array of shape (N,), as that of the problem; 0 for a constant image
    deviation : array of shape (N,), as that of the problem; 1 for a constant image
    """

    def __init__(self, problem: Problem, request: OutputRequest) -> None:
        self._units, self._request = problem.units, request
        u = problem.u
        # A signal is an image of one row, for which the networks are made.
        self._is_signal = u.ndim == 3
        u = u[:, :, None] if self._is_signal else u
        self.spacing = problem.spacing * 2 if self._is_signal else problem.spacing
        # Networks work in float32; the bound is charged for what that costs.
        self._dtype = u.dtype
        self._sign = column(_orientation(u), u)
        self.u = (self._sign * u).float()
        flat = problem.deviation == 0
        self.unit = np.where(flat, 0.0, problem.unit)
        self.deviation = np.where(flat, 1.0, problem.deviation)
        self._start = problem.rounding + distance(u, self._sign * self.u).cpu().numpy()

    def moved(self, net: Network) -> Network:
        """Return the network on the device of the items."""
        return net if self.u.device.type == "cpu" else copy.deepcopy(net).to(self.u.device)

    def paths(self, times: Sequence[float]) -> list[SampledTrajectory]:
        """Begin a trajectory through ``times`` for every item."""
        return [
            SampledTrajectory(u, own, start, self.spacing, self._request)
            for u, own, start in zip(self.u, solver_times(times, self.unit).T, self._start)
        ]

    def gathered(
        self, times: Sequence[float], paths: Sequence[SampledTrajectory], n_iter: np.ndarray
    ) -> Frames:
        """Make frames of the next samples of all paths, one for each of ``times``."""
        samples = [path.take(len(times)) for path in paths]
        u, error, dual, bound = stack_samples(samples, self._request)
        if not u.isfinite().all():
            raise OverflowError(
                "The network has left the range of float32. Needed are weights that were trained "
                "for such images. Pass other weights, or use ChambolleTVFlow."
            )
        sign = self._sign[:, None]
        u = sign * u.to(self._dtype)
        dual = None if dual is None else (sign[:, :, None] * dual.to(self._dtype))
        if self._is_signal:
            u = u[:, :, :, 0]
            dual = None if dual is None else dual[:, :, :, 1:, 0]
        converged = np.ones(len(paths), np.bool_)
        u = self._units.to_image(u)
        return Frames(times, u, error, n_iter.copy(), converged, dual, bound)


def _orientation(u: Tensor) -> np.ndarray:
    """One or minus one for every item, and the other for its negative; shape (N,).

    The flow of -f is minus that of f. A network that sees only one of the two obeys that as well.
    """
    values = u.flatten(1).to(exact_dtype(u))
    skewness = (values**3).sum(1).cpu().numpy()
    where = (values != 0).byte().argmax(1, keepdim=True)
    first = values.gather(1, where)[:, 0].cpu().numpy()
    return np.where(np.where(skewness != 0, skewness, first) < 0, -1.0, 1.0)
