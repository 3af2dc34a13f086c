"""Find the control of the automatic steps again, by what it costs to be how accurate.

The product of iterations and true error is the merit: one can always buy accuracy by iterations,
about in proportion. How often the truth is above ``tol`` stands beside it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from images import Halves, images, rows
from sklearn.exceptions import ConvergenceWarning
from tuning import Merit, Report, command_line, geometric_mean, reference, rms

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.core import step_control

TIMES, TOL = (0.1, 0.5, 2.5), 1e-3
# What float32 can hardly hold: attempts end by stagnation, after very many iterations.
TIGHT, SMALL = 2e-5, slice(12, 36)


def errors_and_work(half: np.ndarray, tol: float, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """True errors over tol, (T, n), and iterations, (n,)."""
    flow = ChambolleTVFlow(tol=tol, batch_axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = flow.solve(half.astype(dtype), TIMES, certify=False)
    truth = reference(half, TIMES)
    return rms(result.u - truth, half.ndim - 1) / tol, result.n_iter


def cost(tol: float, dtype: type) -> Callable[[np.ndarray], Merit]:
    """Iterations times error, with the share of frames that miss tol."""

    def merit(half: np.ndarray) -> Merit:
        errors, work = errors_and_work(half, tol, dtype)
        worst = errors.max(0)
        note = f"({geometric_mean(work):.0f}, {np.mean(errors > 1):.0%})"
        return Merit(geometric_mean(work * worst), note)

    return merit


def lagging(half: np.ndarray) -> np.ndarray:
    """Iterations over the longest axis after which two solves that agree are both right."""
    longest, times = half.shape[1], half.shape[1] * 0.1
    scheme = {"n_steps": 1, "order": 1, "tol": None, "batch_axis": 0}
    shares = (0.25, 0.5, 1, 2, 4, 8, 16, 32)
    tried = [
        ChambolleTVFlow(max_num_iter=int(share * longest), **scheme).transform(half, times)
        for share in (*shares, 200)
    ]
    wrong = np.zeros(len(half))
    for share, one, two in zip(shares, tried, tried[1:], strict=False):
        truth, estimate = rms(two - tried[-1], 1), step_control.TWICE_ITERATED * rms(two - one, 1)
        wrong[(truth > 1.5 * estimate) & (truth > TOL)] = 2 * share
    return np.maximum(wrong, shares[0])


def crossings(report: Report, halves: Halves) -> None:
    """The limit on iterations that only the size of the image sets."""
    report.measure(step_control, "CROSSINGS", lagging, halves, quantile=0.95)
    report.show("factor between the limit and what an image needs (needed / limit)")


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report(f"Automatic steps, tol = {TOL}")
    usual, tight = cost(TOL, np.float64), cost(TIGHT, np.float32)
    small = Halves(halves.fit[:, SMALL, SMALL].copy(), halves.judge[:, SMALL, SMALL].copy())
    report.search(step_control, "_GROWTH_OF_ERROR", [0.0, 0.5, 1.0], usual, halves)
    report.search(step_control, "_LEAST_SHARE", [0.03, 0.3], usual, halves)
    report.search(step_control, "AIM", [0.5, 0.8], usual, halves)
    report.search(step_control, "LEAST_EFFORT", [0.15, 0.3, 1.0], usual, halves)
    report.search(step_control, "STAGNANT", [0.6, 0.95], tight, small)
    report.search(step_control, "ROUNDED", [3.0, 30.0], tight, small)
    report.search(step_control, "FINEST_FLOAT32", [1e-5, 1e-3], tight, small)
    report.show("iterations x error / tol (iterations, frames that miss tol)")
    crossings(Report("Iterations by the size of the image"), rows(options.quick))


if __name__ == "__main__":
    main()
