"""The flow by a network of :mod:`.network`: a march whose steps are learned updates, not solves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.torch.sweep import accelerated
from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.extinction import LastStep
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrate import Begin
from skimage_tvflow.core.integrators.euler import column
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.networks.unrolled import NetworkState, UnrolledNet
from skimage_tvflow.core.operators import (
    distance,
    divergence,
    exact_dtype,
    norm_bound,
    total_variation,
)
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report

# Steps are equal up to this time, in standard deviations of the image, and longer after it, with
# this power of the time: what is left then is larger, and slower.
WINDOW = 0.8
_GROWTH = 0.5

# Iterations of the dual solve where a step of the network is none of the flow.
_RESCUE = 40

# What the bound says of the error, on photographs.
_BOUND_OVER_ERROR = 5.0


@dataclass(frozen=True)
class NetworkSettings:
    """What the caller may choose.

    Attributes
    ----------
    n_steps : int
        Steps within a window.
    refine : int
        Iterations of the dual solve after the network's own layers, in every step.
    """

    n_steps: int
    refine: int


class NetworkIntegrator:
    """Images at increasing times by the steps of a network, linear in time between them.

    Steps are as long as the deviation of an item says, so every item has a clock of its own.
    """

    def __init__(
        self,
        problem: Problem,
        net: UnrolledNet,
        settings: NetworkSettings,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self.units = problem.units
        deviation = problem.deviation
        self.flat = deviation == 0
        self._net, self._settings, self._request, self._report = net, settings, request, report
        self._spacing = problem.spacing
        # The network's numbers are float32; what that costs is charged for.
        self._dtype = problem.u.dtype
        self._sign = column(_orientation(problem.u), problem.u)
        self._u = (self._sign * problem.u).float()
        self._unit = np.where(self.flat, 0.0, problem.unit)
        self._window = WINDOW * np.where(self.flat, 1.0, deviation)
        rounding = problem.rounding + distance(problem.u, self._sign * self._u).cpu().numpy()
        self._ledgers = [
            ErrorBound(rounding[i : i + 1], self._spacing) for i in range(len(rounding))
        ]

    def outcomes(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """March through the increasing ``times``, all > 0."""
        paths = [_Path(self, i, times) for i in range(len(self._u))]
        step = self._window / self._settings.n_steps
        with torch.no_grad():
            state = self._net.start(self._over(step))
        given, going = 0, list(range(len(paths)))
        while True:
            n_iter = self._settings.refine + self._net.n_layers(state)
            with torch.no_grad():
                before = state.g
                state = self._net.step(state, self._polish if self._settings.refine else None)
                state = self._steadied(before, state)
            after = state.g * column(step, state.g)
            for k, i in enumerate(going):
                paths[i].go_on(after[k], state.z[k], step[k], n_iter)
            reached = min(path.reached for path in paths)
            if reached > given:
                chosen = slice(given, reached)
                yield self._outcome(times[chosen], paths, chosen)
                given = reached
            # A time is told as reached only after it was given away: a callback may end it there.
            if self._report is not None:
                self._report(min(path.time for path in paths))
            if given == len(times):
                return
            left = [k for k, i in enumerate(going) if paths[i].reached < len(times)]
            if len(left) < len(going):
                state, step, going = state.of(left), step[left], [going[k] for k in left]
            window = self._window[going]
            growth = np.maximum([paths[i].now for i in going] / window, 1) ** _GROWTH
            longer = window * growth / self._settings.n_steps
            state = state.with_steps_longer(torch.from_numpy(longer / step).to(after))
            step = longer

    def _over(self, step: np.ndarray) -> Tensor:
        return self._u / column(step, self._u)

    def _steadied(self, before: Tensor, state: NetworkState) -> NetworkState:
        """The state after a step from ``before``, solved anew where it raised the variation.

        A step of the flow never does. What the network has not learned, patterns of single pixels,
        would otherwise grow from step to step.
        """
        risen = total_variation(state.g, self._spacing) > total_variation(before, self._spacing)
        items = risen.nonzero()[:, 0]
        if not len(items):
            return state
        z, g = state.z.clone(), state.g.clone()
        z[items] = self._polish(before[items], z[items], _RESCUE)
        g[items] = before[items] + divergence(z[items][:, None], self._spacing)
        return dataclasses.replace(state, g=g, z=z)

    def _polish(self, g: Tensor, z: Tensor, n_iter: int | None = None) -> Tensor:
        """Iterations of the dual solve, ``refine`` if not said, from the network's answer."""
        n_iter = self._settings.refine if n_iter is None else n_iter
        momenta = Momentum.planned(n_iter, norm_bound(self._spacing, g.shape[2:]))
        phi = previous = z[:, None]
        for j in range(n_iter):
            momentum = momenta[j % len(momenta)]
            phi, previous = accelerated(g, phi, previous, momentum, self._spacing), phi
        return phi[:, 0]

    def _outcome(self, times: Sequence[float], paths: Sequence[_Path], chosen: slice) -> Frames:
        found = [path.take(chosen) for path in paths]
        sign = self._sign[:, None]
        u = torch.stack([torch.stack(f.u) for f in found]).to(self._dtype)
        u = self.units.to_image(sign * u)
        error, bound, dual = np.full(u.shape[:2], np.nan), None, None
        if self._request.bound:
            bound = np.array([f.bound for f in found])
            error = bound / _BOUND_OVER_ERROR
        if self._request.dual:
            dual = torch.stack([torch.stack(f.dual) for f in found])
            dual = (sign * dual)[:, :, None].to(self._dtype)
        n_iter = np.array([f.n_iter for f in found])
        return Frames(times, u, error, n_iter, np.ones(len(paths), np.bool_), dual, bound)


