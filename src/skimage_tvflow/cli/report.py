"""What a run shows: progress and warnings on standard error, results on standard output."""

from __future__ import annotations

import json
import logging
import math
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
_SLOW_TO_READ = 2**28  # bytes


class Progress:
    """Tells what is being done: a bar on a terminal, otherwise a line every few seconds."""

    def __init__(self, name: str, bar: Any, *, terminal: bool) -> None:
        self._name, self._bar, self._terminal = name, bar, terminal
        self._said = time.monotonic()

    def stage(self, what: str, n_bytes: int = 0) -> Callable[[Any], bool]:
        """Begin a stage, such as "flow"; return the callback that takes the fraction done."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        label = f"{self._name}: {what}"
        if n_bytes > _SLOW_TO_READ:
            label += f" {n_bytes / 1e9:.1f} GB"
            if not self._terminal:
                say(label)
        from rich.markup import escape

        task = self._bar.add_task(escape(label), total=None)

        def callback(progress: float) -> bool:
            self._bar.update(task, total=1.0, completed=progress)
            if not self._terminal and time.monotonic() - self._said >= EVERY:
                self._said = time.monotonic()
                say(f"{label}, {int(100 * progress)} %")
            return False

        return callback


@contextmanager
def reporting(name: str) -> Iterator[Progress]:
    """Show progress, warnings and the library's log of the block as lines about `name`."""
    from rich import progress as rich_progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (*rich_progress.Progress.get_default_columns(), rich_progress.TimeElapsedColumn())
    bar = rich_progress.Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    )
    logger, handler = logging.getLogger("skimage_tvflow"), _LogLines()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings(), bar:
            warnings.simplefilter("always", UserWarning)  # scikit-learn's ConvergenceWarning is one
            warnings.showwarning = lambda message, *_, **__: say(
                f"warning: {name}: {' '.join(str(message).split())}"
            )
            yield Progress(name, bar, terminal=console.is_terminal)
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


class _LogLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"note: {record.getMessage()}")


def print_line(text: str) -> None:
    """Write a result for people to standard output."""
    sys.stdout.write(f"{text}\n")


def print_json(record: Mapping[str, Any]) -> None:
    """Write one JSON object of numbers, strings, arrays, lists and mappings."""
    print_line(json.dumps(_plain(record), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Turn arrays into lists, and numbers that JSON does not know into null."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(title: str, columns: Mapping[str, Sequence[str]]) -> None:
    """Write a table to standard output, from the headings and cells of its columns."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in columns:
        table.add_column(heading, justify="right")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    print_line(title)
    Console().print(table)


def column(heading: str, values: Sequence[Any], digits: int = 4) -> dict[str, list[str]]:
    """Return a column of numbers, or of their means over a batch, for `print_table`."""
    batch = max((np.size(value) for value in values), default=1)
    heading = heading if batch == 1 else f"{heading} (mean of {batch})"
    return {heading: [format_number(float(np.mean(value)), digits) for value in values]}
