"""The command line, `skimage-tvflow`."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from ._app import app
from ._errors import CliError, say

# typer exports the class of bad values, not its base, which covers unknown and missing options too.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, of `sys.argv` unless others are given.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name.

    Returns
    -------
    int
        The exit status: 0, or 2 for bad input, or 130 when interrupted.
    """
    arguments = None if argv is None else list(argv)
    try:
        status = app(args=arguments, prog_name="skimage-tvflow", standalone_mode=False)
    except CliError as error:
        say(f"error: {error}")
        return 2
    except _UsageError as error:
        say(f"error: {_describe(error)}")
        return 2
    except OSError as error:
        what = error.filename or "a file or standard output"
        say(
            f"error: {what} cannot be used ({error.strerror or error}). "
            "A path that you have the permission to use, of names that the disk takes, is needed. "
            "Type another one."
        )
        return 2
    except MemoryError as error:
        say(
            f"error: out of memory ({error}). The times of one image are held together: "
            "pass fewer -t, or cut the image."
        )
        return 2
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    if status == 130:
        say("interrupted; no file was left half-written")
    return status if isinstance(status, int) else 0


def _describe(error: BaseException) -> str:
    """Complete a message about the options with what to type."""
    message = str(getattr(error, "format_message", error.__str__)())
    message += "" if message.endswith((".", "?")) else "."
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "skimage-tvflow"
    return f"{message} Type '{command} --help' for what is accepted."
