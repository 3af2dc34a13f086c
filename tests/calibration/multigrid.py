"""Find the multigrid cycle again: by its error at late steps, and by the work of late times.

The first table takes single steps, the second whole flows to late times.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from images import Halves, images_of
from sklearn.exceptions import ConvergenceWarning
from tuning import Merit, Report, command_line, counted_iterations, geometric_mean, rms

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.core import momentum, step_control
from skimage_tvflow.core.backends import coarse_grids
from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory
from skimage_tvflow.estimators.result import TVFlowResult

# Lengths of a step, and the times of a flow, in deviations.
LENGTHS, TIMES = (0.3, 1.0, 3.0), (3.0, 10.0, 30.0)


def after(half: np.ndarray, length: float, n_iter: int, n_cycles: int) -> np.ndarray:
    """Three steps of ``length``, after the same time in many short ones."""
    u = torch.from_numpy(half[:, None].copy())
    trajectory, items = NumbaTrajectory(u, (1.0, 1.0)), np.arange(len(u))
    trajectory.advance(items, [400], np.full((1, len(u)), length / 400), 1)
    trajectory.advance(items, [3], np.full((1, len(u)), length), n_iter, n_cycles=n_cycles)
    return trajectory.primal(items).numpy()[:, 0]


@functools.cache
def _truth(values: bytes, shape: tuple[int, ...], length: float) -> np.ndarray:
    return after(np.frombuffer(values).reshape(shape), length, 1600, 40)


def step_cost(half: np.ndarray) -> Merit:
    """Error of single steps times the time that they take."""
    errors, begin = [], time.process_time()
    found = [after(half, length, 16, 1) for length in LENGTHS]
    spent = (time.process_time() - begin) / len(LENGTHS) / len(half)
    for length, u in zip(LENGTHS, found, strict=True):
        errors.append(rms(u - _truth(half.tobytes(), half.shape, length)))
    error = geometric_mean(np.maximum(np.concatenate(errors), 1e-7))
    return Merit(error * spent * 1e6, f"({error:.1e}, {1e3 * spent:.1f} ms)")


def cycle_over_iteration(half: np.ndarray) -> np.ndarray:
    """How many iterations take as long as a cycle."""
    ratios = []
    for image in half[:3]:
        u = torch.from_numpy(image[None, None].copy())
        trajectory, first = NumbaTrajectory(u, (1.0, 1.0)), np.arange(1)
        costs = []
        for n_cycles in (0, 1):
            trajectory.advance(first, [1], np.ones((1, 1)), 16, n_cycles=n_cycles)
            begin = time.process_time()
            trajectory.advance(first, [20], np.ones((1, 1)), 16, n_cycles=n_cycles)
            costs.append((time.process_time() - begin) / 20)
        ratios.append(16 * (costs[1] - costs[0]) / costs[0])
    return np.array(ratios)


def late(half: np.ndarray, tol: float) -> TVFlowResult:
    """A flow to late times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return ChambolleTVFlow(tol=tol, batch_axis=0).solve(half, TIMES, certify=False)


@functools.cache
def _late_truth(values: bytes, shape: tuple[int, ...], tol: float) -> np.ndarray:
    return late(np.frombuffer(values).reshape(shape), tol).u


def late_errors(half: np.ndarray, tol: float, u: np.ndarray) -> np.ndarray:
    """True errors at late times, in deviations."""
    truth = _late_truth(half.tobytes(), half.shape, tol / 10)
    return rms(u - truth, 2) / half.std((1, 2))


def flow_cost(tol: float) -> Callable[[np.ndarray], Merit]:
    """Iterations of flows to late times, with the largest true error over tol."""

    def merit(half: np.ndarray) -> Merit:
        with counted_iterations() as count:
            found = late(half, tol)
        worst = late_errors(half, tol, found.u).max() / tol
        return Merit(count[0] / len(half), f"(error / tol {worst:.2f})")

    return merit


def late_ratios(half: np.ndarray) -> np.ndarray:
    """True errors at late times over their estimates, as if these were BEHIND alone."""
    found = late(half, 1e-3)
    estimates = found.error_estimate / half.std((1, 2))
    alive = estimates > 1e-5
    return step_control.BEHIND * (late_errors(half, 1e-3, found.u) / estimates)[alive]


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves: Halves = images_of(options.folder, options.quick, 96 if options.quick else 256)
    report = Report("The cycle")
    report.search(coarse_grids, "SWEEPS", [2, 4], step_cost, halves)
    report.search(coarse_grids, "COARSEST_SWEEPS", [8, 40], step_cost, halves)
    report.search(coarse_grids, "LEAST_PIXELS", [8, 32], step_cost, halves)
    report.search(coarse_grids, "TWICE", [1, 3, 9], step_cost, halves)
    report.search(coarse_grids, "SATURATED", [0.64, 0.98, 0.9998], step_cost, halves)
    after_cycle = [(beta, 0.25, 0.9) for beta in (0.8, 0.9, 0.96)]
    report.search(momentum, "_AFTER_CYCLE", after_cycle, step_cost, halves)
    in_cycle = [(beta, 0.25, 0.9) for beta in (0.5, 0.6, 0.8)]
    report.search(momentum, "_IN_CYCLE", in_cycle, step_cost, halves)
    report.show("error x time of steps with 16 iterations and a cycle (error, time of an image)")
    report = Report("A cycle in iterations")
    report.measure(step_control, "WORK_OF_A_CYCLE", cycle_over_iteration, halves, quantile=0.5)
    report.show("factor between the constant and what is measured")
    report = Report("Late times")
    usual, tight = flow_cost(1e-3), flow_cost(1e-4)
    report.search(step_control, "CYCLES_FROM", [1.5, 3.0, 8.0], usual, halves)
    report.search(step_control, "LARGEST_RATIO", [1.4, 3.0], usual, halves)
    report.search(step_control, "_CYCLED_STEPS", [16, 32], usual, halves)
    report.search(step_control, "_CYCLED_ITERATIONS", [16, 24, 48], usual, halves)
    report.search(step_control, "_CYCLED_STEPS_TOL_POWER", [0.7, 1.1], tight, halves)
    report.search(step_control, "_CYCLED_TOL_POWER", [0.0, 0.6], tight, halves)
    report.show("iterations, a cycle counted as those that take as long")
    report = Report("The error estimate of late times")
    report.measure(step_control, "BEHIND", late_ratios, halves, quantile=0.95)
    report.show("factor between truth and estimate (10, 50, 90 % of the frames)")


if __name__ == "__main__":
    main()
