"""One run of the program: what goes wrong becomes a message and an exit status."""

from __future__ import annotations

import dis
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

# typer exports the class of bad values, not its base, which covers unknown and missing options too.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")
_RAISERS = ("skimage_tvflow.", "sklearn.utils._param_validation")


class CliError(Exception):
    """Bad input that ends the command: what was given, what is needed, what to type."""


class BadImage(CliError):
    """An image that cannot be computed; the others of the command still can."""


def refuse(reasons: Mapping[str, object], kind: type[CliError] = CliError) -> None:
    """Raise the first message whose condition holds."""
    for message, holds in reasons.items():
        if holds:
            raise kind(message)


def say(message: str) -> None:
    """Write one line for a person to standard error; standard output is for results."""
    sys.stderr.write(f"{message}\n")


def origin(error: BaseException) -> tuple[str, bool]:
    """Return the module in which an error arose, and whether a ``raise`` statement made it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "", False
    operation = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    module = trace.tb_frame.f_globals.get("__name__", "")
    return module, operation == dis.opmap["RAISE_VARARGS"]


def explain(error: Exception, size: str = "") -> str | None:
    """Return a message for the user, or None if the error is a fault of the program."""
    if isinstance(error, CliError):
        return str(error)
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    of_torch = isinstance(error, RuntimeError) and any(w in text.lower() for w in _OUT_OF_MEMORY)
    if of_torch or isinstance(error, MemoryError):
        return f"out of memory ({text}). {size}Type fewer times, or cut the image."
    if isinstance(error, OSError) and error.errno is not None:
        path = error.filename or "a file or standard output"
        return f"{path} cannot be used ({error.strerror}). Type another path, on a disk with room."
    module, is_raise = origin(error)  # only a `raise` of the library is a message to its users
    is_message = isinstance(error, ValueError | TypeError | OSError) and is_raise
    return str(error) if is_message and module.startswith(_RAISERS) else None


@contextmanager
def about(path: Path, size: str = "") -> Iterator[None]:
    """Name the file in every message of the block that is for the user."""
    try:
        yield
    except CliError:
        raise
    except Exception as error:
        message = explain(error, size)
        if message is None:
            raise
        raise BadImage(message if str(path) in message else f"{path}: {message}") from error


def tell(error: Exception, *, debug: bool) -> int:
    """Write the message of an error; return the exit status."""
    if debug:
        say("".join(traceback.format_exception(error)).rstrip())
    status, message = 2, explain(error)
    if isinstance(error, _UsageError):
        text = str(getattr(error, "format_message", error.__str__)()).removesuffix(".")
        command = getattr(getattr(error, "ctx", None), "command_path", "skimage-tvflow")
        text += "" if text.endswith("?") else "."
        message = f"{text} Type '{command} --help' for what is accepted."
    elif message is None:
        status, where = 1, traceback.extract_tb(error.__traceback__)[-1]
        message = (
            f"internal fault: {type(error).__name__}: {error} ({where.filename}:{where.lineno}), "
            "a fault of the program, not of your files. Type the command again with --debug, and "
            "report what it says with the output of 'skimage-tvflow info'."
        )
    say(f"error: {message}")
    return status


def run_program(arguments: Sequence[str]) -> int:
    """Run one command and return the exit status."""
    from skimage_tvflow.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be valid UTF-8
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(args=list(arguments), prog_name="skimage-tvflow", standalone_mode=False)
    except (KeyboardInterrupt, SystemExit) as stop:
        status = getattr(stop, "code", 130)
    except Exception as error:
        status = tell(error, debug="--debug" in arguments)
    if isinstance(status, int) and status > 128:
        say("interrupted; no file was left half-written")
    return status if isinstance(status, int) else 0
