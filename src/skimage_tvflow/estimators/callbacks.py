"""Callbacks: what a caller's function is told while work is in progress, and how it stops it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.result import Progress

__all__ = ["Callback", "StoppedByCallback", "WorkReport", "check_callback"]

Callback = Callable[[Progress], bool | None]


class StoppedByCallback(Exception):
    """A callback returned True, and there is no partial answer to give.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import StoppedByCallback, extinction_time
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> try:
    ...     extinction_time(image, callback=lambda progress: True)
    ... except StoppedByCallback:
    ...     print("stopped")
    stopped
    """


def check_callback(callback: Any) -> None:
    """
    Raise if something is no callback.

    Parameters
    ----------
    callback : object
        What a caller gave.

    Raises
    ------
    TypeError
        If it is neither a function nor None.
    """
    if callback is not None and not callable(callback):
        raise TypeError(
            f"callback must be a function of the progress, got {callback!r}. Pass "
            "callback=lambda progress: print(progress), for example."
        )


class WorkReport:
    """
    Tells a callback the fraction of the work that is done; it never goes back.

    Parameters
    ----------
    callback : callable
        The caller's function.

    Attributes
    ----------
    time : float
        The requested time that was reached last; NaN where there is none.
    """

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self._most = 0.0
        self.time = math.nan

    @classmethod
    def of(cls, callback: Callback | None) -> WorkReport | None:
        """
        Make a report for a callback that was checked, or None without one.

        Parameters
        ----------
        callback : callable or None
            The caller's function.

        Returns
        -------
        WorkReport or None
            The report.

        Raises
        ------
        TypeError
            If it is neither a function nor None.
        """
        check_callback(callback)
        return None if callback is None else cls(callback)

    def __call__(self, fraction: float) -> None:
        """Tell the callback the fraction of the work that is done."""
        self._most = min(max(self._most, fraction), 1.0)
        if self._callback(Progress(self._most, self.time)):
            raise StoppedByCallback("The callback returned True, which stops the work.")

    def reach(self, time: float) -> None:
        """
        Tell that a requested time is reached.

        Parameters
        ----------
        time : float
            The time of the flow.
        """
        self.time = time
        self(self._most)

    def part(self, begin: float, end: float) -> Report:
        """
        Return a report for a share of the whole work.

        Parameters
        ----------
        begin, end : float
            Where the share begins and ends, 0 to 1.

        Returns
        -------
        callable
            It is told the fraction of the share.
        """
        return lambda fraction: self(begin + (end - begin) * fraction)
