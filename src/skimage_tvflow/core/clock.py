"""Polls at a steady pace, however short or long the pieces of work between them are."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_SECONDS = 0.02

Poll = Callable[[float], None]


def steady(poll: Poll | None) -> Poll | None:
    """``poll``, but passed over if it was called less than 20 ms ago: to be called at any time."""
    if poll is None:
        return None
    due = time.monotonic() + POLL_SECONDS

    def tick(value: float) -> None:
        nonlocal due
        if time.monotonic() >= due:
            poll(value)
            due = time.monotonic() + POLL_SECONDS

    return tick
