"""CPU time of the whole flow at 60 dB, beside what others offer for the same problem."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks import contenders, images
from benchmarks.accuracy import Trial, mean_psnr, reference, tune
from benchmarks.contenders import OURS, SCIKIT_IMAGE, SCIKIT_IMAGE_EPS, Contender
from benchmarks.report import Fragment, number
from benchmarks.timing import interleave

PEERS = (
    contenders.CHAMBOLLE_2004,
    contenders.PYPROXIMAL,
    contenders.DEEPINV,
    contenders.PROX_TV,
)
# A flow that takes more seconds than this is timed on a tenth of its steps.
_LONG = 4.0


@dataclass(frozen=True)
class Task:
    """An image, the last time, the number of steps, and which frames are asked for.

    All frames are to be accurate, also where only the last is asked for. ``sample`` is the part of
    a large image on which the contenders are tuned: how many iterations a step needs does not
    depend on the size.
    """

    title: str
    image: Callable[[], np.ndarray]
    time: float
    n_steps: int = 50
    last: bool = False
    sample: tuple[slice, ...] | None = None

    @property
    def times(self) -> np.ndarray:
        return np.linspace(0, self.time, self.n_steps + 1)[1:]


_CENTRE = (slice(192, 320),) * 2
TASKS = {
    "1-96-T0.2": Task("96², T = 0.2", lambda: images.camera(96), 0.2),
    "2-96-T1": Task("96², T = 1", lambda: images.camera(96), 1.0),
    "3-96-T5": Task("96², T = 5", lambda: images.camera(96), 5.0),
    "4-512": Task("512², T = 0.2", lambda: images.camera(512), 0.2, sample=_CENTRE),
    "5-64cubed": Task("64³, T = 0.2", lambda: images.volume(64), 0.2, sample=(slice(20, 44),) * 3),
    "6-2048": Task(
        "2048², T = 0.04, ten steps, the last frame",
        lambda: images.camera(2048),
        0.04,
        n_steps=10,
        last=True,
        sample=_CENTRE,
    ),
}


@pytest.mark.parametrize("key", TASKS)
def test_speed(benchmark, key):
    task = TASKS[key]
    image = task.image()
    sample = image if task.sample is None else np.ascontiguousarray(image[task.sample])
    trials = _tune_all(task, sample, reference(sample, task.times))
    calls, shares = {}, {}
    for contender, trial in trials.items():
        calls[contender.name], shares[contender] = _call(
            contender, task, image, trial, image.size / sample.size
        )
    best = interleave(benchmark, calls)
    seconds = {c: best[c.name] / shares[c] for c in trials}
    rows = [
        _row(c, t, seconds[c], seconds[OURS], _remark(c, task, shares[c]))
        for c, t in trials.items()
    ]
    rows += [[p.name, "", "", "", "", "not installed"] for p in PEERS if not p.available]
    columns = ["", "iterations", "dB", "CPU ms", "times ours", ""]
    Fragment("speed", key, task.title, columns, rows, _notes(task, image, trials[OURS])).save()
    assert all(trial.reached for trial in trials.values())


def _tune_all(task: Task, sample: np.ndarray, truth: np.ndarray) -> dict[Contender, Trial]:
    """The effort of everybody who is installed; of scikit-image's two ways the cheaper one."""
    measure = functools.partial(mean_psnr, truth=truth)

    def tuned(contender: Contender, **search: float) -> Trial:
        flow = functools.partial(contender.flow, sample, task.times)
        # Another flow has nothing to be near to: one trial is enough.
        return tune(flow, measure if contender.isotropic else lambda _: np.inf, **search)

    fixed = tuned(SCIKIT_IMAGE)
    by_eps = tuned(SCIKIT_IMAGE_EPS, start=64, limit=fixed.seconds)
    cheaper = by_eps.reached and by_eps.seconds < fixed.seconds
    trials = {OURS: tuned(OURS), SCIKIT_IMAGE: fixed}
    if cheaper:
        trials = {OURS: trials[OURS], SCIKIT_IMAGE_EPS: by_eps}
    for peer in PEERS:
        if not peer.available:
            continue
        # The same iteration as scikit-image's: that is where the search begins.
        start = fixed.effort if peer is contenders.CHAMBOLLE_2004 else 1
        trials[peer] = tuned(peer, start=start)
    return trials


def _call(
    contender: Contender, task: Task, image: np.ndarray, trial: Trial, larger: float
) -> tuple[Callable[[], object], float]:
    """What to time, and which share of the flow that is."""
    count = task.n_steps
    if contender.uniform and trial.seconds * larger > _LONG:
        count //= 10
    times = task.times[:count]
    flow = functools.partial(contender.flow, image, times, trial.effort, last=task.last)
    return flow, count / task.n_steps


def _row(contender: Contender, trial: Trial, seconds: float, ours: float, remark: str) -> list[str]:
    return [
        contender.label,
        str(trial.effort) if contender.isotropic else "",
        f"{trial.psnr:.2f}" if contender.isotropic else "",
        number(1e3 * seconds),
        number(seconds / ours),
        remark,
    ]


def _remark(contender: Contender, task: Task, share: float) -> str:
    remarks = [contender.note]
    if share < 1:
        remarks.append(f"timed on {round(share * task.n_steps)} of {task.n_steps} steps")
    return "; ".join(filter(None, remarks))


def _notes(task: Task, image: np.ndarray, trial: Trial) -> str:
    if task.sample is None:
        return ""
    truth = reference(image, task.times, max_num_iter=200)
    psnr = mean_psnr(OURS.flow(image, task.times, trial.effort), truth)
    size = "x".join(str(s.stop - s.start) for s in task.sample)
    return (
        f"Tuned on the central {size} pixels, of which the dB are; on the whole image ours has "
        f"{psnr:.2f} dB."
    )
