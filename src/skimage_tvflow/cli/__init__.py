"""The command line, `skimage-tvflow`. Importing this is cheap: `main` imports everything else."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

# Set once the libraries are imported: signals raise exceptions from then on.
loaded = threading.Event()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, of `sys.argv` unless others are given.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name.

    Returns
    -------
    int
        The exit status: 0; 2 for bad input; 1 for an internal fault; 128 + n after signal n.
    """
    if argv is None:  # signals belong to the program, not to a script that calls this function
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stop)
    from skimage_tvflow.cli.program import run_program

    return run_program(list(sys.argv[1:] if argv is None else argv))


def _stop(number: int, frame: FrameType | None) -> None:
    if not loaded.is_set():
        # Many imports turn an interruption into another error. No file is open yet.
        os.write(2, b"interrupted; no file was left half-written\n")
        os._exit(128 + number)
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
