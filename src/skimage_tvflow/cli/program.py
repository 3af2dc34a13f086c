"""One run of the program: what goes wrong becomes a message and an exit status."""

from __future__ import annotations

import dis
import sys
import traceback
from collections.abc import Sequence

import typer

# typer exports the class of bad values, not its base, which covers unknown and missing options too.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")
_RAISERS = ("skimage_tvflow.", "sklearn.utils._param_validation")


class CliError(Exception):
    """Bad input that ends the command: what was given, what is needed, what to type."""


class BadImage(CliError):
    """An image that cannot be computed; the others of the command still can."""


def say(message: str) -> None:
    """Write one line for a person to standard error; standard output is for results."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def is_for_the_user(error: BaseException) -> bool:
    """Return whether an error is a message of the library about its input, not a fault in it.

    The library's messages come from its own ``raise`` statements. A ValueError or TypeError from
    elsewhere, such as of shapes that NumPy cannot broadcast, is a fault.
    """
    module, is_raise = _origin(error)
    return (
        isinstance(error, ValueError | TypeError | OSError)
        and is_raise
        and module.startswith(_RAISERS)
    )


def is_ours(error: BaseException) -> bool:
    """Return whether an error that nobody raised on purpose arose in the command line itself."""
    module, is_raise = _origin(error)
    return module.startswith("skimage_tvflow.") and not is_raise


def _origin(error: BaseException) -> tuple[str, bool]:
    """Return the module in which an error arose, and whether a ``raise`` statement made it."""
    trace = error.__traceback__
    if trace is None:
        return "", False
    while trace.tb_next is not None:
        trace = trace.tb_next
    is_raise = trace.tb_frame.f_code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return trace.tb_frame.f_globals.get("__name__", ""), is_raise


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether NumPy, Python or torch asked for more memory than there is."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)
    )


def run_program(arguments: Sequence[str]) -> int:
    """Run one command and return the exit status."""
    from skimage_tvflow.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be valid UTF-8
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(args=list(arguments), prog_name="skimage-tvflow", standalone_mode=False)
    except KeyboardInterrupt:
        status = 130
    except SystemExit as stop:
        status = stop.code
    except Exception as error:
        if "--debug" in arguments:
            say(traceback.format_exc().rstrip())
        status, message = _describe(error)
        say(f"error: {message}")
    if isinstance(status, int) and status > 128:
        say("interrupted; no file was left half-written")
    return status if isinstance(status, int) else 0


def _describe(error: Exception) -> tuple[int, str]:
    """Return the exit status and the message of an error that ended the command."""
    if isinstance(error, _UsageError):
        message = str(getattr(error, "format_message", error.__str__)())
        message += "" if message.endswith((".", "?")) else "."
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "skimage-tvflow"
        return 2, f"{message} Type '{command} --help' for what is accepted."
    if isinstance(error, CliError) or is_for_the_user(error):
        return 2, str(error)
    if is_out_of_memory(error):
        return 2, f"out of memory ({error}). Give fewer or smaller images."
    if isinstance(error, OSError) and error.errno is not None:
        return 2, (
            f"{error.filename or 'a file or standard output'} cannot be used "
            f"({error.strerror or error}). A path that you have the permission to use, on a disk "
            "with room, is needed. Type another one."
        )
    where = traceback.extract_tb(error.__traceback__)[-1]
    return 1, (
        f"internal fault: {type(error).__name__}: {error} ({where.filename}:{where.lineno}). This "
        "is a fault of the program, not of your files. Type the command again with --debug, and "
        "report what it says together with the output of 'skimage-tvflow info'."
    )
