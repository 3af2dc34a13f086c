"""What the command line says when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ._words import in_options


class CliError(Exception):
    """Bad input, which ends the command: what was given, what is needed, what to type."""


def say(message: str) -> None:
    """Write one line for a person to standard error; standard output is for results."""
    typer.echo(message, err=True)


@contextmanager
def library_errors(about: str | None = None) -> Iterator[None]:
    """Pass on what the library says about bad input, with the file that it is about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        where = "" if about is None else f"{about}: "
        raise CliError(where + in_options(str(error))) from error
    except OverflowError as error:
        where = "" if about is None else f"{about}: "
        raise CliError(
            f"{where}its values are too large to compute with ({error}); numbers of a usual size "
            "are needed. Divide them where the file was made."
        ) from error
