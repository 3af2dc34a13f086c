"""Find the constants of the error bound again: of the finer trajectory and the tracker.

More iterations in a step, or more steps: values are compared at the same work, by interpolation
between finer trajectories of more and more steps. The bound of a tracker falls with one over its
work, so the product of bound and CPU time is the merit, and of the nodes of a solve as well.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np
from images import images
from tuning import (
    Merit,
    Report,
    at_work,
    command_line,
    counted_iterations,
    geometric_mean,
    reference,
    rms,
)

from skimage_tvflow import ChambolleTVFlow, certify
from skimage_tvflow.core import certificate, tracker
from skimage_tvflow.core.integrators import automatic_steps

# The frames of a candidate, and those far apart that the largest number of iterations is for.
TIMES = tuple(np.linspace(0.1, 1.0, 10))
APART = (1.0, 3.0, 6.0)
REFINE = (1, 2, 4, 8, 16, 32)
# Iterations of an image.
WORK = 1200
# The tracker's, and how often it is timed.
EFFORT, ROUNDS = 2.0, 3


@functools.cache
def candidate(values: bytes, shape: tuple[int, ...], times: tuple[float, ...]):
    """A flow to the usual tolerance, with its dual variable, and its true error."""
    half = np.frombuffer(values).reshape(shape)
    result = ChambolleTVFlow(batch_axis=0).solve(half, times, return_dual=True, certify=False)
    return result, rms(result.u - reference(half, times))


def bound_at_work(times: tuple[float, ...]) -> Callable[[np.ndarray], Merit]:
    """Bound over true error, the mean of the times."""

    def merit(half: np.ndarray) -> Merit:
        result, error = candidate(half.tobytes(), half.shape, times)
        works, ratios = [], []
        for refine in REFINE:
            with counted_iterations() as count:
                found = certify(half, result.u, result.dual, times, refine=refine, batch_axis=0)
            ratios.append(geometric_mean(found.error_bound / np.maximum(error, 1e-5)))
            works.append(count[0] / len(half))
        return Merit(at_work(WORK, works, ratios))

    return merit


def timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What ``call`` returns, and its least CPU time."""
    spent = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        found = call()
        spent.append(time.process_time() - begin)
    return found, min(spent)


def bound_times_price(
    solve: Callable[[np.ndarray], np.ndarray], times: tuple[float, ...]
) -> Callable[[np.ndarray], Merit]:
    """Bound over true error, times the CPU time."""

    def merit(half: np.ndarray) -> Merit:
        _, error = candidate(half.tobytes(), half.shape, times)
        bound, seconds = timed(lambda: solve(half))
        ratio = geometric_mean(bound / np.maximum(error, 1e-5))
        return Merit(ratio * seconds, f"({ratio:.3g}, {seconds:.2g} s)")

    return merit


def tracked(times: tuple[float, ...]) -> Callable[[np.ndarray], Merit]:
    """The merit of the tracker."""

    def bound(half: np.ndarray) -> np.ndarray:
        result, _ = candidate(half.tobytes(), half.shape, times)
        return certify(half, result.u, None, times, effort=EFFORT, batch_axis=0).error_bound

    return bound_times_price(bound, times)


def solved(half: np.ndarray) -> np.ndarray:
    """The bound that comes with a solve."""
    return ChambolleTVFlow(batch_axis=0).solve(half, APART).error_bound


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report(f"The finer trajectory, {WORK} iterations")
    near, apart = bound_at_work(TIMES), bound_at_work(APART)
    report.search(certificate, "_FINER_TOL", [5e-5, 1e-4, 4e-4, 1e-3, 3e-3], near, halves)
    report.search(certificate, "_LEAST_ITERATIONS", [2, 4, 8, 20, 30], near, halves)
    report.search(certificate, "_MOST_ITERATIONS", [50, 100, 200, 800], apart, halves)
    report.show("bound / true error")
    report = Report("The tracker, and that of a solve")
    report.search(tracker, "_POWER", [1.0, 1.25, 2.0], tracked(APART), halves)
    report.search(tracker, "_STEPS_OF_A_NODE", [4, 6, 12, 16], tracked(APART), halves)
    own = bound_times_price(solved, APART)
    report.search(automatic_steps, "_TRACKED", [0.3, 1.2], own, halves)
    report.search(automatic_steps, "_LEAST_TRACKED", [100, 1000], own, halves)
    report.show("bound / true error times the CPU time")


if __name__ == "__main__":
    main()
