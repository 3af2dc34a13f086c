"""How accurate a flow is, and how much effort a contender needs to be accurate enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skimage_tvflow import ChambolleTVFlow

TARGET = 60.0
_LARGEST_EFFORT = 2**17
# A search among many iterations stops this close to the target, in dB: at about 1 % of them.
_CLOSE = 0.1


def reference(
    image: np.ndarray, times: Sequence[float], *, max_num_iter: int = 1500, **axes: int
) -> np.ndarray:
    """As many implicit Euler steps as there are times, solved tight in float64."""
    solver = ChambolleTVFlow(
        n_steps=len(times), order=1, tol=None, max_num_iter=max_num_iter, **axes
    )
    return solver.transform(image.astype(np.float64), times)


def mean_psnr(frames: np.ndarray, truth: np.ndarray, n_spatial: int | None = None) -> float:
    """Mean over all images of the PSNR of each, for values in [0, 1].

    ``n_spatial`` is the number of the last axes that one image has, by default all but the first.
    """
    axes = tuple(range(-(truth.ndim - 1 if n_spatial is None else n_spatial), 0))
    error = np.mean((np.asarray(frames, np.float64) - truth) ** 2, axes)
    return float(np.mean(-10 * np.log10(error + 1e-30)))


@dataclass(frozen=True)
class Trial:
    """What a contender reached with some effort, and the CPU time it took once."""

    effort: int
    psnr: float
    seconds: float

    @property
    def reached(self) -> bool:
        """Whether it is accurate enough."""
        return self.psnr >= TARGET


def tune(
    flow: Callable[[int], np.ndarray],
    measure: Callable[[np.ndarray], float],
    *,
    start: int = 1,
    limit: float = math.inf,
) -> Trial:
    """The least effort that reaches the target, by doubling and then bisection.

    Parameters
    ----------
    flow : from an effort to frames
    measure : from frames to their PSNR
    start : the first effort to try
    limit : what takes more CPU seconds than this and falls short is given up: the trial returned
        has not `reached` the target then
    """
    low: Trial | None = None
    high: Trial | None = None
    effort = start
    while True:
        begin = time.process_time()
        frames = flow(effort)
        trial = Trial(effort, seconds=time.process_time() - begin, psnr=measure(frames))
        if trial.reached:
            high = trial
        elif trial.seconds > limit or effort >= _LARGEST_EFFORT:
            return trial
        else:
            low = trial
        if high is not None and _is_least(low, high):
            return high
        effort = _next_effort(low, high)


def _is_least(low: Trial | None, high: Trial) -> bool:
    if high.effort == 1 or (high.effort > 64 and high.psnr < TARGET + _CLOSE):
        return True
    return low is not None and high.effort - low.effort <= max(1, high.effort // 32)


def _next_effort(low: Trial | None, high: Trial | None) -> int:
    if high is None:
        assert low is not None
        return low.effort * (4 if low.psnr < TARGET - 15 else 2)
    if low is None:
        return high.effort // 2
    # The PSNR is nearly straight over the logarithm of the effort: the line through both trials
    # divides better than the middle does.
    share = (TARGET + _CLOSE / 2 - low.psnr) / (high.psnr - low.psnr)
    guess = low.effort * (high.effort / low.effort) ** min(max(share, 0.1), 0.9)
    return min(max(round(guess), low.effort + 1), high.effort - 1)
