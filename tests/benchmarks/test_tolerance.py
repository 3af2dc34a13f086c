"""What a tolerance gives and costs, against the truth and against the best fixed setting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks import images
from benchmarks.report import Fragment, number
from skimage_tvflow import ChambolleTVFlow

_TOL = 1e-3
_TIMES = (0.2, 1.0, 5.0, 20.0)
_LARGEST_WORK = 12_000
# What the reference leaves of an image, relative to its deviation, where nothing is left.
_GONE = 1e-4
_N_STEPS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
_N_ITER = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
# (iterations in all, order, steps, iterations per step), the cheapest first; the second trajectory
# of order 2 takes twice the steps of the first.
_SETTINGS = sorted(
    (n_steps * n_iter * (2**order - 1), order, n_steps, n_iter)
    for order, n_steps, n_iter in itertools.product((1, 2), _N_STEPS, _N_ITER)
    if n_steps * n_iter * (2**order - 1) <= _LARGEST_WORK
)
_IMAGES = {
    "camera 96²": lambda: images.camera(96),
    "crop 96² of astronaut": lambda: images.crop(96),
    "noise 96²": lambda: images.noise(96),
    "disc 96²": lambda: images.disc(96),
    "volume 24³": lambda: images.volume(24),
}


@pytest.mark.parametrize("name", _IMAGES)
def test_tolerance(name):
    image = _IMAGES[name]()
    rows = [_row(image, time) for time in _TIMES]
    columns = [
        "T", "error / tol", "estimate / error", "bound / tol", "iterations",
        "cheapest fixed setting", "its iterations", "ratio",
    ]  # fmt: skip
    key = str(list(_IMAGES).index(name) + 1)
    Fragment("tolerance", key, name[0].upper() + name[1:], columns, rows).save()


def _row(image, time):
    fine = ChambolleTVFlow(n_steps=400, order=2, tol=None, max_num_iter=100)
    truth = fine.transform(image.astype(np.float64), time)
    if truth.std() < _GONE * image.std():
        # The end of a flow is a kink, where extrapolation is no better than a step.
        truth = np.full_like(truth, image.mean(dtype=np.float64))
    result = ChambolleTVFlow(tol=_TOL).solve(image, time)
    error = _rms(result.u - truth)
    assert result.error_bound.item() >= error * (1 - 1e-3)
    allowed = _TOL * image.std(dtype=np.float64)
    spent = int(result.n_iter)
    cheapest = _cheapest(image, time, truth, error)
    row = [
        number(time),
        number(error / allowed),
        number(result.error_estimate.item() / error),
        number(result.error_bound.item() / allowed),
        str(spent),
    ]
    if cheapest is None:
        return [*row, f"none of up to {_LARGEST_WORK} iterations", "", ""]
    work, order, n_steps, n_iter = cheapest
    return [*row, f"order {order}, {n_steps} x {n_iter}", str(work), number(spent / work)]


def _cheapest(image, time, truth, error):
    """The first setting that is as accurate, or None."""
    for setting in _SETTINGS:
        _, order, n_steps, n_iter = setting
        solver = ChambolleTVFlow(n_steps=n_steps, order=order, tol=None, max_num_iter=n_iter)
        if _rms(solver.transform(image, time) - truth) <= error:
            return setting
    return None


def _rms(difference):
    return float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))
