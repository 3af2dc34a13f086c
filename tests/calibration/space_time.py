"""Find the constants of the minimisation over all times at once again.

The truth is the implicit Euler steps whose minimum it is, solved tight.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from unittest import mock

import numpy as np
from images import images
from sklearn.exceptions import ConvergenceWarning
from tuning import Merit, Report, command_line, geometric_mean, rms

from skimage_tvflow import ChambolleTVFlow, JointSpaceTimeTVFlow
from skimage_tvflow.core.backends.numba import space_time as compiled
from skimage_tvflow.core.backends.torch import space_time as plain
from skimage_tvflow.core.integrators import space_time

# An early flow and a late one, in standard deviations, and the time steps of each.
CASES = ((0.5, 10), (10.0, 20))
TOL = 2e-3
ESTIMATE_BY_GAP_ALONE = {"_LATER": 1e9}
ESTIMATE_BY_CHANGE_ALONE = {"_GAP": 1e9, "_PESSIMISM": 1e30}


def solve(half: np.ndarray, t: float, n_times: int, tol: float = TOL):
    """The result for a stack, at half of the time and all of it."""
    flow = JointSpaceTimeTVFlow(n_times=n_times, tol=tol, max_num_iter=4000, batch_axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return flow.solve(half, [t / 2, t], certify=False)


def euler(half: np.ndarray, t: float, n_times: int) -> np.ndarray:
    """The same implicit Euler steps, solved tight."""
    return _euler(half.tobytes(), half.shape, t, n_times)


@functools.cache
def _euler(values: bytes, shape: tuple[int, ...], t: float, n_times: int) -> np.ndarray:
    flow = ChambolleTVFlow(n_steps=n_times, order=1, tol=None, max_num_iter=1000, batch_axis=0)
    return flow.transform(np.frombuffer(values).reshape(shape), [t / 2, t])


def cost(measured: Callable[..., np.ndarray]) -> Callable[[np.ndarray], Merit]:
    """What is ``measured`` of a solve, with the share of frames that miss tol."""

    def merit(half: np.ndarray) -> Merit:
        costs, missed = [], []
        for case in CASES:
            begin = time.process_time()
            result = solve(half, *case)
            seconds = time.process_time() - begin
            error = rms(result.u - euler(half, *case)) / TOL
            costs.append(measured(result.n_iter, error.max(0), seconds))
            missed.append(np.mean(error > 1))
        return Merit(geometric_mean(np.array(costs)), f"({np.mean(missed):.0%})")

    return merit


def iterations_to_truth(half: np.ndarray) -> Merit:
    """Iterations until the true error is tol: what the step length alone decides."""
    tried, needed = (25, 50, 100, 200, 400, 800), []
    for case in CASES:
        truth, errors = euler(half, *case), []
        for n_iter in tried:
            flow = JointSpaceTimeTVFlow(
                n_times=case[1], tol=1e-12, max_num_iter=n_iter, batch_axis=0
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                errors.append(rms(flow.transform(half, [case[0] / 2, case[0]]) - truth).max(0))
        falling = np.log(np.minimum.accumulate(np.array(errors), 0))
        for column in falling.T:
            needed.append(np.exp(np.interp(-np.log(TOL), -column, np.log(tried))))
    return Merit(geometric_mean(np.array(needed)))


def relaxed(half: np.ndarray) -> Merit:
    """The same, where the compiled iteration takes the relaxation of the plain one."""
    with mock.patch.object(compiled, "RELAXATION", plain.RELAXATION):
        return iterations_to_truth(half)


def gap_ratios(half: np.ndarray) -> np.ndarray:
    """Truth over sqrt(gap), early in the flow, where the gap is a good measure."""
    with mock.patch.multiple(space_time, **ESTIMATE_BY_GAP_ALONE):
        result = solve(half, *CASES[0])
    return space_time._GAP * rms(result.u - euler(half, *CASES[0])) / result.error_estimate


def change_ratios(half: np.ndarray) -> np.ndarray:
    """Truth over the change of the image, late in the flow, where the gap is too large."""
    with mock.patch.multiple(space_time, **ESTIMATE_BY_CHANGE_ALONE):
        result = solve(half, *CASES[1])
    truth = rms(result.u - euler(half, *CASES[1]))
    return space_time._CHANGE * truth / np.maximum(result.error_estimate, 1e-12)


def pessimism(half: np.ndarray) -> np.ndarray:
    """By how much the gap is too large late in the flow."""
    with mock.patch.multiple(space_time, **ESTIMATE_BY_GAP_ALONE):
        result = solve(half, *CASES[1], tol=3 * TOL)
    return result.error_estimate / np.maximum(rms(result.u - euler(half, *CASES[1])), 1e-12)


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report("The step of the primal-dual iteration")
    step = space_time._STEP
    steps = [step / 4, step / 2, step * 2, step * 4]
    report.search(space_time, "_STEP", steps, iterations_to_truth, halves)
    report.search(plain, "RELAXATION", [1.0, 1.5, 1.7], relaxed, halves)
    report.show(f"iterations until the true error is {TOL} deviations")

    report = Report("The estimates of the error")
    report.measure(space_time, "_GAP", gap_ratios, halves)
    report.measure(space_time, "_CHANGE", change_ratios, halves)
    report.measure(space_time, "_PESSIMISM", pessimism, halves)
    report.show(
        "factor between estimate and truth (truth / estimate at 10, 50, 90 % of the frames)"
    )

    report = Report("When the error is estimated")
    by_error = cost(lambda n_iter, error, seconds: geometric_mean(n_iter * error))
    by_time = cost(lambda n_iter, error, seconds: seconds)
    report.search(space_time, "_LATER", [1.2, 2.0, 3.0], by_error, halves)
    report.show("iterations x error / tol (frames that miss tol)")
    report = Report("How often the gap is evaluated")
    report.search(space_time, "_BETWEEN", [5, 20, 40], by_time, halves)
    report.show("CPU seconds (frames that miss tol)")


if __name__ == "__main__":
    main()
