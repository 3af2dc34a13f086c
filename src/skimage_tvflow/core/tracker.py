"""Follow the flow so closely that the distance of any image from it is known.

Where a bound of a few well solved time steps is loose, hardly any of the slack is the solver's: it
is the curvature of the flow between them, and only shorter steps reduce it. So a step is a single
iteration here, and the bound, that of the energy balance, falls with one over their number.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.protocol import ROUNDING
from skimage_tvflow.core.error_bound import ErrorBound
from skimage_tvflow.core.operators import distance, exact_dtype, take
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.core.step_control import groups, steps_for

# The unit of the effort: the steps of a solve at tol = _TOL, in _TRAJECTORIES of N and 2N steps.
_TOL, _TRAJECTORIES = 1e-3, 3
# The n-th of N nodes is at the time (n / N)**_POWER of the whole: many merging events are early.
# Found 2 on late times, where it is 5 % better; early ones prefer 1. Between two nodes are
# _STEPS_OF_A_NODE steps: with 8 the bound is 5 to 15 % lower, at 1.4 to 1.7 times the CPU time.
_POWER, _STEPS_OF_A_NODE = 1.5, 16


class Tracker:
    """A trajectory of all items of a problem, in float64, and the bound of its error.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._at = problem.u.to(exact_dtype(problem.u))
        self._trajectory = backends.start(self._at, problem.spacing, "accelerated", problem.domain)
        self._error_bound = ErrorBound(problem.rounding, problem.spacing, problem.domain)
        self._error_bound.look(self._at)
        self._now = np.zeros(len(problem.rounding))
        self._spread = np.where(problem.deviation > 0, problem.deviation, 1.0)

    def plan(self, times: np.ndarray, effort: float) -> np.ndarray:
        """Steps up to each of the ``times``, shape (T, N), since the one before; shape (T, N).

        The effort is the work in that of a solve with ``tol=1e-3``.
        """
        # There is nothing to follow where the flow has ended.
        span = np.minimum(times[-1], self._error_bound.latest_end)
        total = effort * _TRAJECTORIES * steps_for(span / self._spread, _TOL)
        passed = np.divide(np.minimum(times, span), span, out=np.ones_like(times), where=span > 0)
        return total * np.diff(passed ** (1 / _POWER), axis=0, prepend=0)

    def advance(self, times: np.ndarray, n_steps: np.ndarray, report: Report | None) -> None:
        """Go on to ``times``, or to where the flow has certainly ended, both of shape (N,).

        Every item takes at least its ``n_steps``, a number that need not be whole.
        """
        ends = np.minimum(times, self._error_bound.latest_end)
        moving = np.flatnonzero(ends > self._now)
        n_nodes = np.maximum(np.ceil(n_steps[moving] / _STEPS_OF_A_NODE - 1e-9), 1)
        done, total = 0.0, n_nodes.sum()
        # An item is followed as it is alone, whatever is in the batch besides.
        for where, (count,) in groups(n_nodes.astype(np.int64)):
            items, begun = moving[where], done
            done += count * len(items)
            part = share_of(report, begun / total, done / total)
            self._advance(items, ends[items], count, part)

    def _advance(
        self, items: np.ndarray, end: np.ndarray, n_nodes: int, report: Report | None
    ) -> None:
        begin = self._now[items]
        positions = np.linspace((begin / end) ** (1 / _POWER), 1, n_nodes + 1)[1:-1]
        nodes = [begin, *np.maximum(end * positions**_POWER, begin), end]
        bound, before = self._error_bound.branch(items), take(self._at, items)
        for k, (start, stop) in enumerate(itertools.pairwise(nodes)):
            lengths = stop - start
            part = share_of(report, k / n_nodes, (k + 1) / n_nodes)
            step = lengths[None] / _STEPS_OF_A_NODE
            self._trajectory.advance(items, [_STEPS_OF_A_NODE], step, 1, report=part)
            after = self._trajectory.primal(items)
            bound.add_euler_steps(before, after, lengths, _STEPS_OF_A_NODE)
            before = after
            if (stop >= bound.latest_end).all():
                end = stop
                break
        self._error_bound.accept(items, bound)
        self._now[items] = end
        self._at = self._at.index_put((torch.as_tensor(items),), before)

    def bound(self, candidates: Tensor, times: np.ndarray) -> np.ndarray:
        """Bound the errors of images at ``times``, where the tracker is or the flow has ended."""
        apart = distance(candidates, self._at).cpu().numpy() * (1 + ROUNDING)
        through = np.where(self._now == times, self._error_bound.value + apart, np.inf)
        return np.minimum(through, self._error_bound.after_end(candidates, times))
