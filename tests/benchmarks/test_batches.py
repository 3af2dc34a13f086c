"""Many small images at once, and what a second thread is good for."""

from __future__ import annotations

import functools
import os
import time

import numpy as np
import pytest
import torch

from benchmarks import images
from benchmarks.accuracy import mean_psnr, reference, tune
from benchmarks.contenders import OURS, SCIKIT_IMAGE
from benchmarks.report import Fragment, number
from benchmarks.timing import interleave

_NUMBER = 200
# One image after the other, all cost the peer the same: these show it.
_SAMPLE = slice(0, 16)
_TIMES = np.linspace(0, 0.2, 51)[1:]
# Seconds: the first call of a turn finds the memory as another contender has left it.
_LONG_TURN = 1.5


@pytest.fixture(scope="module")
def batch():
    return images.crops(_NUMBER, 96)


@pytest.fixture(scope="module")
def truth(batch):
    # A tenth of the usual iterations: for so short steps they leave errors of 100 dB.
    return reference(batch, _TIMES, max_num_iter=100, batch_axis=0)


@pytest.fixture(scope="module")
def trial(batch, truth):
    flow = functools.partial(OURS.flow, batch, _TIMES, batch_axis=0)
    return tune(flow, functools.partial(mean_psnr, truth=truth, n_spatial=2))


def test_flows_per_second(benchmark, batch, truth, trial):
    def one_by_one(effort):
        return np.stack([SCIKIT_IMAGE.flow(image, _TIMES, effort) for image in batch[_SAMPLE]], 1)

    measure = functools.partial(mean_psnr, truth=truth[:, _SAMPLE], n_spatial=2)
    peer = tune(one_by_one, measure, start=32)
    calls = {
        OURS.name: functools.partial(OURS.flow, batch, _TIMES, trial.effort, batch_axis=0),
        SCIKIT_IMAGE.name: functools.partial(one_by_one, peer.effort),
    }
    best = interleave(benchmark, calls, rounds=3, turn_seconds=_LONG_TURN)
    rates = [_NUMBER / best[OURS.name], len(batch[_SAMPLE]) / best[SCIKIT_IMAGE.name]]
    rows = [
        [c.label, str(t.effort), f"{t.psnr:.2f}", number(rate), number(rates[0] / rate)]
        for c, t, rate in zip((OURS, SCIKIT_IMAGE), (trial, peer), rates)
    ]
    columns = ["", "iterations", "dB", "flows per second and core", "times slower"]
    notes = (
        "Crops of eight photographs, all 50 frames of each, in one call of ours; scikit-image one "
        f"after the other, on {len(batch[_SAMPLE])} of them."
    )
    title = f"{_NUMBER} images of 96², T = 0.2, 60 dB"
    Fragment("batches", "1", title, columns, rows, notes).save()
    assert trial.reached
    assert peer.reached


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_two_threads(benchmark, batch, trial):
    large = images.camera(2048)
    ten = np.linspace(0, 0.04, 11)[1:]
    cases = {
        f"{_NUMBER} images of 96², 50 frames": functools.partial(
            OURS.flow, batch, _TIMES, trial.effort, batch_axis=0
        ),
        f"{_NUMBER} images of 96², the last of 50 steps of 16 iterations": functools.partial(
            OURS.flow, batch, _TIMES, 16, batch_axis=0, last=True
        ),
        "2048², the last of ten steps of 2 iterations": functools.partial(
            OURS.flow, large, ten, 2, last=True
        ),
        "2048², the last of ten steps of 10 iterations": functools.partial(
            OURS.flow, large, ten, 10, last=True
        ),
    }
    calls = {
        (name, n): functools.partial(_with_threads, n, flow)
        for name, flow in cases.items()
        for n in (1, 2)
    }
    best = interleave(
        benchmark, calls, rounds=4, budget=8.0, turn_seconds=_LONG_TURN, clock=time.perf_counter
    )
    rows = [
        [name, number(1e3 * best[name, 1]), number(1e3 * best[name, 2]),
         number(best[name, 1] / best[name, 2])]
        for name in cases
    ]  # fmt: skip
    columns = ["", "one thread, ms", "two threads, ms", "speed-up"]
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    notes = (
        f"Wall time; {os.cpu_count()} cores, load average {load}. What else the cores have to do "
        "shows here as nowhere else. What is prepared and put away by one thread alone is a "
        "quarter of the third row."
    )
    Fragment("batches", "2", "Two threads against one", columns, rows, notes).save()
    serial, parallel = (_with_threads(n, cases[next(iter(cases))]) for n in (1, 2))
    np.testing.assert_array_equal(serial, parallel)


def _with_threads(number_of_threads, flow):
    before = torch.get_num_threads()
    torch.set_num_threads(number_of_threads)
    try:
        return flow()
    finally:
        torch.set_num_threads(before)
