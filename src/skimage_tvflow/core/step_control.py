"""How many steps and iterations to begin with; the control corrects what does not fit.

Times are in standard deviations of the image on a grid of unit spacing. The formulas are fitted on
photographs at T = .2 to 20.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def iterations_for(step: np.ndarray, tol: float, algorithm: str) -> np.ndarray:
    """Iterations in every step of length ``step`` for an error of ``tol`` deviations.

    Chambolle's iteration, without momentum, needs about the square.
    """
    plan = 2 + 150 * step**0.8 * (1e-3 / tol) ** 0.7
    if algorithm == "projection":
        plan = 4 + plan**2 / 4
    return np.minimum(plan, 1e9)


# By then all but the most anisotropic images have vanished.
_LONGEST = 1e8


def balanced_steps(time: np.ndarray, tol: float) -> np.ndarray:
    """Steps from 0 to ``time`` which, with as many iterations in each, are exact to ``tol``.

    That many of both make the errors of time and iteration alike, after one extrapolation.
    """
    time = np.minimum(time, _LONGEST)
    return np.maximum(24.5 * (time / 1.4) ** 0.21 * (1e-3 / tol) ** 0.35, 1)


def steps_in_intervals(n_steps: int, lengths: np.ndarray, total: float) -> np.ndarray:
    """What intervals of ``lengths`` get of ``n_steps`` over ``total``: at least one."""
    steps = np.ceil(n_steps * np.asarray(lengths) / total - 1e-9 * n_steps)
    return np.maximum(steps, 1).astype(np.int64)


def even(n_iter: np.ndarray, largest: int) -> np.ndarray:
    """Round up to an even number, ``largest`` at most: an odd number of iterations oscillates."""
    return np.clip(2 * np.ceil(n_iter / 2), min(2, largest), largest).astype(np.int64)


def groups(*plans: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
    """Positions with the same plan, and the plan: they are marched together."""
    table = np.stack(plans, 1)
    for plan in np.unique(table, axis=0):
        yield np.flatnonzero((table == plan).all(1)), tuple(int(p) for p in plan)
