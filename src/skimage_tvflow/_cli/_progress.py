"""How far a computation has come, while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from ._errors import say

if TYPE_CHECKING:
    from rich.progress import Task


EVERY = 10.0  # seconds between two lines where there is no bar


@contextmanager
def progress(
    label: str, goal: str = " of the way to the last t"
) -> Iterator[Callable[[float], None]]:
    """Show on standard error how far the block is: a bar on a terminal, now and then a line if not.

    Parameters
    ----------
    label : str
        What is being worked on.
    goal : str, optional
        What the share that is done is of.

    Yields
    ------
    callable
        Takes the fraction that is done.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(label), total=1.0)
        with nullcontext() if console.is_terminal else _lines(label, goal, bar.tasks[0]):
            yield lambda fraction: bar.update(task, completed=fraction)


@contextmanager
def _lines(label: str, goal: str, task: Task) -> Iterator[None]:
    """Write a line every few seconds, from a thread: not all work reports how far it is."""
    finished = Event()

    def speak() -> None:
        while not finished.wait(EVERY):
            share, seconds = task.percentage, task.elapsed
            say(f"{label}: {share:.0f} %{goal}, after {seconds:.0f} s")

    speaker = Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        finished.set()
        speaker.join()


def watched(solver: Any, show: Callable[[float], None]) -> Any:
    """Return the same solver, one that tells how far it is whichever way it is asked to compute.

    Parameters
    ----------
    solver : ChambolleTVFlow
        What computes.
    show : callable
        Takes the fraction that is done.

    Returns
    -------
    ChambolleTVFlow
        A solver with the same parameters.
    """
    from skimage_tvflow import ChambolleTVFlow
    from skimage_tvflow.estimators.callbacks import Reporter

    class Watched(ChambolleTVFlow):
        def _march(
            self, job: Any, items: slice, *, wanted: Any, out: Any = None, poll: Any = None
        ) -> Any:
            last = job.times.increasing[-1]
            poll = Reporter(lambda now: show(now.fraction), slice(0, 1), 1, last)
            for frames in super()._march(job, items, wanted=wanted, out=out, poll=poll):
                poll(frames.times[-1])
                yield frames

    return Watched(**solver.get_params())


class Clock:
    """A callback of the solver that notes when each time was reached.

    Parameters
    ----------
    times : sequence of float
        The times, increasing.
    show : callable
        Takes the fraction that is done.
    """

    def __init__(self, times: Sequence[float], show: Callable[[float], None]) -> None:
        self._times = list(times)
        self._show = show
        self._start = time.perf_counter()
        self._reached: list[float] = []

    def __call__(self, progress: Any) -> bool:
        """Note the progress; never ask the solver to stop."""
        now = time.perf_counter() - self._start
        done = sum(t <= progress.time * (1 + 1e-9) for t in self._times)
        self._reached += [now] * (done - len(self._reached))
        self._show(progress.fraction)
        return False

    def stop(self) -> list[float]:
        """Return the seconds at which each time was reached; those not reported, now."""
        missing = len(self._times) - len(self._reached)
        return self._reached + [time.perf_counter() - self._start] * missing
