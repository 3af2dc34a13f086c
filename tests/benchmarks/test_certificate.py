"""How far the certified bound is from the truth, and the price of coming nearer."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from benchmarks import images
from benchmarks.accuracy import mean_psnr, reference, tune
from benchmarks.contenders import OURS
from benchmarks.report import Fragment, number
from benchmarks.timing import interleave
from skimage_tvflow import ChambolleTVFlow, certify

_REFINE = (0, 1, 4, 16, 64)
_IMAGES = {
    "camera 96²": lambda: images.camera(96),
    "crop 96² of astronaut": lambda: images.crop(96),
}
_TIMES = (0.2, 1.0)


@pytest.mark.parametrize("time", _TIMES)
@pytest.mark.parametrize("name", _IMAGES)
def test_certificate(benchmark, name, time):
    image = _IMAGES[name]()
    times = np.linspace(0, time, 51)[1:]
    trial = tune(
        functools.partial(OURS.flow, image, times),
        functools.partial(mean_psnr, truth=reference(image, times)),
    )
    solver = ChambolleTVFlow(n_steps=50, order=1, tol=None, max_num_iter=200)
    found = solver.solve(image, times, return_dual=True, certify=False)
    fine = ChambolleTVFlow(n_steps=400, order=2, tol=None, max_num_iter=100)
    error = np.sqrt(
        np.mean((found.u - fine.transform(image.astype(np.float64), times)) ** 2, (1, 2))
    )
    calls = {"solve": functools.partial(OURS.flow, image, times, trial.effort)}
    bounds = {}
    for refine in _REFINE:
        calls[refine] = functools.partial(certify, image, found.u, found.dual, times, refine=refine)
        bounds[refine] = calls[refine]().error_bound
    best = interleave(benchmark, calls, rounds=3)
    rows = [
        [str(m), number(bounds[m][-1] / error[-1]), f"{-20 * np.log10(bounds[m][-1]):.1f}",
         number(best[m] / best["solve"])]
        for m in _REFINE
    ]  # fmt: skip
    columns = ["refine", "bound / error", "guaranteed, dB", "price"]
    title = f"{name[0].upper()}{name[1:]}, T = {time:g}"
    key = f"{list(_IMAGES).index(name) + 1}-{time:g}"
    notes = (
        f"The error is {-20 * np.log10(error[-1]):.1f} dB; fifty steps at 60 dB "
        f"({trial.effort} iterations each) take {number(1e3 * best['solve'])} CPU ms."
    )
    Fragment("certificate", key, title, columns, rows, notes).save()
    for bound in bounds.values():
        assert (bound >= error * (1 - 1e-3)).all()
