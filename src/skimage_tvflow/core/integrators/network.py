"""The flow by a network of :mod:`..networks.unrolled`: learned updates in place of solves."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrators.network_guard import guarded, solved
from skimage_tvflow.core.networks.unrolled import UnrolledNet
from skimage_tvflow.core.operators import (
    column,
    distance,
    exact_dtype,
)
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.recorder import SampledTrajectory, stack_samples

# The step at time t, both in standard deviations of the image:
#   WINDOW / n_steps * max(t / WINDOW, 1)**_GROWTH
# Late structures are larger and slower, so late steps may be longer. Training uses the same WINDOW.
# At the same work WINDOW = .2 has errors 11 to 21 % smaller, _GROWTH = .9 errors 4 to 6 % smaller.
WINDOW = 0.8
_GROWTH = 0.5


@dataclass(frozen=True)
class NetworkSettings:
    """The parameters of the method.

    Attributes
    ----------
    net : UnrolledNet
    n_steps : int, steps within a window
    refine : int, iterations of the dual solve after the network's own layers, in every step
    """

    net: UnrolledNet
    n_steps: int
    refine: int


class NetworkIntegrator:
    """Steps of a network. Every item has a clock of its own: its deviation sets its steps."""

    def __init__(
        self,
        settings: NetworkSettings,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self._units, self._settings = problem.units, settings
        self._request, self._report = request, report
        u = problem.u
        # A signal is an image of one row, for which the networks are made.
        self._is_signal = u.ndim == 3
        u = u[:, :, None] if self._is_signal else u
        self._spacing = problem.spacing * 2 if self._is_signal else problem.spacing
        self._net = settings.net
        if u.device.type != "cpu":
            self._net = copy.deepcopy(self._net).to(u.device)
        # The network works in float32; the bound is charged for what that costs.
        self._dtype = u.dtype
        self._sign = column(_orientation(u), u)
        self._u = (self._sign * u).float()
        flat = problem.deviation == 0
        self._unit = np.where(flat, 0.0, problem.unit)
        self._window = WINDOW * np.where(flat, 1.0, problem.deviation)
        self._start = problem.rounding + distance(u, self._sign * self._u).cpu().numpy()

    def frames(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """See :class:`~skimage_tvflow.core.integrate.Integrator`."""
        paths = [
            SampledTrajectory(u, own, start, self._spacing, self._request)
            for u, own, start in zip(self._u, solver_times(times, self._unit).T, self._start)
        ]
        n_iter = np.zeros(len(paths), np.int64)
        given = 0
        for going, left, count in self._march(paths, solver_times(times[-1:], self._unit)[0]):
            n_iter[going] += count
            reached = min(path.reached for path in paths)
            if reached > given:
                yield self._gathered(times[given:reached], paths, n_iter)
                n_iter[:], given = 0, reached
            # Reported only after the frames were given away: a callback may end the flow here.
            if self._report is not None:
                self._report(left)

    def _march(
        self, paths: Sequence[SampledTrajectory], last: np.ndarray
    ) -> Iterator[tuple[list[int], float, int]]:
        """Take steps with all items that have somewhere to go.

        Gives, after each step, these items, the fraction of the work that is done, and the
        iterations of the step.
        """
        going, step = list(range(len(paths))), self._window / self._settings.n_steps
        expected, n_steps, done = self._expected_steps(last), 0, 0
        with torch.no_grad():
            state = self._net.start(self._u / column(step, self._u))
        while going:
            count = self._settings.refine + self._net.n_layers(state)
            with torch.no_grad():
                polish = self._polish if self._settings.refine else None
                state = guarded(state, self._net.step(state, polish), count, self._spacing)
            after = state.g * column(step, state.g)
            for k, i in enumerate(going):
                if not paths[i].vanish():
                    paths[i].add_step(after[k], state.z[k][None], step[k])
            n_steps, done = n_steps + 1, done + len(going)
            stepped = going
            left = [k for k, i in enumerate(going) if not paths[i].finished]
            if len(left) < len(going):
                state, step, going = state.of(left), step[left], [going[k] for k in left]
            rest = np.maximum(expected[going] - n_steps, 1).sum() if going else 0.0
            yield stepped, float(done / (done + rest)), count
            if going:
                window = self._window[going]
                now = np.array([paths[i].now for i in going])
                longer = window * np.maximum(now / window, 1) ** _GROWTH / self._settings.n_steps
                state = state.with_steps_longer(torch.from_numpy(longer / step).to(after))
                step = longer

    def _expected_steps(self, last: np.ndarray) -> np.ndarray:
        """The steps of every item up to time ``last``: equal in the window, growing after it."""
        windows = last / self._window
        later = (np.maximum(windows, 1) ** (1 - _GROWTH) - 1) / (1 - _GROWTH)
        return np.ceil(self._settings.n_steps * (np.minimum(windows, 1) + later))

    def _polish(self, g: Tensor, z: Tensor) -> Tensor:
        """The ``refine`` iterations of the dual solve, from the network's answer."""
        return solved(g, z, z, self._settings.refine, self._spacing)

    def _gathered(
        self, times: Sequence[float], paths: Sequence[SampledTrajectory], n_iter: np.ndarray
    ) -> Frames:
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
