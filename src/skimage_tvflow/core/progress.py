"""How progress is reported: as the fraction of the work that is done, every 20 ms at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

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
    """Return a report of a part of the work, from the fraction ``begin`` to ``end``."""
    if report is None:
        return None
    return lambda fraction: report(begin + (end - begin) * fraction)


class WorkMeter:
    r"""Reports :math:`\mathrm{done} / (\mathrm{done} + \mathrm{left})` while intervals are solved.

    What is left is predicted by a work model, interval by interval, and corrected by how the work
    of the finished intervals compares with their prediction.

    Parameters
    ----------
    report : function of the fraction, or None
    """

    def __init__(self, report: Report | None) -> None:
        self._report = report
        self._expected: Sequence[float] = ()
        self._done = self._begun = 0.0
        self._interval = -1

    @property
    def is_watched(self) -> bool:
        """Whether anybody listens; otherwise predictions need not be made."""
        return self._report is not None

    def expect(self, expected: Sequence[float]) -> None:
        """Predict the work of every interval, in any unit."""
        self._expected = expected

    def begin_interval(self) -> None:
        """Go on to the next interval."""
        self._interval += 1
        self._begun = self._done

    def run(self, work: float, then: float = 0.0) -> Report | None:
        """Return what is told the finished part, 0 to 1, of a piece of ``work``.

        More work of the size ``then`` is known to follow in this interval.
        """
        report = self._report
        if report is None:
            return None
        done = self._done
        here, later = self._left()
        total = done + max(work + then, here - (done - self._begun)) + later
        self._done += work
        return lambda part: report(min((done + part * work) / total, 1.0))

    def _left(self) -> tuple[float, float]:
        """The work expected in this interval, and in those after it."""
        finished = sum(self._expected[: self._interval])
        ratio = self._begun / finished if finished > 0 else 1.0
        here = sum(self._expected[self._interval : self._interval + 1])
        return ratio * here, ratio * sum(self._expected[self._interval + 1 :])
