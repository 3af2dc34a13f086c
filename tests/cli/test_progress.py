from __future__ import annotations

import logging
import warnings

import pytest
from rich.console import Console

from skimage_tvflow.cli import report
from skimage_tvflow.cli.report import reporting


class Fraction(float):
    """What a callback of the library is told: the fraction done, with the time reached."""

    time = 0.0


def test_a_line_every_few_seconds_where_there_is_no_terminal(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    with reporting("a.png") as progress:
        callback = progress.stage("flow")
        for second in range(13):
            now[0] = float(second)
            assert callback(Fraction(second / 13)) is False
        progress.stage("writing")(Fraction(0.5))
    assert capsys.readouterr().err == "a.png: flow, 38 %\na.png: flow, 76 %\n"
    assert report.EVERY <= 5


def test_a_big_file_is_announced_before_it_is_read(capsys):
    with reporting("a.tif") as progress:
        progress.stage("reading", n_bytes=3 * 10**9)
    assert capsys.readouterr().err == "a.tif: reading 3.0 GB\n"


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("TERM", "xterm")
    with reporting("[b]a.png") as progress:
        progress.stage("flow")(Fraction(0.25))
        progress._bar.refresh()
    shown = capsys.readouterr().err
    assert "[b]a.png: flow" in shown
    assert "25%" in shown


def test_quick_work_is_silent_and_errors_pass(capsys):
    def fail():
        with reporting("a.png") as progress:
            progress.stage("flow")(Fraction(0.5))
            raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        fail()
    assert capsys.readouterr().err == ""


def test_warnings_and_the_log_of_the_library_are_lines(capsys):
    logger = logging.getLogger("skimage_tvflow")
    with reporting("a.png"):
        warnings.warn("too few\niterations", UserWarning, stacklevel=1)
        logging.getLogger("skimage_tvflow.core").warning("Compiling for this processor")
    assert capsys.readouterr().err == (
        "warning: a.png: too few iterations\nnote: Compiling for this processor\n"
    )
    assert logger.propagate
    assert logger.handlers == []


def test_the_seconds_at_which_each_time_was_reached():
    def told_of(time):
        progress = Fraction(time / 4)
        progress.time = time
        return progress

    with reporting("a.png") as progress:
        callback = progress.stage("flow", [1, 2, 4])
        for reached in (0.5, 1, 2.5):
            assert callback(told_of(reached)) is False
        first, second, third = progress.seconds()
    assert 0 <= first <= second <= third
    with reporting("a.png") as progress:
        progress.stage("flow", [1])(told_of(0.5))
        assert len(progress.seconds()) == 1
