"""Find the solves of the finer trajectory of the error bound again.

The bound falls with the work of the finer trajectory, at first about in proportion, so bound times
work tells what a value is worth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from images import images
from tuning import Merit, Report, command_line, counted_iterations, geometric_mean, reference, rms

from skimage_tvflow import ChambolleTVFlow, certify
from skimage_tvflow.core import error_bound

# The frames of a candidate, and those far apart that the largest number of iterations is for.
TIMES = tuple(np.linspace(0.1, 1.0, 10))
APART = (2.0, 8.0, 32.0)
REFINE = 4


@functools.cache
def candidate(values: bytes, shape: tuple[int, ...], times: tuple[float, ...]):
    """A flow to the usual tolerance, with its dual variable, and its true error."""
    half = np.frombuffer(values).reshape(shape)
    result = ChambolleTVFlow(batch_axis=0).solve(half, times, return_dual=True, certify=False)
    return result, rms(result.u - reference(half, times))


def bound_and_work(times: tuple[float, ...]) -> Callable[[np.ndarray], Merit]:
    """Bound over true error at the last time, times the iterations."""

    def merit(half: np.ndarray) -> Merit:
        result, error = candidate(half.tobytes(), half.shape, times)
        with counted_iterations() as count:
            found = certify(half, result.u, result.dual, times, refine=REFINE, batch_axis=0)
        ratio = geometric_mean(found.error_bound[-1] / np.maximum(error[-1], 1e-6))
        work = count[0] / len(half)
        return Merit(ratio * work, f"({ratio:.3g}, {work:.0f})")

    return merit


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report(f"The finer trajectory, {REFINE} steps in an interval")
    near, apart = bound_and_work(TIMES), bound_and_work(APART)
    report.search(error_bound, "_FINER_TOL", [5e-5, 1e-4, 4e-4, 1e-3, 3e-3], near, halves)
    report.search(error_bound, "_LEAST_ITERATIONS", [2, 4, 8, 20, 30], near, halves)
    report.search(error_bound, "_MOST_ITERATIONS", [50, 100, 200, 800], apart, halves)
    report.show("bound / true error x iterations (bound / error, iterations)")


if __name__ == "__main__":
    main()
