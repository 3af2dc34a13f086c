"""Find the constants of ``applications.denoise`` again, by its error on noisy images."""

from __future__ import annotations

import time

import numpy as np
from images import Halves, images, rows
from tuning import Merit, Report, command_line, geometric_mean, rms

from skimage_tvflow.applications import denoise, noise

# Standard deviations of the noise, in those of the image.
NOISE = (0.1, 0.3, 1.0)


def error(half: np.ndarray) -> Merit:
    """Root mean square error in parts of the noise, and the CPU time of an image."""
    rng, errors, begin = np.random.default_rng(0), [], time.process_time()
    for clean in half:
        for sigma in NOISE:
            noisy = clean + sigma * rng.standard_normal(clean.shape)
            left = denoise(noisy, sigma=sigma) - clean
            errors.append(rms(left, clean.ndim) / sigma)
    each = (time.process_time() - begin) / len(errors)
    return Merit(geometric_mean(np.array(errors)), f"({1e3 * each:.0f} ms)")


def without_noise(halves: Halves) -> Halves:
    """The images that have structure: pure noise cannot be told from noise."""
    return Halves(halves.fit[:-1], halves.judge[:-1])


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    # Noise is the last of the built-in images of either half; those of a folder come after it.
    halves = images(options.folder, options.quick)
    halves = halves if options.folder else without_noise(halves)
    report = Report("Times of the bands, in deviations of the noise, and the probe")
    report.search(noise, "_FIRST", [0.03, 0.05, 0.2, 0.4], error, halves)
    report.search(noise, "_LAST", [1, 2, 8, 16], error, halves)
    report.search(noise, "_N_TIMES", [4, 6, 16, 24], error, halves)
    report.search(noise, "_PROBE", [0.01, 0.02, 0.1, 0.3], error, halves)
    report.show("error / noise (CPU time of an image)")
    report = Report("Signals")
    lines = without_noise(rows(options.quick))
    report.search(noise, "_LAST_1D", [4, 10, 40, 80], error, lines)
    report.show("error / noise (CPU time of a signal)")


if __name__ == "__main__":
    main()
