"""Find the steps of the network again: its accuracy against the flow at the same work.

The lengths of the steps in training follow from WINDOW as well. A network would have to be trained
anew for each value; here the trained one is taken.
"""

from __future__ import annotations

from unittest import mock

import numpy as np
from images import images
from tuning import Merit, Report, at_work, command_line, geometric_mean, reference, rms

from skimage_tvflow import TVFlowNet
from skimage_tvflow.core.integrators import network, network_guard

TIMES = (0.1, 0.4, 1.6, 6.4)
N_STEPS = 16
# Steps in a standard deviation of time within the window, and the iterations to compare at.
DENSITIES, WORK = (6, 12, 24, 48, 96), 140


def accuracy(half: np.ndarray, n_steps: int) -> tuple[np.ndarray, float]:
    """True errors in deviations, (T, n), and the iterations of an image."""
    net = TVFlowNet.from_pretrained("natural-2d", n_steps=n_steps, batch_axis=0)
    result = net.solve(half.astype(np.float32), TIMES, certify=False)
    return rms(result.u - reference(half, TIMES)), geometric_mean(result.n_iter)


def at_equal_work(half: np.ndarray) -> Merit:
    """The error of as many steps as take the same work in all."""
    errors, works = [], []
    for density in DENSITIES:
        found, work = accuracy(half, max(1, round(density * network.WINDOW)))
        errors.append(geometric_mean(found))
        works.append(work)
    return Merit(at_work(WORK, works, errors))


def patterns(half: np.ndarray) -> np.ndarray:
    """What the network has not learned: single pixels, a checkerboard, stripes, on the images."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices(half.shape[1:])
    spots = half + 10 * (rng.random(half.shape) < 0.01)
    checks = half / 4 + (-1.0) ** (rows + columns)
    stripes = half / 4 + (-1.0) ** rows
    stack = np.concatenate([spots[:2], checks[:2], stripes[:2]])
    stack -= stack.mean((1, 2), keepdims=True)
    return stack / stack.std((1, 2), keepdims=True)


def on_patterns(half: np.ndarray) -> Merit:
    """Error on what was not learned; with the time of the solves that rescue it."""
    rescues = []
    solved = network_guard.solved

    def counting(g, z, previous, n_iter, spacing):
        if z is previous:  # a rescue, and not the comparison
            rescues.append(len(g) * n_iter)
        return solved(g, z, previous, n_iter, spacing)

    with mock.patch.object(network_guard, "solved", counting):
        errors, _ = accuracy(patterns(half), N_STEPS)
    return Merit(geometric_mean(errors), f"({sum(rescues) / len(errors[0]):.0f})")


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report("The steps of the network")
    report.search(network, "WINDOW", [0.2, 0.4, 1.6, 3.2], at_equal_work, halves)
    report.search(network, "_GROWTH", [0.0, 0.25, 0.75, 0.9], at_equal_work, halves)
    report.show(f"error in deviations of {WORK} iterations in all")
    report = Report("Steps in which the solver does better than the network")
    report.search(network_guard, "_RESCUE", [2, 4, 16, 32], on_patterns, halves)
    report.search(network_guard, "_TRUST", [0.2, 0.7, 0.9], on_patterns, halves)
    report.show("error in deviations on patterns that were not learned (iterations of the rescue)")


if __name__ == "__main__":
    main()
