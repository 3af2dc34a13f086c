"""One iteration of the dual solve: CPU time per pixel, and how it grows with the image."""

from __future__ import annotations

import functools

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks import images
from benchmarks.report import IMAGES, Fragment, number
from benchmarks.timing import interleave
from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.torch.sweep import TorchTrajectory

_N_ITER = 10
_STEP = 0.004
# Pixels times iterations of one call: neither overhead nor waiting.
_WORK = {"numba": 2e7, "torch": 2e6}
_SIDES = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1448, 2048, 2896, 4096)
_INK = {"numba": "#1f5fa8", "torch": "#b3541e"}


def _marches(image: np.ndarray) -> dict[str, functools.partial]:
    """What to time for an image: some steps of either backend."""
    u = torch.from_numpy(image - image.mean())[None, None]
    spacing = [1.0] * image.ndim
    compiled = backends.start(u, spacing, "accelerated")
    assert not isinstance(compiled, TorchTrajectory)
    trajectories = {"numba": compiled, "torch": TorchTrajectory(u, spacing, "accelerated")}
    return {
        name: functools.partial(
            trajectory.advance,
            np.arange(1),
            [_n_steps(name, image)],
            np.full((1, 1), _STEP),
            _N_ITER,
        )
        for name, trajectory in trajectories.items()
    }


def _n_steps(name: str, image: np.ndarray) -> int:
    return max(1, round(_WORK[name] / (_N_ITER * image.size)))


def _nanoseconds(benchmark, cases: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Nanoseconds per pixel and iteration: by image, by backend."""
    calls = {
        (case, name): march
        for case, image in cases.items()
        for name, march in _marches(image).items()
    }
    for call in calls.values():
        call()  # compiles
    best = interleave(benchmark, calls, rounds=5, budget=3.0)
    found = {case: {} for case in cases}
    for (case, name), seconds in best.items():
        work = cases[case].size * _N_ITER * _n_steps(name, cases[case])
        found[case][name] = 1e9 * seconds / work
    return found


def test_time_per_pixel_and_iteration(benchmark):
    cases = {f"{n}²": images.camera(n) for n in (96, 512, 2048)} | {"64³": images.volume(64)}
    found = _nanoseconds(benchmark, cases)
    rows = [
        [case, number(ns["numba"]), number(ns["torch"]), number(ns["torch"] / ns["numba"])]
        for case, ns in found.items()
    ]
    columns = ["image", "numba, ns", "torch, ns", "ratio"]
    Fragment("kernel", "1", "Per pixel and iteration", columns, rows).save()


def test_time_over_size(benchmark):
    found = _nanoseconds(benchmark, {n: images.camera(n) for n in _SIDES})
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        _plot(found).savefig(IMAGES / "cost_per_pixel.png", dpi=150)
    rows = [[f"{n}²", *(number(ns[name]) for name in _WORK)] for n, ns in found.items()]
    columns = ["image", "numba, ns", "torch, ns"]
    notes = "![Cost per pixel and iteration over the number of pixels](images/cost_per_pixel.png)"
    Fragment("kernel", "2", "From 64² to 4096²", columns, rows, notes).save()


def _plot(found):
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    sides = np.array(list(found))
    for name, colour in _INK.items():
        values = [ns[name] for ns in found.values()]
        axes.plot(sides, values, "o-", color=colour, markersize=4, linewidth=1.5)
        axes.annotate(name, (sides[-1], values[-1]), xytext=(6, -3), textcoords="offset points",
                      color=colour)  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sides[np.isin(sides, 2 ** np.arange(6, 13))]
    axes.set_xticks(ticks, [f"{n}²" for n in ticks])
    axes.set_yticks(*[(0.5, 1, 2, 5, 10, 20)] * 2)
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.set_xlabel("pixels")
    axes.set_ylabel("ns per pixel and iteration")
    axes.set_title("One iteration of the dual solve, float32, one thread", fontsize=10)
    return figure
