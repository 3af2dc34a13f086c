"""How progress is reported: a function of the fraction done, called every 20 ms at most."""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds between two reports: progress looks smooth, and an interruption is heard at once.
REPORT_SECONDS = 0.02

Report = Callable[[float], None]


def throttled(report: Report | None) -> Report | None:
    """Return ``report``, skipped when its last call was less than 20 ms ago."""
    if report is None:
        return None
    due = time.monotonic() + REPORT_SECONDS

    def report_when_due(value: float) -> None:
        nonlocal due
        if time.monotonic() >= due:
            report(value)
            due = time.monotonic() + REPORT_SECONDS

    return report_when_due


def share_of(report: Report | None, begin: float, end: float) -> Report | None:
    """A report for the share from ``begin`` to ``end`` of the work that ``report`` is told of."""
    if report is None:
        return None
    return lambda fraction: report(begin + (end - begin) * fraction)
