"""Find the sizes of batches, chunks, tasks and blocks again, by time per pixel and peak memory.

These depend on the machine: run it alone on the processor that matters. The halves are images of
other shapes, not other images. Sizes of tasks and blocks matter to several threads only.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from images import Halves
from tuning import Merit, Report, command_line, geometric_mean

from skimage_tvflow import ChambolleTVFlow, JointSpaceTimeTVFlow
from skimage_tvflow.core import operators
from skimage_tvflow.core.backends.numba import (
    duality_gap,
    energy,
    row_blocks,
    scaling,
    space_time,
    sweep,
)
from skimage_tvflow.core.integrators import given_steps
from skimage_tvflow.estimators.base import BaseTVFlow

Shape = tuple[int, ...]
# Every call is repeated, at least three times and for so many seconds, and the best counts.
SECONDS = 0.3


def timed(
    call: Callable[[np.ndarray], object], clock: Callable[[], float] = time.process_time
) -> Callable[[Sequence[Shape]], Merit]:
    """Nanoseconds per pixel, and the peak of the memory in megabytes."""

    def merit(shapes: Sequence[Shape]) -> Merit:
        cost, peaks = [], []
        for shape in shapes:
            image = np.random.default_rng(0).random(shape, np.float32)
            call(image)
            begun, taken = _restart_peak(), []
            while len(taken) < 3 or sum(taken) < SECONDS:
                begin = clock()
                call(image)
                taken.append(clock() - begin)
            cost.append(1e9 * min(taken) / image.size)
            peaks.append(_memory("VmHWM") - begun)
        return Merit(geometric_mean(np.array(cost)), f"({max(peaks):.0f} MB)")

    return merit


wall = functools.partial(timed, clock=time.perf_counter)


def _memory(field: str) -> float:
    """A line of the kernel's account of this process, in megabytes; 0 where there is none."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith(field)), 0.0)


def _restart_peak() -> float:
    """Forget the peak of the memory; what is in use now."""
    peak = Path("/proc/self/clear_refs")
    if peak.exists():
        peak.write_text("5")
    return _memory("VmRSS")


def steps(image: np.ndarray) -> object:
    """Ten steps of ten iterations of one image."""
    return ChambolleTVFlow(n_steps=10, order=1, tol=None, max_num_iter=10).transform(image, 0.1)


def frames(image: np.ndarray) -> object:
    """Fifty frames of one image, given away one after the other."""
    flow = ChambolleTVFlow(n_steps=50, order=1, tol=None, max_num_iter=4)
    for _ in flow.staged_transform(image, np.linspace(0.002, 0.1, 50)):
        pass


def batch(stack: np.ndarray) -> object:
    """A stack of images to a tolerance."""
    return ChambolleTVFlow(batch_axis=0).transform(stack, 0.1)


def bound(image: np.ndarray) -> object:
    """The error bound of a few steps."""
    flow = ChambolleTVFlow(n_steps=10, order=1, tol=None, max_num_iter=2)
    return flow.solve(image, 0.1)


def balance(image: np.ndarray) -> object:
    """The energy balance of a step."""
    u = torch.from_numpy(image)[None, None]
    return energy.energy_change(u, 0.9 * u, [1.0] * image.ndim)


def scale(image: np.ndarray) -> object:
    """The image without its mean, in units of its own."""
    return scaling.centre_and_scale(torch.from_numpy(image)[None, None])


def variation(image: np.ndarray) -> object:
    """The total variation, slab by slab."""
    return operators.total_variation(torch.from_numpy(image)[None, None], [1.0] * image.ndim)


def joint(image: np.ndarray) -> object:
    """Twenty iterations over space and time."""
    flow = JointSpaceTimeTVFlow(n_times=10, tol=1.0, max_num_iter=20)
    return flow.transform(image, 0.1)


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    size = 256 if options.quick else 1024
    flat = Halves([(size, size), (size // 4, 4 * size)], [(size // 2, size), (8, size, size)])
    deep = Halves([(size, size), (32, 64, 64)], [(64, 16 * size), (64, 64, 64)])
    many = Halves([(64, 96, 96), (8, size, size)], [(256, 32, 32), (16, size // 2, size)])
    report = Report("One thread")
    report.search(sweep, "_CACHE_BYTES", [2**17, 2**18, 2**20, 2**22], timed(steps), deep)
    report.search(sweep, "_MOST_DEPTH", [2, 4, 8, 16, 24], timed(steps), deep)
    chunks = Halves([(96, 96), (size, size)], [(32, 32), (size // 2, size)])
    report.search(given_steps, "_CHUNK_BYTES", [2**20, 2**22, 2**26], timed(frames), chunks)
    report.search(given_steps, "_LARGE_FRAME", [2**16, 2**18, 2**23], timed(frames), chunks)
    report.search(BaseTVFlow, "_bytes_per_batch", [1, 2**20, 2**26], timed(batch), many)
    slabs = [{"cpu": pixels} for pixels in (2**10, 2**12, 2**15, 2**18)]
    report.search(operators, "_SLAB", slabs, timed(variation), flat)
    report.search(space_time, "_PIXELS_PER_CALL", [2**14, 2**17, 2**24], timed(joint), flat)
    report.show("nanoseconds of CPU per pixel (peak of the memory)")

    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    report = Report(f"{torch.get_num_threads()} threads")
    report.search(scaling, "_PIXELS_PER_TASK", [2**13, 2**15, 2**19], wall(scale), flat)
    report.search(
        duality_gap,
        "_PIXELS_PER_TASK",
        [2**12, 2**14, 2**18],
        wall(bound),
        flat,
    )
    report.search(energy, "_PIXELS_PER_TASK", [2**12, 2**14, 2**18], wall(balance), flat)
    report.search(row_blocks, "_LEAST_PIXELS", [2**14, 2**16, 2**20], wall(steps), flat)
    report.search(row_blocks, "_LEAST_LINES", [16, 32, 128], wall(steps), flat)
    report.search(row_blocks, "_OWN_PER_HALO", [4, 8, 32], wall(steps), flat)
    report.search(row_blocks, "_MOST_ITERATIONS", [4, 8, 32], wall(steps), flat)
    report.show("nanoseconds per pixel, wall time (peak of the memory)")


if __name__ == "__main__":
    main()