def _orientation(u: Tensor) -> np.ndarray:
    """One or minus one for every item, and the other for its negative; (N,).

    The flow of -f is minus that of f. A network that sees only one of the two obeys that as well.
    """
    values = u.flatten(1).to(exact_dtype(u))
    skewness = (values**3).sum(1).cpu().numpy()
    where = (values != 0).byte().argmax(1, keepdim=True)
    first = values.gather(1, where)[:, 0].cpu().numpy()
    return np.where(np.where(skewness != 0, skewness, first) < 0, -1.0, 1.0)


@dataclass
class _Found:
    u: list[Tensor]
    dual: list[Tensor]
    bound: list[float]
    n_iter: int = 0


class _Path:
    """One item on its way through the times asked for."""

    def __init__(self, scheme: NetworkIntegrator, item: int, times: Sequence[float]) -> None:
        self._request, self._spacing = scheme._request, scheme._spacing
        self._asked = times
        self._times = np.asarray(times) * scheme._unit[item]
        self._ledger = scheme._ledgers[item]
        self._u = scheme._u[item]
        self._dual = self._u.new_zeros((len(self._spacing), *self._u.shape[1:]))
        self._since = 0.0
        self._found = _Found([], [], [])
        self.now, self.reached = 0.0, 0

    @property
    def time(self) -> float:
        """How far it is, in the caller's times; one that is asked for only once it was reached."""
        if self.reached == len(self._times):
            return self._asked[-1]
        share = self.now / self._times[self.reached]
        return min(share, 0.999) * self._asked[self.reached]

    def go_on(self, after: Tensor, z: Tensor, length: float, n_iter: int) -> None:
        """Take a step of ``length`` to ``after``, with all times that it passes."""
        if self.reached == len(self._times):
            return
        self._found.n_iter += n_iter
        if self._vanish():
            return
        end, begin, before = self.now + length, self.now, self._u
        while self.reached < len(self._times) and self._times[self.reached] <= end * (1 + 1e-9):
            time = self._times[self.reached]
            share = min((time - begin) / length, 1.0)
            self._move(before.lerp(after, share), z, time - self.now)
            self._note(time)
        self._move(after, z, end - self.now)
        self.now = end

    def _vanish(self) -> bool:
        """Go to the mean at once where a single step does, by the next time asked for."""
        wait = self._times[self.reached] - self.now
        last = LastStep.of(self._u[None], self._spacing)
        length = float(last.length[0]) * (1 + 1e-6)
        if length >= wait:
            return False
        if length > 0:
            self._move(last.mean[0], last.dual(np.array([length]))[0, 0], length)
        for time in self._times[self.reached :]:
            self._move(self._u, torch.zeros_like(self._dual), time - self.now)
            self._note(time)
        return True

    def _move(self, u: Tensor, z: Tensor, length: float) -> None:
        if length <= 0:
            return
        if self._request.bound:
            self._ledger.add_step(self._u[None], u[None], z[None, None], np.array([length]))
        if self._request.dual:
            self._dual += z * length
        self._u, self.now = u, self.now + length

    def _note(self, time: float) -> None:
        self.now = time
        self._found.u.append(self._u)
        self._found.bound.append(float(self._ledger.bound[0]))
        if self._request.dual:
            self._found.dual.append(self._dual / max(time - self._since, 1e-300))
            self._dual = torch.zeros_like(self._dual)
        self._since = time
        self.reached += 1

    def take(self, chosen: slice) -> _Found:
        """What was found at the ``chosen`` times, which is then forgotten."""
        count = chosen.stop - chosen.start
        found, rest = self._found, _Found([], [], [])
        for name in ("u", "dual", "bound"):
            values = getattr(found, name)
            setattr(rest, name, values[count:])
            setattr(found, name, values[:count])
        self._found = rest
        return found


def network(net: UnrolledNet, settings: NetworkSettings) -> Begin:
    """Steps of a network."""
    return lambda problem, request, report: NetworkIntegrator(
        problem, net, settings, request, report
    )
