"""Find the solves of the finer trajectory of the error bound again.

More iterations in a step, or more steps: values are compared at the same work, by interpolation
between finer trajectories of more and more steps.
"""

from __future__ import annotations

import functools
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
from skimage_tvflow.core import certificate

# The frames of a candidate, and those far apart that the largest number of iterations is for.
TIMES = tuple(np.linspace(0.1, 1.0, 10))
APART = (1.0, 3.0, 6.0)
REFINE = (1, 2, 4, 8, 16, 32)
# Iterations of an image.
WORK = 1200


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


if __name__ == "__main__":
    main()
