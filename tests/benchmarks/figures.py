"""Figures of the whole flow on one thread: sizes, scale space, extinction times, bounds.

``OMP_NUM_THREADS=1 python tests/benchmarks/figures.py PART...`` where a part is one of sizes,
volume, space, interpolation, extinction and bounds. All of them take half an hour. Seconds are CPU
seconds.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from images import camera, crop, disc, many, noise, photograph, volume

from skimage_tvflow import (
    ChambolleTVFlow,
    certify,
    extinction_time,
    scale_space,
    spectral_decompose,
)
from skimage_tvflow.applications import separate_texture


def seconds(call: Callable, *args: object, **options: object) -> tuple[float, object]:
    """The CPU seconds of a call, and its result."""
    begin = time.process_time()
    found = call(*args, **options)
    return time.process_time() - begin, found


def sizes() -> None:
    """Cost per pixel against the size, for the whole flow and for short ones."""
    for size in (256, 512, 1024, 2048):
        image = camera(size)
        last = extinction_time(image)
        for name, times in (
            ("T = 1", [1.0]),
            ("12 times to extinction", np.geomspace(last / 1000, last, 12)),
        ):
            for tol in (5e-3, 1e-3):
                flow = ChambolleTVFlow(tol=tol)
                took, _ = seconds(flow.transform, image, times)
                per_pixel = 1e6 * took / image.size
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"{size}^2, {name}, tol={tol:g}: {took:.2f} s, {per_pixel:.1f} us a pixel, "
                    f"peak of the process {peak:.0f} MB",
                    flush=True,
                )


def of_volume() -> None:
    """A volume with spacing, to extinction."""
    image = volume(128)
    last = extinction_time(image)
    for tol in (5e-3, 1e-3):
        flow = ChambolleTVFlow(tol=tol, spacing=(3, 1, 1))
        times = np.geomspace(last / 1000, last, 12)
        took, _ = seconds(flow.transform, image, times)
        print(f"128^3, spacing 3:1:1, tol={tol:g}: {took:.1f} s", flush=True)


def space() -> None:
    """The scale space of a photograph: rough, refined, read, decomposed."""
    image = photograph("camera")
    scale_space(image[:64, :64])  # compiles
    took, rough = seconds(scale_space, image, refine=False)
    times = np.geomspace(rough.extinction_time / 1000, 0.99 * rough.extinction_time, 20)
    truth = ChambolleTVFlow(tol=1e-3).transform(image, times)
    span = image.max() - image.min()

    def decibels(found) -> float:
        errors = ((found(times) - truth) ** 2).mean((1, 2), dtype=float)
        return float((20 * np.log10(span) - 10 * np.log10(errors)).min())

    print(f"rough: {took:.2f} s, at least {decibels(rough):.1f} dB")
    for tol in (5e-3, 1e-3):
        took, found = seconds(scale_space, image, tol=tol)
        print(
            f"refined, tol={tol:g}: {took:.1f} s, {len(found.times)} knots, "
            f"at least {decibels(found):.1f} dB",
            flush=True,
        )
    took, _ = seconds(lambda: [found(t) for t in times])
    print(f"space(t): {1e3 * took / len(times):.2f} ms")
    took, _ = seconds(spectral_decompose, image, 40, flow=ChambolleTVFlow(tol=5e-3))
    print(f"spectral_decompose(image, 40), tol=0.005: {took:.2f} s")
    took, _ = seconds(separate_texture, image)
    print(f"separate_texture(image): {took:.2f} s", flush=True)


def interpolation() -> None:
    """Interpolated frames of a refined scale space against solves with a tenth of its tol."""
    tol = 1e-3
    images = {"camera": camera(96), "crop": crop(96), "disc": disc(96), "noise": noise(96)}
    images |= {f"many {i}": image for i, image in enumerate(many(16, 96)[::4])}
    for name, image in images.items():
        found = scale_space(image, tol=tol)
        knots = np.asarray(found.times)
        between = np.sqrt(knots[1:-1] * knots[2:])[:: max(len(knots) // 24, 1)]
        truth = ChambolleTVFlow(tol=tol / 10).transform(image, between)
        error = np.sqrt(((found(between) - truth) ** 2).mean((1, 2), dtype=float)) / image.std()
        estimate = np.asarray(found.error_estimate(between)) / image.std()
        print(
            f"{name}: worst error between knots {error.max() / tol:.2f} tol, "
            f"estimate there {estimate[error.argmax()] / tol:.2f} tol",
            flush=True,
        )


def extinction() -> None:
    """Extinction times of thirty images against their flows, which must end there."""
    off, rtol = [], 1e-2
    for image in many(30, 96):
        found = extinction_time(image, rtol=rtol)
        truth = extinction_time(image, rtol=1e-3)
        flow = ChambolleTVFlow(tol=1e-4)
        before, after = flow.transform(image, [truth * (1 - 3e-3), truth * (1 + 3e-3)])
        assert np.ptp(after) < 1e-4 * image.std(), "the flow goes on after its end"
        assert np.ptp(before) > 1e-5 * image.std(), "the flow has ended before"
        off.append(abs(found / truth - 1) / rtol)
    print(f"thirty images: off by at most {max(off):.2f} rtol")
    for name in ("camera", "coins", "astronaut", "moon", "cell", "brick", "grass", "page"):
        image = photograph(name)
        took, _ = seconds(extinction_time, image, rtol=rtol)
        print(f"{name} {image.shape}: {took:.2f} s", flush=True)


def bounds() -> None:
    """The bound over the error of a default solve, and what a certificate makes of it."""
    images = {"camera": camera(96), "brick": photograph("brick")[:96, :96], "disc": disc(96)}
    for name, image in images.items():
        image = image.astype(float)
        deviation = image.std()
        for t in (0.2, 1.0, 5.0):
            flow = ChambolleTVFlow(tol=1e-3)
            took_plain, _ = seconds(flow.transform, image, t)
            took, found = seconds(flow.solve, image, t)
            exact = ChambolleTVFlow(tol=2e-5).transform(image, t)
            error = np.sqrt(((found.u - exact) ** 2).mean())
            took_more, certified = seconds(certify, image, found.u, None, [t], effort=5)
            apart = max(error, 1e-7 * deviation)  # after extinction both are nothing but rounding
            print(
                f"{name}, T = {t}: bound / error {found.error_bound[0] / apart:.1f}, "
                f"certify(effort=5) {certified.error_bound[0] / apart:.1f}; seconds: transform "
                f"{took_plain:.3f}, solve {took:.3f}, certify {took_more:.3f}",
                flush=True,
            )


PARTS = {
    "sizes": sizes, "volume": of_volume, "space": space, "interpolation": interpolation,
    "extinction": extinction, "bounds": bounds,
}  # fmt: skip

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        print(f"# {part}")
        PARTS[part]()
