"""Forty images with what real ones have: does `denoise` do as well as without, or say so?

``python tests/benchmarks/real_images.py``: photographs, cells, coins and a phantom with padding,
bars, masks, alpha, channels of uneven noise, odd axes and spacings, in several types of numbers.
Prints for each the error that is left, over that of the same image without what is special about
it, and the warning if there was one. More than 1.15 without a warning is a silent failure.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import skimage.data

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.applications import denoise

SIDE, SILENT = 96, 1.15
SCHEME: dict[str, Any] = {"n_steps": 64, "order": 1, "tol": None, "max_num_iter": 8}


@dataclass(frozen=True)
class Case:
    """What is denoised, how, and what must come out where."""

    given: np.ndarray
    keywords: dict[str, Any]
    clean: np.ndarray
    where: np.ndarray | tuple[Any, ...]
    plain: float  # the error left of the image without what is special


def rms(u: np.ndarray) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(u, dtype=float))))


def images() -> dict[str, tuple[np.ndarray, float]]:
    """Clean images and the noise that is added to them."""
    y, x = np.indices((SIDE, SIDE))
    phantom = np.where(np.hypot(y - 48, x - 48) < 40, 40.0, 0.0)
    phantom[np.hypot(y - 40, x - 60) < 12] = 90
    cut = (slice(100, 100 + SIDE), slice(150, 150 + SIDE))
    return {
        "camera": (skimage.data.camera()[cut].astype(float), 12.0),
        "coins": (skimage.data.coins()[cut].astype(float), 8.0),
        "brick": (skimage.data.brick()[cut].astype(float), 15.0),
        "phantom": (phantom + 20, 10.0),
    }


def cases(clean: np.ndarray, sigma: float) -> dict[str, Case]:
    """The ten kinds."""
    random = np.random.default_rng(0)
    noisy = clean + sigma * random.standard_normal(clean.shape)
    y, x = np.indices(clean.shape)
    everywhere = np.ones(clean.shape, bool)
    found: dict[str, Case] = {}

    def error(image: np.ndarray, truth: np.ndarray, where: Any = everywhere, **how: Any) -> float:
        return rms((np.asarray(denoise(image, **how), float) - truth)[where])

    def add(name: str, given: np.ndarray, where: Any, plain: float, truth: Any = None, **how: Any):
        found[name] = Case(given, how, clean if truth is None else truth, where, plain)

    whole = slice(None)
    inside = x >= 30
    plain = error(noisy[:, 30:], clean[:, 30:], whole)
    add("bar at the left", np.where(inside, noisy, 0), inside, plain)
    circle = np.hypot(y - 48, x - 48) < 46
    add("round padding", np.where(circle, noisy, -2000), circle, error(noisy, clean, circle))
    small = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    rows = (y > 11) & (y < 84)
    framed = np.where(rows, small, 255).astype(np.uint8)
    add("uint8, white bars", framed, rows, error(small[12:84], clean[12:84], whole))
    opaque = np.full(clean.shape, 255.0)
    two, truth = np.dstack([noisy, noisy[::-1]]), np.dstack([clean, clean[::-1]])
    plain = error(two, truth, whole, channel_axis=-1)
    colours = (whole, whole, slice(2))
    given, expected = np.dstack([two, opaque]), np.dstack([truth, opaque])
    add("opaque alpha", given, colours, plain, expected, channel_axis=-1)
    strong = clean + 3 * sigma * random.standard_normal(clean.shape)
    plain = float(np.hypot(error(noisy, clean), error(strong, clean)) / np.sqrt(2))
    both = np.dstack([clean] * 2)
    add("uneven channels", np.dstack([noisy, strong]), whole, plain, both, channel_axis=-1)
    flow = ChambolleTVFlow(spacing=(0.65e-6, 0.65e-6), **SCHEME)
    add("spacing in metres", noisy, everywhere, error(noisy, clean), flow=flow)
    add("one slice", noisy[None], whole, error(noisy, clean), clean[None])
    holes = random.random(clean.shape) > 0.2
    # A fifth of the pixels is gone, and with it what they say of their neighbours.
    plain = 1.1 * error(noisy, clean, holes)
    add("missing pixels", np.where(holes, noisy, np.nan), holes, plain, mask=holes)
    local = sigma * (0.3 + 1.7 * (y > 48))
    uneven = clean + local * random.standard_normal(clean.shape)
    upper, lower = (error(uneven[k], clean[k], whole) for k in (slice(49), slice(49, None)))
    plain = float(np.sqrt((49 * upper**2 + 47 * lower**2) / 96))
    add("noise that differs", uneven, everywhere, plain, sigma=local)
    stack = np.stack([noisy, clean + sigma * random.standard_normal(clean.shape)])
    add("two slices", stack, whole, error(noisy, clean), np.stack([clean] * 2))
    return found


def main(show: Callable[[str], None] = print) -> int:
    """Print the table; return how many silent failures there are."""
    silent = 0
    for name, (clean, sigma) in images().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = cases(clean, sigma)
        for kind, case in made.items():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = np.asarray(denoise(case.given, **case.keywords), float)
            ratio = rms((found - case.clean)[case.where]) / case.plain
            said = str(caught[0].message)[:40] if caught else ""
            failed = ratio > SILENT and not said
            silent += failed
            show(f"{name}, {kind}: {ratio:.3f} {said}{' SILENT' * failed}")
    show(f"{silent} silent failures")
    return silent


if __name__ == "__main__":
    main()
