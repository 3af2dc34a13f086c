"""How a constant is found: try values in place of the code's, compare on images kept apart.

Constants are read from the modules and replaced there, so a script cannot disagree with the code.
A merit is a number of which less is better.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from images import Halves
from rich.console import Console
from rich.table import Table

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.core import step_control
from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory


@dataclass(frozen=True)
class Merit:
    """How well a value does, the less the better, and what else one wants to know of it."""

    value: float
    note: str = ""

    def __str__(self) -> str:
        return f"{self.value:.3g} {self.note}".rstrip()


class Report:
    """A table with a line for every constant: its values, and the merit of both on both halves."""

    def __init__(self, title: str) -> None:
        self._begin, self._console = time.process_time(), Console(width=132)
        self._table = Table(title=title)
        for column in ("constant", "code", "found", "fit: code", "found", "judge: code", "found"):
            self._table.add_column(column)

    def compare(
        self,
        module: ModuleType | type,
        found: Mapping[str, Any],
        merit: Callable[[Any], Merit],
        halves: Halves,
    ) -> None:
        """Lines for constants of ``module``, all of which are replaced together by ``found``."""
        fit = merit(halves.fit), replaced(module, found, merit, halves.fit)
        self._add(module, found, fit, merit, halves)

    def search(
        self,
        module: ModuleType | type,
        name: str,
        values: Sequence[Any],
        merit: Callable[[Any], Merit],
        halves: Halves,
    ) -> None:
        """A line for ``name``: the best of ``values`` and the code's value, on the fit half."""
        tried = [getattr(module, name), *values]
        merits = [replaced(module, {name: value}, merit, halves.fit) for value in tried]
        best = int(np.argmin([m.value for m in merits]))
        if max(m.value for m in merits) < 1.001 * merits[best].value:
            self._table.add_row(name, _text(tried[0]), "any", str(merits[0]), "=")
            return
        self._add(module, {name: tried[best]}, (merits[0], merits[best]), merit, halves)

    def _add(
        self,
        module: ModuleType | type,
        found: Mapping[str, Any],
        fit: tuple[Merit, Merit],
        merit: Callable[[Any], Merit],
        halves: Halves,
    ) -> None:
        code = {name: getattr(module, name) for name in found}
        merits = [str(fit[0]), str(fit[1]), str(merit(halves.judge))]
        if found == code:
            merits[1] = "="
            merits.append("=")
        else:
            merits.append(str(replaced(module, found, merit, halves.judge)))
        for name, value in found.items():
            self._table.add_row(name, _text(code[name]), _text(value), *merits)

    def measure(
        self,
        module: ModuleType | type,
        name: str,
        ratios: Callable[[np.ndarray], np.ndarray],
        halves: Halves,
        quantile: float = 0.8,
    ) -> None:
        """A line for a factor: a quantile of what it should have been, truth over estimate at 1.

        An estimate is better too large than too small: four of five truths are to be below it. Its
        merit is the factor it is off by, in the mean with the weights that make that best: four
        times as much where the estimate is too small.
        """
        found = float(np.quantile(ratios(halves.fit), quantile))

        def merit(half: np.ndarray) -> Merit:
            off = np.log(ratios(half) / getattr(module, name))
            loss = np.maximum(quantile * off, (quantile - 1) * off).mean()
            low, middle, high = np.exp(np.quantile(off, [0.1, 0.5, 0.9]))
            return Merit(float(np.exp(2 * loss)), f"({low:.2g} {middle:.2g} {high:.2g})")

        self.compare(module, {name: found}, merit, halves)

    def show(self, merit: str) -> None:
        """Print the table and what its merit is."""
        self._console.print(self._table)
        spent = time.process_time() - self._begin
        self._console.print(f"Merit, the less the better: {merit} ({spent:.0f} CPU seconds so far)")


def replaced(
    module: ModuleType | type,
    values: Mapping[str, Any],
    merit: Callable[[Any], Merit],
    half: Any,
) -> Merit:
    """The merit on a half with other ``values`` of constants of ``module``."""
    with mock.patch.multiple(module, **values):
        return merit(half)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def command_line(text: str) -> argparse.Namespace:
    """``FOLDER`` and ``--quick`` of a script."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="images of your own, added to all")
    parser.add_argument("--quick", action="store_true", help="few small images, a minute or two")
    torch.set_num_threads(1)
    return parser.parse_args()


def reference(images: np.ndarray, times: Sequence[float]) -> np.ndarray:
    """The flow at increasing times, shape (T, n, *spatial), solved far tighter than any tolerance.

    Every interval is 400 extrapolated steps of 100 iterations, or 100 of 60 for small images.
    """
    return _reference(images.tobytes(), images.shape, tuple(times))


@functools.lru_cache(maxsize=16)
def _reference(values: bytes, shape: tuple[int, ...], times: tuple[float, ...]) -> np.ndarray:
    steps, n_iter = (100, 60) if max(shape[1:]) < 64 else (400, 100)
    flow = ChambolleTVFlow(n_steps=steps, order=2, tol=None, max_num_iter=n_iter, batch_axis=0)
    frames, now = [np.frombuffer(values).reshape(shape)], 0.0
    for end in times:
        frames.append(flow.transform(frames[-1], end - now))
        now = end
    return np.stack(frames[1:])


def rms(difference: np.ndarray, n_spatial: int = 2) -> np.ndarray:
    """Root mean square over the last axes."""
    return np.sqrt(np.mean(difference**2, axis=tuple(range(-n_spatial, 0))))


def geometric_mean(values: np.ndarray) -> float:
    """The mean for quantities of which ratios matter."""
    return float(np.exp(np.log(np.maximum(values, 1e-300)).mean()))


def at_work(work: float, works: Sequence[float], errors: Sequence[float]) -> float:
    """The error at a given work, between the tried ones; logarithms are interpolated."""
    return float(np.exp(np.interp(np.log(work), np.log(works), np.log(errors))))


@contextlib.contextmanager
def counted_iterations() -> Iterator[list[int]]:
    """The dual iterations of all implicit Euler trajectories meanwhile, in a list of one number.

    A multigrid cycle counts as the iterations that take as long.
    """
    count, advance = [0], NumbaTrajectory.advance

    def counting(self, items, n_steps, lengths, n_iter, *args, **kwargs) -> None:
        n_iter_of_all = n_iter + kwargs.get("n_cycles", 0) * step_control.WORK_OF_A_CYCLE
        count[0] += len(items) * int(np.sum(n_steps)) * n_iter_of_all
        advance(self, items, n_steps, lengths, n_iter, *args, **kwargs)

    with mock.patch.object(NumbaTrajectory, "advance", counting):
        yield count
