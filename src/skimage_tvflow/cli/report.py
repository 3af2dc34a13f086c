"""What a run shows: progress and warnings on standard error, results on standard output."""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from skimage_tvflow.cli.program import say
from skimage_tvflow.number_format import format_number

EVERY = 5.0  # seconds between two lines where there is no bar
Times = Sequence[float]
_SLOW = 2**28  # bytes; reading or writing more takes long enough to be announced


class StageReport:
    """Tell what is being done: a bar on a terminal, otherwise a line every few seconds."""

    def __init__(self, name: str, bar: Any) -> None:
        self._name, self._bar, self._said = name, bar, time.monotonic()

    def stage(self, what: str, times: Times = (), n_bytes: int = 0) -> Callable[[Any], bool]:
        """Begin a stage, such as "flow" to these times; return the callback that reports it."""
        from rich.markup import escape

        label = f"{self._name}: {what}" + f" {n_bytes / 1e9:.1f} GB" * (n_bytes > _SLOW)
        if n_bytes > _SLOW and self._bar.disable:
            say(label)
        for old in self._bar.task_ids:
            self._bar.remove_task(old)
        task = self._bar.add_task(escape(label), total=None)
        self._start, self._times, self._reached = time.monotonic(), times, list[float]()

        def callback(progress: Any) -> bool:
            now = time.monotonic()
            done = sum(t <= progress.time * (1 + 1e-9) for t in times)
            self._reached += [now - self._start] * (done - len(self._reached))
            self._bar.update(task, total=1.0, completed=progress)
            if self._bar.disable and now - self._said >= EVERY:
                self._said = now
                say(f"{label}, {int(100 * progress)} %")
            return False

        return callback

    def seconds(self) -> list[float]:
        """Return how long the stage took to each of its times; to those not reported, till now."""
        missing = len(self._times) - len(self._reached)
        return self._reached + [time.monotonic() - self._start] * missing


@contextmanager
def log_to(handler: logging.Handler, name: str) -> Iterator[None]:
    """Send the log of a library to this handler alone."""
    logger = logging.getLogger(name)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


@contextmanager
def reporting(name: str) -> Iterator[StageReport]:
    """Show progress, warnings and the library's log of the block as lines about `name`."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (*progress.Progress.get_default_columns(), progress.TimeElapsedColumn())
    hidden = not console.is_terminal
    with progress.Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("note: %(message)s"))
        with log_to(handler, "skimage_tvflow"), warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)  # ConvergenceWarning is one
            warnings.showwarning = lambda message, *_, **__: say(
                f"warning: {name}: {' '.join(str(message).split())}"
            )
            yield StageReport(name, bar)


def print_line(text: str) -> None:
    """Write a result for people to standard output."""
    sys.stdout.write(f"{text}\n")


def print_json(record: Mapping[str, Any]) -> None:
    """Write one JSON object; arrays become lists, NaN and infinity null."""
    text = json.dumps(record, default=lambda value: value.tolist())
    print_line(json.dumps(json.loads(text, parse_constant=lambda name: None), indent=2))


Table = Mapping[str, Sequence[str]]  # the cells of each column, from its heading


def show(title: str, shown: Table | str, seconds: float = 0.0) -> None:
    """Write what became of an image, as a line or as a table."""
    from rich import console, table

    if isinstance(shown, str):
        print_line(f"{title}: {shown}; {seconds:.3f} seconds")
        return
    grid = table.Table(*(table.Column(heading, justify="right") for heading in shown))
    for row in zip(*shown.values(), strict=True):
        grid.add_row(*row)
    print_line(title)
    console.Console().print(grid)


def column(heading: str, values: Sequence[Any], digits: int = 4) -> dict[str, list[str]]:
    """Return a column of numbers, or of their means over a batch."""
    batch = max((np.size(value) for value in values), default=1)
    heading = heading if batch == 1 else f"{heading} (mean of {batch})"
    return {heading: [format_number(float(np.mean(value)), digits) for value in values]}


def flow_table(times: Times, energy: Sequence[Any], seconds: Times) -> Table:
    """Return what is shown of a flow: its times, total variation and progress."""
    clock = {"seconds": [f"{second:.3f}" for second in seconds]}
    return column("t", times) | column("TV", energy, 6) | clock
