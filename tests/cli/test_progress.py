from __future__ import annotations

import time

import numpy as np
import pytest

from skimage_tvflow import ChambolleTVFlow, spectral_decompose
from skimage_tvflow._cli import _progress
from skimage_tvflow._cli._progress import Clock, progress, watched


def test_a_line_from_time_to_time_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(_progress, "EVERY", 0.01)
    with progress("a.png") as show:
        show(0.25)
        said = ""
        patience = time.monotonic() + 30
        while said.count("\n") < 2 and time.monotonic() < patience:
            time.sleep(0.01)
            said += capsys.readouterr().err
    assert "a.png: 25 % of the way to the last t, after 0 s\n" in said
    assert said.count("\n") >= 2
    capsys.readouterr()
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_quick_work_is_silent_and_errors_pass(capsys):
    def fail():
        with progress("a.png") as show:
            show(0.5)
            raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        fail()
    assert capsys.readouterr().err == ""


def test_there_is_never_long_silence():
    assert _progress.EVERY <= 10


def test_a_watched_solver_computes_the_same_and_tells_how_far_it_is(image):
    shown = []
    solver = ChambolleTVFlow(spacing=0.5, tol=1e-4)
    parts = spectral_decompose(image, [0.01, 0.1, 0.2], flow=watched(solver, shown.append))
    np.testing.assert_array_equal(
        parts.bands, spectral_decompose(image, [0.01, 0.1, 0.2], flow=solver).bands
    )
    assert shown == sorted(shown)
    assert shown[-1] == pytest.approx(1)
    assert len(set(shown)) > 3


def test_clock_notes_when_each_time_was_reached():
    class Progress:
        def __init__(self, time):
            self.time, self.fraction = time, time / 4

    shown = []
    clock = Clock([1, 2, 4], shown.append)
    for reached in (0.5, 1, 0.7, 2.5):
        assert clock(Progress(reached)) is False
    first, second, third = clock.stop()
    assert 0 <= first <= second <= third
    assert shown == [0.125, 0.25, 0.175, 0.625]
