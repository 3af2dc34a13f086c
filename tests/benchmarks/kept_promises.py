"""Check on many images that tol is met wherever ``converged`` says so, and what tol costs.

``python tests/benchmarks/kept_promises.py [FOLDER] [--seed N]`` computes more than four hundred
frames of photographs, cells, drawings, textures with noise, rows, volumes and colour, at times
before, at and after their extinction. A promise is broken by an error above tol with
converged=True, by a bound below the error, by an image that is not its mean after extinction, and
by a warning whose advice does not help. Prints a line for each kind and tol, and every broken
promise; the exit status is their number. ``--cost`` prints the iterations against tol instead. The
seed chooses the crops. Images in FOLDER take the place of the photographs.

The truth of a row is its closed form; that of other images 600 extrapolated steps of 100
iterations, if two resolutions agree well enough, and otherwise a solve without multigrid cycles
with a tenth of tol.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from images import disc, noise, photograph
from PIL import Image
from skimage import data, filters, transform
from sklearn.exceptions import ConvergenceWarning

from skimage_tvflow import ChambolleTVFlow, extinction_time

sys.path.insert(0, str(Path(__file__).parents[1]))
from exact_flow import exact_flow

SHARES = (0.9, 1.02, 3.0)  # of the extinction time
NO_CYCLES = 31  # iterations in a step, fewer than those after a cycle


@dataclass(frozen=True)
class Case:
    """An image of some kind, its axes, the times, and the tolerance."""

    kind: str
    image: np.ndarray
    axes: dict
    times: np.ndarray
    tol: float

    def flow(self, tol: float | None = None, **params: object) -> ChambolleTVFlow:
        """A solver for the case, with its own tolerance unless another one is given."""
        return ChambolleTVFlow(**{"tol": tol or self.tol, **self.axes, **params})


def shown(size: int, folder: Path | None, seed: int) -> Iterator[tuple[str, np.ndarray, dict]]:
    """Images of every kind, about ``size`` pixels wide, with the parameters of their axes."""
    rng = np.random.default_rng([seed, size])
    names = ("camera", "coins", "moon", "astronaut", "chelsea", "coffee", "rocket")
    wholes = [photograph(name) for name in names]
    if folder is not None:
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".png", ".jpg", ".bmp"})
        wholes = [
            np.asarray(Image.open(path).convert("L")) / 255 for path in paths[:: len(paths) // 7]
        ]

    def crop(whole: np.ndarray) -> np.ndarray:
        row, column = (rng.integers(n - size + 1) for n in whole.shape)
        return whole[row : row + size, column : column + size].astype(float)

    for whole in wholes:
        yield "photograph", crop(whole), {}
    cell = photograph("cell")
    yield "cells", transform.resize(cell[100:500, 50:450], (size, size), anti_aliasing=True), {}
    blobs = data.binary_blobs(size, 0.2, rng=1).astype(float)
    yield "cells", filters.gaussian(blobs, 1) + 0.02 * rng.standard_normal(blobs.shape), {}
    yield "drawing", crop(photograph("page")), {}
    yield (
        "drawing",
        data.horse()[100 : 100 + 3 * size : 3, 60 : 60 + 3 * size : 3].astype(float),
        {},
    )
    yield "drawing", disc(size).astype(float), {}
    for name in ("brick", "gravel"):
        yield "texture", crop(photograph(name)) + 0.05 * rng.standard_normal((size, size)), {}
    yield "texture", noise(size).astype(float), {}
    for name in ("grass", "camera", "moon"):
        yield "row", crop(photograph(name))[size // 2], {"spacing": 0.5}
    z, y, x = np.indices((size // 4, size // 2, size // 2))
    ball = np.hypot(np.hypot(3 * (z - size / 8), y - size / 4), x - size / 4) < size / 6
    yield "volume", ball + 0.1 * rng.standard_normal(ball.shape), {"spacing": (3, 1, 1)}
    yield "volume", rng.random((size // 4,) * 3), {"spacing": (4, 1, 1)}
    colour = data.astronaut()[100 : 100 + size, 200 : 200 + size] / 255
    yield "colour", colour, {"channel_axis": -1, "coupled_channels": True}


def cases(folder: Path | None, seed: int) -> Iterator[Case]:
    """All cases: large images for large tolerances, small ones for small."""
    for tol, size in ((1e-2, 64), (1e-3, 48), (1e-4, 32), (1e-5, 20)):
        for i, (kind, image, axes) in enumerate(shown(size, folder, seed)):
            last = extinction_time(image, rtol=1e-3, **axes)
            last = float(np.max(last))
            early = [t * image.std() for t in (0.2, 1.0, 5.0) if t * image.std() < 0.85 * last]
            times = np.array([*early[i % 2 :], *(last * np.array(SHARES))])
            given = image.astype(np.float32) if i % 3 == 0 and tol > 1e-5 else image
            yield Case(kind, given, axes, times, tol)


def truth(case: Case) -> tuple[np.ndarray, float]:
    """The flow at the times, and what it is uncertain by."""
    image = case.image.astype(float)
    if image.ndim == 1:
        return exact_flow(image, case.times, case.axes["spacing"]), 0.0
    fixed = {"tol": None, "max_num_iter": 100, **case.axes}
    if case.tol >= 1e-3:
        alive = case.times[:-2]
        fine, coarse = (
            ChambolleTVFlow(n_steps=n, **fixed).transform(image, alive) for n in (600, 300)
        )
        uncertain = rms(fine - coarse, len(alive)).max() if len(alive) else 0.0
        if uncertain < 0.2 * case.tol * image.std():
            axes = tuple(range(image.ndim - ("channel_axis" in case.axes)))
            end = np.broadcast_to(image.mean(axes, keepdims=True), image.shape)
            return np.stack([*fine, end, end]), uncertain
    tight = case.flow(max(case.tol / 10, 1e-6), max_num_iter=NO_CYCLES)
    return tight.transform(image, case.times), 0.1 * case.tol * image.std()


def rms(u: np.ndarray, n_times: int) -> np.ndarray:
    """Root mean square of every frame."""
    return np.sqrt(np.square(u, dtype=float).reshape(n_times, -1).mean(1))


def check(case: Case) -> tuple[list[str], float, float, bool, int]:
    """Broken promises, the worst error over tol and over the estimate, converged, iterations."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always", ConvergenceWarning)
        found = case.flow().solve(case.image, case.times)
    exact, uncertain = truth(case)
    deviation, count = case.image.std(dtype=float), len(case.times)
    errors = rms(found.u - exact, count)
    converged, broken = bool(np.all(found.converged)), []
    over = errors / (case.tol * deviation)
    bounds = np.reshape(found.error_bound, (count, -1)).max(1)
    if converged and ((errors - uncertain) / (case.tol * deviation) > 1).any():
        broken.append(f"error {over.max():.2f} tol at time {over.argmax()}, converged")
    if (errors > bounds + uncertain + 1e-14).any():
        broken.append("bound below the error")
    digits = 1e-5 if case.image.dtype == np.float32 else 1e-10
    if over[-1] * case.tol > digits:
        broken.append(f"after extinction {over[-1] * case.tol:.1e} deviations from the mean")
    if not converged and not raised:
        broken.append("not converged without a warning")
    if not converged:
        again = case.flow(10 * case.tol)
        with warnings.catch_warnings(record=True) as still:
            warnings.simplefilter("always", ConvergenceWarning)
            again.solve(case.image, case.times)
        if still:
            broken.append(f"the advice does not help: {raised[0].message}")
    estimates = np.reshape(found.error_estimate, (count, -1)).max(1)
    alive = estimates > 1e-3 * case.tol * deviation
    ratio = (errors[alive] / estimates[alive]).max() if alive.any() else 0.0
    return broken, float(over.max()), float(ratio), converged, int(np.sum(found.n_iter))


