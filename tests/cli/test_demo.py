from __future__ import annotations

import importlib.util
import json

import imageio.v3 as imageio
import numpy as np
import pytest
import skimage
import tifffile

Axes = pytest.importorskip("matplotlib.axes").Axes


@pytest.fixture
def small_camera(monkeypatch):
    """The image of the demo, small enough for a test."""
    image = skimage.data.camera()[::16, ::16]
    monkeypatch.setattr(skimage.data, "camera", lambda: image)
    return image


def test_demo_writes_a_stack_and_a_sheet_and_runs_again(tvflow, small_camera, tmp_path):
    output = tmp_path / "out"
    for _ in range(2):
        outcome = tvflow("demo", "-o", output)
        assert outcome.status == 0, outcome.err
    names = sorted(path.name for path in output.iterdir())
    assert names == ["camera_scale_space.png", "camera_scale_space.tif"]
    with tifffile.TiffFile(output / "camera_scale_space.tif") as tif:
        stack = tif.asarray()
        times = json.loads(tif.pages.first.description)["times"]
    assert stack.shape == (12, 32, 32)
    assert len(times) == 12
    np.testing.assert_allclose(stack[0], small_camera / 255, atol=1e-6)
    np.testing.assert_allclose(stack.mean((1, 2)), stack[0].mean(), atol=1e-5)
    spread = stack.std((1, 2))
    assert (np.diff(spread) < 0).all()
    assert spread[-1] < 0.05 * spread[0]
    sheet = imageio.imread(output / "camera_scale_space.png")
    assert sheet.shape[0] > 500
    assert sheet.shape[1] > 500
    rows = [line for line in outcome.out.splitlines() if line.startswith("│")]
    assert [float(row.split("│")[1]) for row in rows] == pytest.approx(times, rel=1e-3)


def test_demo_says_how_it_computes(tvflow, small_camera, tmp_path):
    outcome = tvflow("demo", "-o", tmp_path)
    title = outcome.out.splitlines()[0]
    assert title.endswith("32 x 32 pixels in [0, 1], computed in float32 to tol=0.005")
    # whatever there is to say of compilation, the library has said
    assert "compiled" not in outcome.out


def test_sheet_and_table_show_the_same_times(tvflow, small_camera, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda axes, title, **how: titles.append(title))
    rows = tvflow("demo", "-o", tmp_path).out.splitlines()
    times = [row.split("│")[1].strip() for row in rows if row.startswith("│")]
    assert titles == [f"t = {t}" for t in times]
    assert len(titles) == 12


def test_demo_without_matplotlib_says_what_to_install(tvflow, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = tvflow("demo", "-o", tmp_path / "out")
    assert outcome.status == 2
    assert "pip install 'skimage-tvflow[plot]'" in outcome.err
    assert not (tmp_path / "out").exists()


def test_demo_into_a_file(tvflow, step_tif):
    outcome = tvflow("demo", "-o", step_tif)
    assert outcome.status == 2
    assert "is a file, not a folder. Type -o out" in outcome.err
