"""The flow at all times at once and the regularised flows: how near, how long, and why."""

from __future__ import annotations

import cProfile
import pstats
import time

import numpy as np
from skimage.metrics import structural_similarity

from benchmarks import images
from benchmarks.report import Fragment, number
from skimage_tvflow import ChambolleTVFlow, JointSpaceTimeTVFlow, RegularizedTVFlow

_SIZE, _FRAMES = 96, 50
_TIMES = np.linspace(0.2 / _FRAMES, 0.2, _FRAMES)


def _psnr(u, truth):
    return float(-10 * np.log10(np.mean(np.square(u - truth))))


def test_accuracy():
    shown = images.many(20, _SIZE)
    steps = ChambolleTVFlow(n_steps=_FRAMES, order=1, tol=1e-5, max_num_iter=10**4)
    contenders = {
        "brezis-ekeland": JointSpaceTimeTVFlow(),
        "brezis-ekeland, tol=3e-3": JointSpaceTimeTVFlow(tol=3e-3),
        "residual, 2000 iterations as in the paper": JointSpaceTimeTVFlow(objective="residual"),
        "residual, 1000 iterations": JointSpaceTimeTVFlow(objective="residual", max_num_iter=1000),
        "ChambolleTVFlow, 50 steps of 4 iterations": ChambolleTVFlow(
            n_steps=_FRAMES, order=1, tol=None, max_num_iter=4
        ),
    }
    truths = [steps.transform(image, _TIMES) for image in shown]
    rows = []
    for name, flow in contenders.items():
        flow.transform(shown[0].astype(np.float32), _TIMES[:2])
        psnr, ssim, seconds, ratios = [], [], [], []
        for image, truth in zip(shown, truths):
            begin = time.process_time()
            u = flow.transform(image.astype(np.float32), _TIMES)
            seconds.append(time.process_time() - begin)
            psnr.append(_psnr(u, truth))
            pairs = zip(u.astype(np.float64), truth)
            ssim.append(np.mean([structural_similarity(a, b, data_range=1) for a, b in pairs]))
            result = flow.solve(image.astype(np.float32), 0.2)
            error = np.sqrt(np.mean(np.square(result.u[0] - truth[-1])))
            ratios.append(float(result.error_bound[0] / error))
        rows.append(
            [name, f"{np.mean(psnr):.2f} ± {np.std(psnr):.2f}", f"{min(psnr):.2f}",
             f"{np.mean(ssim):.5f} ± {np.std(ssim):.5f}", number(np.mean(seconds)),
             number(min(ratios))]
        )  # fmt: skip
    columns = ["", "dB", "least", "SSIM", "seconds an image", "least bound / error"]
    notes = (
        f"{len(shown)} images of {_SIZE}², T = 0.2, all of fifty frames, float32, one CPU core. "
        "The paper has 38.59 dB and .9834 for the residual, in 17.98 s on a GPU."
    )
    Fragment("joint", "1", "All times at once: accuracy and time", columns, rows, notes).save()


def test_where_the_time_goes():
    flow = JointSpaceTimeTVFlow(objective="residual")
    image = images.camera(_SIZE)
    JointSpaceTimeTVFlow(objective="residual", max_num_iter=2).transform(image, 0.2)
    profile = cProfile.Profile()
    profile.enable()
    flow.transform(image, _TIMES)
    profile.disable()
    stats = pstats.Stats(profile)
    whole = stats.total_tt
    parts = {
        "residuals": "the terms of the loss, and u_t - div phi",
        "descend": "gradients and Adam's step",
    }
    spent = {
        name: sum(row[2] for key, row in stats.stats.items() if key[2] == name) for name in parts
    }
    rows = [[parts[name], number(s), f"{s / whole:.0%}"] for name, s in spent.items()]
    rest = whole - sum(spent.values())
    rows.append(["all else", number(rest), f"{rest / whole:.0%}"])
    notes = "The residual, 2000 iterations of Adam over 51 images and 50 dual variables of 96²."
    title = "All times at once: where the time goes"
    Fragment("joint", "2", title, ["", "seconds", "share"], rows, notes).save()


def test_regularized():
    image = images.camera(_SIZE).astype(np.float64)
    truth = ChambolleTVFlow(tol=2e-5, max_num_iter=10**4).transform(image, _TIMES)
    rows = []
    cases = [
        ("explicit", {"scheme": "explicit"}, ("auto",)),
        ("lagged, 1 system", {}, (10, 50, 400)),
        ("lagged, 5 systems", {"max_num_iter": 5}, (10, 50, 400)),
    ]
    for eps in (1e-1, 1e-2, 1e-3, 1e-4):
        for name, params, steps in cases:
            for n_steps in steps:
                flow = RegularizedTVFlow(eps=eps, n_steps=n_steps, **params)
                begin = time.process_time()
                result = flow.solve(image, _TIMES[4::5], certify=False)
                seconds = time.process_time() - begin
                taken = int(result.n_iter) // params.get("max_num_iter", 1)
                rows.append(
                    [number(eps), name, str(taken), number(0.2 / taken),
                     f"{_psnr(result.u, truth[4::5]):.1f}", number(seconds)]
                )  # fmt: skip
    columns = ["eps", "scheme", "steps", "dt", "dB", "seconds"]
    notes = (
        "The photographer in 96², values in [0, 1], ten frames up to T = 0.2, against the flow to "
        "2e-5. Explicit steps are as few as are stable."
    )
    Fragment("joint", "3", "The regularised flows", columns, rows, notes).save()
