"""Find the constants of the rough flow and of the knots again."""

from __future__ import annotations

import time

import numpy as np
import torch
from images import images
from tuning import Merit, Report, command_line, geometric_mean, reference, rms

from skimage_tvflow import extinction_time, scale_space
from skimage_tvflow.spectral import coarse_flow, halved_grid, knots

# Parts of the extinction time at which a rough flow is judged.
PARTS = (0.003, 0.03, 0.1, 0.3, 0.7)
TOL = 3e-3


def judged(half: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Every image with times and the flow there."""
    result = []
    for image in half:
        times = np.multiply(PARTS, extinction_time(image, rtol=0.05))
        result.append((image, times, reference(image[None], tuple(times.tolist()))[:, 0]))
    return result


def rough_errors(half: np.ndarray) -> tuple[np.ndarray, float]:
    """RMS errors over the expected ones with ``_ERROR`` = 1, and the CPU time of an image."""
    ratios, spent = [], 0.0
    for image, times, truth in judged(half):
        begin = time.process_time()
        tensor = torch.from_numpy(image)[None, None]
        rough = coarse_flow.rough_flow(tensor, (1.0,) * image.ndim, None)
        spent += time.process_time() - begin
        at = np.array([frame.time for frame in rough.frames])
        frames = np.stack([frame.image()[0, 0].numpy().ravel() for frame in rough.frames])
        for t, exact in zip(times, truth, strict=True):
            u = np.array([np.interp(t, at, pixel) for pixel in frames.T]).reshape(image.shape)
            expected = np.interp(t, at, rough.error[:, 0]) / coarse_flow._ERROR
            ratios.append(rms(u - exact, image.ndim) / expected)
    return np.array(ratios), spent / len(half)


def rough(half: np.ndarray) -> Merit:
    """The worst error of the rough flow times the square root of its time."""
    ratios, spent = rough_errors(half)
    return Merit(
        float(ratios.max() * np.sqrt(spent)), f"({ratios.max():.3f}, {1e3 * spent:.0f} ms)"
    )


def fine(half: np.ndarray) -> Merit:
    """The CPU time of a space whose interpolation errors are within tol."""
    spent, count = [], []
    for image in half:
        begin = time.process_time()
        space = scale_space(image, tol=TOL)
        spent.append(time.process_time() - begin)
        count.append(len(space.times))
    return Merit(geometric_mean(np.array(spent)), f"({np.mean(count):.0f} knots)")


def steepness(half: np.ndarray) -> np.ndarray:
    """The interpolation error in the first interval over that from the curvature after it."""
    ratios = []
    for image in half:
        space = scale_space(image, tol=TOL)
        t = space.times[1] / 2
        true = rms(space(t) - reference(image[None], (float(t),))[0, 0], image.ndim)
        bent = space._knots.curvature[1] * (space.times[1] / space._knots.unit) ** 2 / 8
        ratios.append(float(true / bent))
    return np.array(ratios)


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report("The rough flow")
    report.search(coarse_flow, "_RATIO", [1.15, 1.4, 1.6], rough, halves)
    report.search(coarse_flow, "_SWITCH", [2.5, 3.5, 7.0, 10.0], rough, halves)
    report.search(coarse_flow, "_TOL", [1e-3, 2e-3, 6e-3, 1e-2], rough, halves)
    report.search(coarse_flow, "_CHUNK", [2, 6, 10], rough, halves)
    report.search(halved_grid, "_FEWEST", [16, 32, 128], rough, halves)
    report.measure(coarse_flow, "_ERROR", lambda half: rough_errors(half)[0], halves)
    report.show("worst error, sqrt(time) (error in deviations, CPU time of an image)")
    report = Report("The knots")
    report.search(knots, "_MARGIN", [0.4, 0.55, 0.85, 1.0], fine, halves)
    report.measure(knots, "_STEEPEST", steepness, halves)
    report.show("CPU seconds of a space (its knots)")


if __name__ == "__main__":
    main()
