r"""The work model and the accuracy control of the implicit Euler steps, with all their constants.

The error of a trajectory has two parts: that of the time steps, which falls with their number N,
and that of the dual solves, which falls with the number k of iterations in every step. The
functions here say how many of both to begin with, what error an interval may have, how large the
error probably is, and how the work changes after an attempt. The integrators only apply them.

Times are in standard deviations of the image on a grid of unit spacing, unless said otherwise. The
constants were fitted on photographs, cells, cartoons, discs and noise. ``step_control.py`` and
``automatic_steps.py`` of ``tests/calibration`` find them again; the figures in the comments are
from crops of 48 x 48 pixels, found on six and judged on six others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Iterations in a step of length s for a relative error tol:
#   k = _FEWEST_ITERATIONS + _ITERATIONS * s**_STEP_POWER * (1e-3 / tol)**_TOL_POWER
# Found 164, .94 and .75; the plan is off by a typical factor of 1.55 (theirs: 1.45), a third of the
# plans too low. Rather too many iterations than too few, which would make solves look converged.
_FEWEST_ITERATIONS, _ITERATIONS, _STEP_POWER, _TOL_POWER = 2, 150, 0.8, 0.7
# A limit of the arithmetic only: integers hold it.
_MOST_PLANNED_ITERATIONS = 1e9

# Time steps of a single iteration each, up to time t, with which the pair of trajectories below
# meets tol:
#   N = _STEPS * t**_STEPS_TIME_POWER * (1e-3 / tol)**_STEPS_TOL_POWER
# Few steps that are solved well take two to ten times as many iterations: the dual variable follows
# the flow closely enough by itself. Beyond the time _LONGEST every image has vanished.
_STEPS, _STEPS_TIME_POWER, _STEPS_TOL_POWER, _LONGEST = 325, 0.85, 0.72, 1e8
# Chambolle's iteration has no momentum and takes four iterations in every step.
ITERATIONS_OF_A_STEP = {"accelerated": 1, "projection": 4}

# From the time CYCLES_FROM on, multigrid cycles are cheaper. Every step has one cycle, which moves
# what is wide, and k iterations for the details. While the time grows by a factor q
#   N = _CYCLED_STEPS * log(q) * (1e-3 / tol)**_CYCLED_STEPS_TOL_POWER
#   k = _CYCLED_ITERATIONS * max(1, (axis / _CYCLED_AXIS)**.5 * (1e-3 / tol)**_CYCLED_TOL_POWER)
# With k = 16 and N = 32 log(q) the camera in 512 x 512 pixels takes 1.7 times as long, and with
# less than 16 the next cycle fails; k = 48 and N = 12 log(q) is as fast, but its estimates are too
# low.
# Intervals that grow by more than LARGEST_RATIO are divided: the steps grow with the time.
# A cycle takes as long as WORK_OF_A_CYCLE iterations.
CYCLES_FROM, LARGEST_RATIO, WORK_OF_A_CYCLE = 5.0, 2.0, 24
_CYCLED_STEPS, _CYCLED_STEPS_TOL_POWER = 22, 0.9
_CYCLED_ITERATIONS, _CYCLED_AXIS, _CYCLED_TOL_POWER = 32, 512, 0.3

# Of trajectories with N and 2N such steps the answer is u_2N + AHEAD (u_2N - u_N). Their error
# falls with N**-1 to N**-2, for which extrapolation is right with 1 and 1/3. The error of the
# answer is about PAIR * |u_2N - u_N|: on nine images of 96 x 96 it was .3 to .8 of the difference,
# at times from .1 to 17 and with 64 to 6400 steps. If PAIR were lower, tol would be missed.
AHEAD, PAIR = 0.4, 0.8
# Long steps with a cycle may lag behind the flow, both trajectories alike. So
# BEHIND * sqrt(2 step gap) is added, with the duality gap of the last solve. Without it one in ten
# of 145 errors on 25 images was 1.3 times the estimate, and one 2.6 times; with it 19 of 20 are
# below .85 of it.
BEHIND = 0.15
# error(2 u_2N - u_N) ~ EXTRAPOLATED * |u_2N - u_N| for well solved steps: four of five truths are
# below it (found .79), and nine of ten below 1.2 times that.
EXTRAPOLATED = 0.75
# error(u_2k) ~ TWICE_ITERATED * |u_2k - u_k|: the error of the solves falls with about k**-1.4.
# Four of five truths are below .85 of it (found .51), half of them below .6.
TWICE_ITERATED = 0.6
# error(solve) ~ GAP * sqrt(2 * step * gap): half of what the duality gap guarantees.
# Four of five truths are below .76 of it (found .38), nine of ten below it.
GAP = 0.5

# Error allowed at time t of a flow that ends at time T, relative to tol:
#   max((t / T)**_GROWTH_OF_ERROR, _LEAST_SHARE)
# The error grows fastest at first, when the smallest structures vanish, so early times are granted
# most of it; every later interval still gets a part of its own.
_GROWTH_OF_ERROR, _LEAST_SHARE = 0.05, 0.7

# Plan attempts for this part of the allowed error: lower, and they cost more; higher, and more of
# them are rejected.
AIM = 0.65
# If more work reduces the error by less than 15 %, twice in a row, and the error is below ROUNDED
# times the least tolerance that the arithmetic can meet, rounding dominates: stop.
STAGNANT, ROUNDED = 0.85, 10.0
# Never begin an interval with less than this part of the planned work: two trajectories that both
# lag behind the flow agree with each other.
LEAST_EFFORT = 0.6
# Below this tolerance float32 is not enough, as the rounding errors of thousands of short steps add
# up: the image is then computed in float64. At 1e-4 the mean of a row drifted by 1.2 tol. From 3e-4
# on float32 serves for images in float64, too: the results differ by less than a tenth of tol.
FINEST_FLOAT32 = 3e-4
# Give up on an interval that needs more steps in the coarse trajectory. Tolerances below eps**0.6
# drown in rounding, whatever the steps: they get MOST_STEPS_IN_VAIN, so that they end.
MOST_STEPS, MOST_STEPS_IN_VAIN = 2**22, 2**15

# Information travels one pixel per iteration. After CROSSINGS x the longest axis every pixel has
# influenced every other, and two solves that agree are both right.
CROSSINGS = 4


def iterations_for(step: np.ndarray, tol: float | np.ndarray, algorithm: str) -> np.ndarray:
    """Iterations in a step of length ``step`` for an error of ``tol`` deviations.

    Chambolle's iteration, without momentum, needs about the square.
    """
    plan = _FEWEST_ITERATIONS + _ITERATIONS * step**_STEP_POWER * (1e-3 / tol) ** _TOL_POWER
    if algorithm == "projection":
        plan = 4 + plan**2 / 4
    return np.minimum(plan, _MOST_PLANNED_ITERATIONS)


def steps_for(time: np.ndarray, tol: float) -> np.ndarray:
    """Steps of one iteration from 0 to ``time`` for an error of ``tol`` deviations."""
    growth = np.minimum(time, _LONGEST) ** _STEPS_TIME_POWER
    return np.maximum(_STEPS * growth * (1e-3 / tol) ** _STEPS_TOL_POWER, 1)


def cycled_steps_for(ratio: np.ndarray, tol: float) -> np.ndarray:
    """Steps with a cycle each, while the time grows by the factor ``ratio``, for ``tol``."""
    return np.maximum(_CYCLED_STEPS * np.log(ratio) * (1e-3 / tol) ** _CYCLED_STEPS_TOL_POWER, 1)


def cycled_iterations(n_pixels: int, tol: float) -> int:
    """Iterations after the cycle of a step, on an axis of ``n_pixels``."""
    growth = (n_pixels / _CYCLED_AXIS) ** 0.5 * (1e-3 / tol) ** _CYCLED_TOL_POWER
    return int(even(np.array(_CYCLED_ITERATIONS * max(growth, 1.0)), 2**20))


def allowed_share(time: float, horizon: np.ndarray) -> np.ndarray:
    """The part of the tolerance that is granted at ``time`` of a flow up to ``horizon``."""
    return np.clip((time / horizon) ** _GROWTH_OF_ERROR, _LEAST_SHARE, 1)


def effort_after_solve(effort: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Work, relative to the plan, of the next interval of given steps.

    ``ratio`` is the error over the allowed one. The error falls with about k**-1.4, so k in
    proportion to ratio**0.7 meets it; 2 keeps a margin.
    """
    return np.clip(effort * np.clip((2 * ratio) ** 0.7, 0.5, 1), 1 / 64, 64)


