"""The flows of the other parts on a GPU, in plain torch, beside one core of the CPU."""

from __future__ import annotations

import functools
import time

import numpy as np
import pytest
import torch

from benchmarks import images
from benchmarks.report import Fragment, number
from benchmarks.timing import interleave
from skimage_tvflow import ChambolleTVFlow, TVFlowNet

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

_TIMES = np.linspace(0, 0.2, 51)[1:]
_CASES = {
    "96²": (lambda: images.camera(96), {}, _TIMES),
    "512²": (lambda: images.camera(512), {}, _TIMES),
    "2048², the last of ten steps": (lambda: images.camera(2048), {}, _TIMES[9:10]),
    "200 images of 96²": (lambda: images.crops(200, 96), {"batch_axis": 0}, _TIMES),
}
_CPU, _GPU = "cpu", "cuda"


def _solver(times, **params):
    # Two iterations are 60 dB where all fifty steps are taken; see the first part.
    n_steps = 50 if len(times) > 1 else 10
    return ChambolleTVFlow(n_steps=n_steps, order=1, tol=None, max_num_iter=2, **params)


def _network(times, **params):
    return TVFlowNet.from_pretrained("natural-2d", **params)


@pytest.mark.parametrize(("key", "make"), [("1", _solver), ("2", _network)])
def test_gpu(benchmark, key, make):
    calls, answers = {}, {}
    for case, (image, params, times) in _CASES.items():
        shown, flow = torch.from_numpy(image()), make(times, **params)
        for device in (_CPU, _GPU):
            answers[case, device] = flow.transform(shown.to(device), times).cpu()
            calls[case, device] = functools.partial(_wait_for, flow, shown.to(device), times)
    best = interleave(benchmark, calls, rounds=5, budget=3.0, clock=time.perf_counter)
    rows = []
    for case in _CASES:
        cpu, gpu = best[case, _CPU], best[case, _GPU]
        apart = (answers[case, _CPU] - answers[case, _GPU]).abs().max().item()
        row = [case, number(1e3 * cpu), number(1e3 * gpu), number(cpu / gpu), f"{apart:.1e}"]
        rows.append(row)
    columns = ["image", "CPU, one thread, ms", "GPU, ms", "ratio", "largest difference"]
    name = type(make(_TIMES)).__name__
    title = f"{name}, T = 0.2, fifty frames"
    notes = f"{torch.cuda.get_device_name()}; wall time, images and frames stay on the device."
    Fragment("gpu", key, title, columns, rows, notes).save()


def _wait_for(flow, image, times):
    flow.transform(image, times)
    if image.is_cuda:
        torch.cuda.synchronize()
