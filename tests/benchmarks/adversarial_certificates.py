"""Try to find an error that is larger than its bound.

``python tests/benchmarks/adversarial_certificates.py [CASES [SEED]]``: images that solvers and
proofs might trip over, in one to three dimensions, with any spacing, coupled channels and float32,
up to times after extinction. Prints the violations, of which there must be none, and by how much
the bounds exceed the errors.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skimage_tvflow import ChambolleTVFlow, certify, total_variation
from skimage_tvflow.core.decay_rate import decay_rate

sys.path.insert(0, str(Path(__file__).parents[1]))
from exact_flow import exact_flow

# What the truth is certain to, in its own estimates.
_UNSURE = 4
_DIMENSIONS = (1, 2, 3)


@dataclass(frozen=True)
class Case:
    """An image, the times, the parameters of its axes, and the truth with what it is off by."""

    image: np.ndarray
    times: np.ndarray
    axes: dict
    truth: np.ndarray
    unsure: np.ndarray


def _sparse(rng, shape):
    return (rng.random(shape) < 0.1).astype(float)


def _corner(rng, shape):
    far = sum(np.indices(shape))
    return (far <= rng.integers(1, 5)).astype(float) * rng.choice([-1, 1])


def _ramp(rng, shape):
    slopes = rng.standard_normal(len(shape))
    return np.tensordot(slopes, np.indices(shape), 1)


def _halves(rng, shape):
    axis = rng.integers(len(shape))
    return (np.indices(shape)[axis] < rng.integers(1, shape[axis] + 1)).astype(float)


def _checkerboard(rng, shape):
    return sum(np.indices(shape)) % 2 + 1e-3 * rng.standard_normal(shape)


KINDS = {
    "noise": lambda rng, shape: rng.standard_normal(shape),
    "levels": lambda rng, shape: rng.integers(-2, 3, shape).astype(float),
    "sparse": _sparse,
    "corner": _corner,
    "ramp": _ramp,
    "halves": _halves,
    "checkerboard": _checkerboard,
    "faint structure": lambda rng, shape: 1e-4 * _halves(rng, shape) + _sparse(rng, shape),
}


def make_case(rng: np.random.Generator) -> Case:
    """Draw an image and its times, and solve it tightly."""
    n_axes = rng.choice(_DIMENSIONS)
    shape = tuple(rng.integers(2, {1: 30, 2: 12, 3: 6}[n_axes], n_axes))
    spacing = tuple(float(h) for h in rng.choice([0.5, 1.0, 1.0, 3.0], n_axes))
    axes: dict = {"spacing": spacing}
    coupled = n_axes < 3 and rng.random() < 0.2
    if coupled:
        axes |= {"channel_axis": -1, "coupled_channels": True}
    kinds = [KINDS[k] for k in rng.choice(list(KINDS), 2 if coupled else 1)]
    image = np.stack([kind(rng, shape) for kind in kinds], -1)
    image = (image if coupled else image[..., 0]) + rng.choice([0.0, 0.0, 100.0])
    image = image.astype(rng.choice(["f4", "f8", "f8"]))
    exact = image.astype(np.float64)
    # Up to twice the latest time of extinction.
    size = np.linalg.norm(exact - exact.mean(tuple(range(n_axes)), keepdims=True))
    last = 2 * size / decay_rate(spacing, shape)
    times = np.sort(last * rng.choice([1e-3, 1e-2, 0.1, 0.3, 0.6, 1.0], 2, replace=False))
    rounding = 1e-13 * np.abs(exact).max()
    if n_axes == 1 and not coupled:
        truth = exact_flow(exact, times, spacing[0])
        return Case(image, times, axes, truth, np.full(2, rounding))
    found = ChambolleTVFlow(tol=2e-6, **axes).solve(exact, times, certify=False)
    # The flow keeps the mean, which rounding moves in many steps.
    spatial = tuple(range(1, 1 + n_axes))
    drift = found.u.mean(spatial, keepdims=True) - exact[None].mean(spatial, keepdims=True)
    return Case(image, times, axes, found.u - drift, _UNSURE * found.error_estimate + rounding)


def bounds_of(case: Case, rng: np.random.Generator):
    """Yield the name of a way to bound an error, the candidate and the bounds."""
    image, times, axes = case.image, case.times, case.axes
    tol = float(rng.choice([1e-1, 1e-2, 1e-3]))
    solved = ChambolleTVFlow(tol=tol, order=rng.integers(1, 3), **axes).solve(
        image, times, return_dual=True
    )
    yield "a solve", solved.u, solved.error_bound
    given = ChambolleTVFlow(n_steps=3, max_num_iter=int(rng.integers(1, 9)), tol=None, **axes)
    yield "given steps", *(lambda r: (r.u, r.error_bound))(given.solve(image, times))
    effort = float(rng.choice([0.1, 0.5, 2.0]))
    mean = np.broadcast_to(
        image.mean(tuple(range(len(axes["spacing"]))), keepdims=True), image.shape
    )
    others = {
        "a solve": solved.u,
        "the image": np.stack([image] * 2),
        "the mean": np.stack([mean] * 2),
    }
    for name, u in others.items():
        yield (
            f"{name}, tracked",
            u,
            certify(image, u, None, times, effort=effort, **axes).error_bound,
        )
    dual = solved.dual * rng.choice([0.5, 1.0, 2.0])
    yield "a dual", solved.u, certify(image, solved.u, dual, times, refine=2, **axes).error_bound


def main() -> None:
    """Run the cases and print what was found."""
    given = [int(number) for number in sys.argv[1:]]
    n_cases, seed = [*given, *[1000, 0][len(given) :]]
    warnings.simplefilter("ignore", ConvergenceWarning)
    ratios, violations, least_rate = defaultdict(list), 0, np.inf
    for number in range(n_cases):
        rng = np.random.default_rng((seed, number))
        case = make_case(rng)
        spatial = tuple(range(len(case.axes["spacing"])))
        exact = case.image.astype(np.float64)
        size = np.linalg.norm(exact - exact.mean(spatial, keepdims=True))
        if size > 1e-6 * np.abs(exact).max():
            rate = decay_rate(case.axes["spacing"], exact.shape[: len(spatial)])
            least_rate = min(least_rate, total_variation(exact, **case.axes) / size / rate)
        for name, u, bound in bounds_of(case, rng):
            parts = tuple(range(1, case.truth.ndim))
            error = np.sqrt(np.mean((u.astype(np.float64) - case.truth) ** 2, parts))
            if (error > bound + case.unsure).any():
                violations += 1
                print(f"violation: case {number}, {name}: error {error}, bound {bound}", flush=True)
            clear = error > 100 * case.unsure
            ratios[name] += list(bound[clear] / error[clear])
    print(
        f"{n_cases} cases, {violations} violations; J / |v| is at least {least_rate:.3f} its bound"
    )
    for name, found in ratios.items():
        print(f"{name}: bound / error from {min(found):.4f}, median {np.median(found):.2f}")


if __name__ == "__main__":
    main()
