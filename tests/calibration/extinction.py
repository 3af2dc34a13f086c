"""Find the steps to the extinction time again, and the blocks that bound it early."""

from __future__ import annotations

import functools

import numpy as np
import torch
from images import images, images_of, rows, volumes
from tuning import Merit, Report, command_line, counted_iterations, geometric_mean

from skimage_tvflow import extinction_time
from skimage_tvflow.core import extinction
from skimage_tvflow.core import extinction_time as search

RTOL = 1e-2


@functools.cache
def _truth(values: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return extinction_time(np.frombuffer(values).reshape(shape), rtol=3e-4, batch_axis=0)


def truth(half: np.ndarray) -> np.ndarray:
    """The extinction times to a thirtieth of the tolerance."""
    return _truth(half.tobytes(), half.shape)


def cost(half: np.ndarray) -> Merit:
    """Iterations, where the time is within the tolerance, in proportion to the error beyond it."""
    with counted_iterations() as count:
        found = extinction_time(half, rtol=RTOL, batch_axis=0)
    off = np.abs(found / truth(half) - 1) / RTOL
    work = count[0] / len(half)
    return Merit(work * geometric_mean(np.maximum(off, 1)), f"({work:.0f}, {off.max():.2g})")


def slack(half: np.ndarray) -> Merit:
    """Extinction time over the bound from blocks at time 0: how long another look can wait."""
    extinction._blocks.cache_clear()
    u = torch.from_numpy(half[:, None])
    bound = extinction.coarse_remaining_time(u, [1.0] * (half.ndim - 1))
    extinction._blocks.cache_clear()
    return Merit(geometric_mean(truth(half) / np.maximum(bound, 1e-9)))


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report("Steps in proportion to what is left")
    report.search(search, "_AGREE", [0.6, 0.9, 1.6, 2.4], cost, halves)
    report.search(search, "_SHARE", [0.2, 0.3, 0.6, 0.8], cost, halves)
    report.search(search, "_SHARE_IF_CALM", [0.4, 0.6, 0.98], cost, halves)
    report.search(search, "_CALM", [0.02, 0.05, 0.2, 0.4], cost, halves)
    report.search(search, "_STEPS", [0.01, 0.02, 0.05, 0.1], cost, halves)
    report.search(search, "_LENGTH", [50, 100, 400, 1000], cost, halves)
    report.search(search, "_COARSEST", [2, 5, 20, 50], cost, halves)
    report.search(search, "_MOST_ITERATIONS", [500, 1000, 2000], cost, halves)
    report.show(f"iterations, x error where above rtol (iterations, worst error / rtol = {RTOL})")
    large = images_of(options.folder, options.quick, 256 if options.quick else 512)
    report = Report("Coarse grids first")
    report.search(search, "_COARSE_SIDE", [16, 64], cost, large)
    report.search(search, "_TRUST", [0.25, 0.7, 1.0], cost, large)
    report.search(search, "_CYCLES", [1, 4], cost, large)
    report.search(search, "_CYCLED", [8, 16, 64], cost, large)
    report.search(search, "_FEWEST_STEPS", [1, 2, 6], cost, large)
    report.show(f"iterations, x error where above rtol (iterations, worst error / rtol = {RTOL})")
    for name, kind in (
        ("images", halves),
        ("signals", rows(options.quick)),
        ("volumes", volumes(options.quick)),
    ):
        report = Report(f"Blocks of {name}")
        report.search(extinction, "_BLOCKS", [2, 3, 6, 8], slack, kind)
        report.show("extinction time / its bound at time 0")


if __name__ == "__main__":
    main()