def promises(folder: Path | None, seed: int) -> int:
    """Print the table, and return the number of broken promises."""
    lines, n_broken, n_frames = defaultdict(list), 0, 0
    for case in cases(folder, seed):
        broken, *line = check(case)
        lines[case.kind, case.tol].append(line)
        n_frames += len(case.times)
        for fault in broken:
            n_broken += 1
            image = f"{case.kind} {case.image.shape}, {case.image.dtype}"
            print(f"BROKEN: {image}, tol={case.tol}: {fault}")
        sys.stdout.flush()
    print(f"{n_frames} frames of {sum(map(len, lines.values()))} flows, {n_broken} promises broken")
    print(
        "kind | tol | flows | worst error / tol | worst error / estimate | converged | iterations"
    )
    for (kind, tol), found in sorted(lines.items(), key=lambda item: (item[0][0], -item[0][1])):
        over, ratio, converged, n_iter = np.array(found).T
        print(
            f"{kind} | {tol:g} | {len(found)} | {over.max():.2f} | {ratio.max():.2f} | "
            f"{int(converged.sum())} | {np.median(n_iter):.0f}"
        )
    return n_broken


def cost() -> None:
    """Print iterations against tol."""
    camera = transform.resize(photograph("camera"), (48, 48), anti_aliasing=True).astype(float)
    shows = {
        "noise 20 x 20": (noise(20), 0.5),
        "camera 48 x 48": (camera, 6.0),
        "disc 48 x 48": (disc(48), 6.0),
    }
    for name, (image, t) in shows.items():
        image = image.astype(float)
        counts = []
        for tol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
            found = ChambolleTVFlow(tol=tol).solve(image, t * image.std(), certify=False)
            missed = "" if np.all(found.converged) else " (not converged)"
            counts.append(f"{int(np.sum(found.n_iter))}{missed}")
        print(name, *counts, sep=" | ", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cost", action="store_true")
    options = parser.parse_args()
    sys.exit(cost() if options.cost else promises(options.folder, options.seed))
