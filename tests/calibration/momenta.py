"""The momenta of few iterations, and how many iterations they save.

Searched with the simplex of Nelder and Mead for the mean PSNR of 50 implicit Euler steps up to
T = .2, 1 and 5 (for values in [0, 1]), among those that are stable; judged on images kept apart.

    python tests/calibration/momenta.py [FOLDER] [--quick]
"""

from __future__ import annotations

from unittest import mock

import numpy as np
import torch
from images import Halves, images
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from tuning import command_line

from skimage_tvflow.core import momentum
from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory
from skimage_tvflow.core.backends.protocol import FrameBuffer
from skimage_tvflow.core.momentum import Momentum

# Times in deviations, which are a quarter for a photograph in [0, 1].
_TIMES = (0.8, 4.0, 20.0)
_STEPS = 50
# Above 1 an oscillation grows. Two stable iterations are .5 dB worse.
_LARGEST_EIGENVALUE = {2: 1.06}
_LARGEST_OF_OTHERS = 1.002


def flow(half: np.ndarray, time: float, n_iter: int) -> np.ndarray:
    """50 steps up to ``time`` of all images, shape (n, steps, y, x)."""
    u = torch.from_numpy(half)[:, None]
    out = u.new_empty((len(u), _STEPS, *u.shape[1:]))
    frames = FrameBuffer(out, np.ones(len(u)), u.new_zeros((len(u), 1)))
    lengths = np.full((_STEPS, len(u)), time / _STEPS)
    NumbaTrajectory(u, (1.0, 1.0)).advance(np.arange(len(u)), [1] * _STEPS, lengths, n_iter, frames)
    return out[:, :, 0].numpy()


def psnr(half: np.ndarray, truth: dict[float, np.ndarray], n_iter: int) -> np.ndarray:
    """The mean PSNR of the steps of every image at the times, shape (times, n)."""
    errors = [((flow(half, t, n_iter) - truth[t]) ** 2).mean((2, 3)) for t in _TIMES]
    # A deviation is a quarter of the range.
    return np.array([(-10 * np.log10(e / 16 + 1e-30)).mean(1) for e in errors])


def largest_eigenvalue(momenta: tuple[Momentum, ...], n_iter: int) -> float:
    """Of a whole time step where no phi is projected, over the eigenvalues of ``D D^T / L``."""
    largest = 0.0
    for mode in np.linspace(0.0005, 1, 120):
        # The state is phi, its predecessor, and the gradient of f; L = 1.
        total = np.eye(3)
        for j in range(n_iter):
            m = momenta[j % len(momenta)]
            pull = m.step * mode
            row = [1 + m.beta - pull * (1 + m.gamma), pull * m.gamma - m.beta, m.step]
            total = np.array([row, [1, 0, 0], [0, 0, 1]]) @ total
        total = np.array([[1, 0, 0], [0, 1, 0], [-mode, 0, 1]]) @ total
        largest = max(largest, np.abs(np.linalg.eigvals(total)).max())
    return largest


def allowed(n_iter: int) -> float:
    """The largest eigenvalue that is accepted."""
    return _LARGEST_EIGENVALUE.get(n_iter, _LARGEST_OF_OTHERS)


def replaced(name: str, values: object) -> object:
    """Use other ``values`` of a constant for the time of a ``with`` block."""
    return mock.patch.object(momentum, name, values)


def fit(name: str, key: int | None, counts: list[int], half: np.ndarray, truth: dict) -> tuple:
    """The best stable coefficients for the numbers of iterations ``counts``, from the code's on."""
    start = np.array(getattr(momentum, name) if key is None else getattr(momentum, name)[key])

    def loss(values: np.ndarray) -> float:
        changed = tuple(values) if key is None else {**momentum._FEW, key: tuple(values)}
        with replaced(name, changed):
            excess = [
                max(0, largest_eigenvalue(Momentum.planned(n, 1), n) - allowed(n)) for n in counts
            ]
            if max(excess) > 0.05 or min(values) < -0.2:
                return 0.0
            return 50 * sum(excess) - np.mean([psnr(half, truth, n) for n in counts])

    simplex = start + np.vstack([np.zeros(len(start)), np.diag(0.02 + 0.05 * np.abs(start))])
    best = minimize(
        loss, start, method="Nelder-Mead", options={"maxfev": 150, "initial_simplex": simplex}
    )
    return tuple(best.x.round(3).tolist())


def constant(n_iter: int, bound: float) -> tuple[Momentum, ...]:
    """The same momenta and step in all iterations, as a first try would choose them."""
    beta = 0.6 if n_iter == 1 else max(0.8, 1 - 2.2 / n_iter)
    return (Momentum._stable(beta, beta / (2 if n_iter < 5 else 4), 0.9, bound),)


def truths(half: np.ndarray) -> dict[float, np.ndarray]:
    """The steps solved tight."""
    return {time: flow(half, time, 800) for time in _TIMES}


def main() -> None:
    arguments = command_line(__doc__ or "")
    halves: Halves = images(arguments.folder, arguments.quick)
    fit_truth, judge_truth = truths(halves.fit), truths(halves.judge)
    several = [6, 10, 16] if arguments.quick else [6, 8, 10, 12, 16]
    searches = [("_FEW", n, [n]) for n in momentum._FEW] + [("_SEVERAL", None, several)]
    table = Table(title="PSNR on the images kept apart (dB), and the largest eigenvalue")
    for column in ("iterations", "constant momenta", "code", "found", "eigenvalue", "found values"):
        table.add_column(column)
    for name, key, counts in searches:
        found = fit(name, key, counts, halves.fit, fit_truth)
        changed = found if key is None else {**momentum._FEW, key: found}
        for n in counts:
            code = psnr(halves.judge, judge_truth, n).mean()
            eigenvalue = largest_eigenvalue(Momentum.planned(n, 1), n)
            with replaced(name, changed):
                better = psnr(halves.judge, judge_truth, n).mean()
            with mock.patch.object(Momentum, "planned", constant):
                plain = psnr(halves.judge, judge_truth, n).mean()
            table.add_row(
                *(
                    str(n),
                    f"{plain:.2f}",
                    f"{code:.2f}",
                    f"{better:.2f}",
                    f"{eigenvalue:.4f}",
                    str(found),
                )
            )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
