"""What happens while a solve runs: callbacks are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.result import Progress

__all__ = ["Callback", "Report", "Reporter", "StoppedByCallback", "refuse_callback"]

Callback = Callable[[Progress], bool | None]


def refuse_callback(callback: Any) -> None:
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
            "callback=lambda progress: print(progress.fraction), say."
        )


class StoppedByCallback(Exception):
    """A callback returned True."""


class Reporter:
    """
    Turns the times that the core reaches into a callback's progress.

    Parameters
    ----------
    callback : callable
        What is to be told.
    items : slice
        Which items are at work.
    n_items : int
        How many there are.
    last : float
        The last time asked for.
    """

    def __init__(self, callback: Callback, items: slice, n_items: int, last: float) -> None:
        self._callback = callback
        self._before = items.start / n_items
        self._share = (items.stop - items.start) / n_items
        self._last = last
        self._most = 0.0

    def __call__(self, time: float) -> None:
        # An attempt that is repeated starts at an earlier time than the first one ended.
        self._most = max(self._most, time)
        part = self._most / self._last if self._last > 0 else 1.0
        if self._callback(Progress(self._before + self._share * part, self._most)):
            raise StoppedByCallback
