"""Follow the flow of one image so closely that it says how far any other image is from it.

Where a bound of a few well solved time steps is loose, hardly any of the slack is the solver's: it
is the curvature of the flow between them, and only shorter steps reduce it. So a step is a single
iteration here, and the bound, that of the energy balance, falls with one over their number.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.protocol import ROUNDING
from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.operators import distance, exact_dtype
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.core.step_control import steps_for

# The unit of the effort: the steps of a solve at tol = _TOL, in _TRAJECTORIES of N and 2N steps.
_TOL, _TRAJECTORIES = 1e-3, 3
# The n-th of N nodes is at the time (n / N)**_POWER of the whole: many merging events are early.
# Found 2 on late times, where it is 5 % better; early ones prefer 1. Between two nodes are
# _STEPS_OF_A_NODE steps: with 8 the bound is 5 to 15 % lower, at 1.4 to 1.7 times the CPU time.
_POWER, _STEPS_OF_A_NODE = 1.5, 16


class Tracker:
    """The trajectory of one item of a problem, from 0 to its last time.

    Parameters
    ----------
    problem : Problem
    item : int
    last : float, the time up to which it is needed, in the units of the problem
    effort : float > 0, the work in that of a solve with ``tol=1e-3``
    """

    def __init__(self, problem: Problem, item: int, last: float, effort: float) -> None:
        u = problem.u[item : item + 1]
        self._at = u.to(exact_dtype(u))
        self._trajectory = backends.start(self._at, problem.spacing, "accelerated")
        self._error_bound = ErrorBound(problem.rounding[item : item + 1], problem.spacing)
        self._error_bound.look(self._at)
        self._now = 0.0
        # There is nothing to follow where the flow has ended.
        self._span = min(last, float(self._error_bound.latest_end[0]))
        spread = float(problem.deviation[item]) or 1.0
        sweeps = effort * _TRAJECTORIES * float(steps_for(np.array(self._span / spread), _TOL))
        self._n_nodes = math.ceil(sweeps / _STEPS_OF_A_NODE)

    def advance(self, time: float, report: Report | None) -> None:
        """Go on to ``time``, or to where the flow has certainly ended."""
        nodes = self._nodes_until(min(time, self._span))
        everyone = np.arange(1)
        for k, node in enumerate(nodes):
            if self._now >= self._error_bound.latest_end[0]:
                return
            length = np.array([node - self._now])
            part = share_of(report, k / len(nodes), (k + 1) / len(nodes))
            step = length[None] / _STEPS_OF_A_NODE
            self._trajectory.advance(everyone, [_STEPS_OF_A_NODE], step, 1, report=part)
            after = self._trajectory.primal(everyone)
            self._error_bound.add_euler_steps(self._at, after, length, _STEPS_OF_A_NODE)
            self._at, self._now = after, node

    def _nodes_until(self, end: float) -> list[float]:
        if end <= self._now:
            return []
        begin, stop = (
            self._n_nodes * (time / self._span) ** (1 / _POWER) for time in (self._now, end)
        )
        count = max(math.ceil(stop - begin - 1e-9), 1)
        positions = np.linspace(begin, stop, count + 1)[1:] / self._n_nodes
        nodes = np.maximum(self._span * positions**_POWER, self._now)
        return [*nodes[:-1].tolist(), end]

    def bound(self, candidate: Tensor, time: float) -> float:
        """The bound of the error of an image at ``time``, where the tracker is or has stopped."""
        bound = self._error_bound.after_end(candidate, np.array([time]))
        if self._now == time:
            apart = distance(candidate, self._at).cpu().numpy() * (1 + ROUNDING)
            bound = np.minimum(bound, self._error_bound.value + apart)
        return float(bound[0])
