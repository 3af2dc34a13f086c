"""Work in a thread of its own, which the main thread watches and can cancel.

Nothing is sent to the main thread: it looks at the job whenever it likes. So a message of an old
job cannot arrive late, and a closed dock is not told anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PREPARING = "preparing for this processor, once: up to half a minute"


class Cancelled(Exception):
    """The job was cancelled between two parts of its work."""


class Watch:
    """
    How far work is, and whether it is to stop.

    Parameters
    ----------
    callback : callable, optional
        ``callback(fraction)`` is told, too; returning True stops the work.

    Attributes
    ----------
    fraction : float
        Part of the work that is done, 0 to 1.
    stage : str
        What is being done, for the user.
    """

    def __init__(self, callback: Callable[[float], bool | None] | None = None) -> None:
        self._callback = callback
        self._cancel = threading.Event()
        self.fraction, self.stage = 0.0, ""

    def cancel(self) -> None:
        """Ask the work to stop; it does so at its next report."""
        self._cancel.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancel.is_set()

    def report(self, fraction: float) -> bool:
        """
        Note how far the work is: the callback for the functions of `skimage_tvflow`.

        Parameters
        ----------
        fraction : float
            Part of the work that is done.

        Returns
        -------
        bool
            True if the work is to stop.
        """
        self.fraction = float(fraction)
        if self._callback is not None and self._callback(self.fraction):
            self.cancel()
        return self.is_cancelled

    def part(self, begin: float, end: float) -> Callable[[float], bool]:
        """
        Return a callback for a part of the work.

        Parameters
        ----------
        begin, end : float
            Where the part begins and ends, 0 to 1.

        Returns
        -------
        callable
            It is told the fraction of the part.
        """
        return lambda fraction: self.report(begin + (end - begin) * float(fraction))

    def check(self) -> None:
        """
        Stop here if the work is to stop.

        Raises
        ------
        Cancelled
            If it is.
        """
        if self.is_cancelled:
            raise Cancelled


class Job(Watch):
    """
    A piece of work in a thread.

    Parameters
    ----------
    work : callable
        ``work(job)`` is called in the thread; what it returns is the `result`.
    name : str
        What is computed, for the thread's name.
    after : Job, optional
        The work begins when this one has ended: one layer has one worker at a time.

    Attributes
    ----------
    result : object
        What `work` returned; None before.
    error : Exception or None
        What it raised, unless it was cancelled.
    """

    def __init__(self, work: Callable[[Job], Any], name: str, after: Job | None = None) -> None:
        super().__init__()
        self._work, self._after = work, after
        self._ended = threading.Event()
        # Not a daemon: torch may crash a process that ends while such a thread computes.
        self._thread = threading.Thread(target=self._run, name=f"tvflow: {name}", daemon=False)
        self.result: Any = None
        self.error: Exception | None = None

    def start(self) -> Job:
        """
        Begin.

        Returns
        -------
        Job
            The job itself.
        """
        self._thread.start()
        return self

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._ended.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """
        Wait for the end.

        Parameters
        ----------
        seconds : float, optional
            How long at most.

        Returns
        -------
        bool
            Whether it has ended.
        """
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            if self._after is not None:
                self._after.wait()
                self._after = None
            self.check()
            with _compilation_noted(self):
                self.result = self._work(self)
        except Cancelled:
            pass
        except Exception as error:
            # A cancelled solve has no answer, and says so by an exception of the library.
            self.error = None if self.is_cancelled else error
        finally:
            self._ended.set()


@contextmanager
def _compilation_noted(job: Job) -> Iterator[None]:
    """Tell the user when kernels are compiled, which takes up to half a minute on a first run."""
    logger, handler = logging.getLogger("skimage_tvflow"), _StageHandler(job)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _StageHandler(logging.Handler):
    """Turns the library's message about compilation into the stage of a job."""

    def __init__(self, job: Job) -> None:
        super().__init__(logging.WARNING)
        self._job, self._thread = job, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """
        Note that kernels are compiled.

        Parameters
        ----------
        record : logging.LogRecord
            The library's message.
        """
        if record.thread == self._thread and "Compiling" in record.getMessage():
            self._job.stage = PREPARING
