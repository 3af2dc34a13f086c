"""What a run shows: a table for people, JSON for machines, warnings."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import numpy as np
import typer

from skimage_tvflow._rounding import plain

from ._errors import say
from ._words import in_options


def print_json(record: Mapping[str, Any]) -> None:
    """Write one JSON object to standard output.

    Parameters
    ----------
    record : mapping
        Numbers, strings, arrays, and lists and mappings of them.
    """
    typer.echo(json.dumps(_plain(record), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Turn arrays into lists, and numbers that JSON does not know into null."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(
    title: str, times: Sequence[float], variation: Sequence[Any], seconds: Sequence[float]
) -> None:
    """Write a table of t, TV and seconds to standard output.

    Parameters
    ----------
    title : str
        The line above it.
    times : sequence of float
        The times.
    variation : sequence of float or ndarray
        The total variation at each; of a batch, the mean over its items is shown.
    seconds : sequence of float
        When each time was reached, from the start.
    """
    from rich.console import Console
    from rich.table import Table

    batch = max((np.size(tv) for tv in variation), default=1)
    table = Table()
    table.add_column("t", justify="right")
    table.add_column("TV" if batch == 1 else f"TV (mean of {batch})", justify="right")
    table.add_column("seconds", justify="right")
    for t, tv, second in zip(times, variation, seconds, strict=True):
        table.add_row(plain(t), plain(float(np.mean(tv)), 6), f"{second:.3f}")
    typer.echo(title)
    Console().print(table)


@contextmanager
def spoken_warnings(about: str) -> Iterator[None]:
    """Show each warning that is meant for the user as one line on standard error."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        say(f"warning: {about}: {in_options(' '.join(str(message).split()))}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # scikit-learn's ConvergenceWarning is one
        warnings.showwarning = show
        yield
