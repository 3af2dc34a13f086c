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

from skimage_tvflow.number_format import plain

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


def print_table(title: str, columns: Mapping[str, Sequence[str]]) -> None:
    """Write a table to standard output.

    Parameters
    ----------
    title : str
        The line above it.
    columns : mapping
        From their headings to their cells.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in columns:
        table.add_column(heading, justify="right")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    typer.echo(title)
    Console().print(table)


def mean_column(heading: str, values: Sequence[Any]) -> dict[str, list[str]]:
    """Return a column of numbers, or of the means over the items of a batch.

    Parameters
    ----------
    heading : str
        Its heading.
    values : sequence of float or ndarray
        One entry for each row.

    Returns
    -------
    dict
        For `print_table`.
    """
    batch = max((np.size(value) for value in values), default=1)
    heading = heading if batch == 1 else f"{heading} (mean of {batch})"
    return {heading: [plain(float(np.mean(value)), 6) for value in values]}


def time_column(times: Sequence[float]) -> dict[str, list[str]]:
    """Return the column of the times."""
    return {"t": [plain(t) for t in times]}


def seconds_column(seconds: Sequence[float]) -> dict[str, list[str]]:
    """Return the column of the seconds after which each time was reached."""
    return {"seconds": [f"{second:.3f}" for second in seconds]}


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