def change_of_effort(ratio: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """The factor by which the work of automatic steps changes after an attempt.

    ``ratio`` is the error over the allowed one. The error falls with about N**-1.2, and the next
    interval is to begin at AIM.
    """
    wanted = (ratio / AIM) ** 0.8
    return np.where(accepted, np.clip(wanted, 0.6, 1.2), np.clip(wanted, 1.3, 8))


def steps_in_intervals(n_steps: int, lengths: np.ndarray, total: float) -> np.ndarray:
    """The share of ``n_steps`` over ``total`` of intervals of ``lengths``; at least 1."""
    steps = np.ceil(n_steps * np.asarray(lengths) / total - 1e-9 * n_steps)
    return np.maximum(steps, 1).astype(np.int64)


def steps_by_time(steps: np.ndarray, time: np.ndarray, late: np.ndarray) -> np.ndarray:
    """How many of ``steps``, shape (n,), to take between ``time``, shape (M + 1, n); (M, n).

    Early ones are equally long, late ones grow with the time. At least one is taken where time
    passes; what short intervals take too many is taken from those after them.
    """
    start = np.where(late, time[0], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        passed = np.where(late, np.log(np.maximum(time, start) / start), time - time[0])
        ends = np.rint(steps * passed / passed[-1])
    counts = np.zeros((len(time) - 1, len(steps)), np.int64)
    done = np.zeros(len(steps))
    for m, end in enumerate(ends[1:]):
        counts[m] = np.maximum(end - done, time[m + 1] > time[m])
        done += counts[m]
    return counts


def even(n_iter: np.ndarray, largest: int) -> np.ndarray:
    """Round up to an even number, ``largest`` at most: an odd number of iterations oscillates."""
    return np.clip(2 * np.ceil(n_iter / 2), min(2, largest), largest).astype(np.int64)


def groups(*plans: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
    """Positions of the items with the same plan, and the plan: these take their steps together."""
    table = np.stack(plans, 1)
    for plan in np.unique(table, axis=0):
        yield np.flatnonzero((table == plan).all(1)), tuple(int(p) for p in plan)
