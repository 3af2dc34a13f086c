from __future__ import annotations

import csv
import importlib.util
import json

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow import ChambolleTVFlow, geometric_times, spectral_decompose
from skimage_tvflow.cli import bands

pytest.importorskip("matplotlib")

TIMES = [0.02, 0.1, 0.5, 1.0]
TYPED = [word for t in TIMES for word in ("-t", t)]
FILES = ["_bands.tif", "_residual.tif", "_spectrum.csv", "_spectrum.png"]


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_hold_the_decomposition(tvflow, noise_tif, tmp_path):
    outcome = tvflow("spectrum", noise_tif, *TYPED, "-o", tmp_path / "out" / "a")
    assert outcome.status == 0, outcome.err
    assert names(tmp_path / "out") == [f"a{ending}" for ending in FILES]
    image = tifffile.imread(noise_tif)
    parts = spectral_decompose(image, TIMES)
    bands = tifffile.imread(tmp_path / "out" / "a_bands.tif")
    residual = tifffile.imread(tmp_path / "out" / "a_residual.tif")
    np.testing.assert_allclose(bands, parts.bands, atol=1e-6)
    np.testing.assert_allclose(bands.sum(0) + residual, image, atol=1e-6)
    rows = table(tmp_path / "out" / "a_spectrum.csv")
    assert list(rows[0]) == ["t", "l1", "l2"]
    assert [float(row["t"]) for row in rows] == TIMES[:-1]
    np.testing.assert_allclose([float(row["l1"]) for row in rows], parts.spectrum)
    np.testing.assert_allclose([float(row["l2"]) for row in rows], parts.power_spectrum("l2"))
    assert imageio.imread(tmp_path / "out" / "a_spectrum.png").shape[0] > 500


def test_a_step_vanishes_at_its_time(tvflow, step_tif, tmp_path):
    options = ("-t", 1, "-t", 2, "-t", 3, "--tol", 1e-6, "-o", tmp_path / "a")
    assert tvflow("spectrum", step_tif, *options).status == 0
    rows = table(tmp_path / "a_spectrum.csv")
    # all of |u - 1/2|, in a stretch of time of 1
    assert [float(row["l1"]) for row in rows] == pytest.approx([0, 24], abs=1e-3)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "a_residual.tif"), 0.5, atol=1e-4)


def test_the_stack_knows_its_times(tvflow, noise_tif, tmp_path):
    tvflow("spectrum", noise_tif, *TYPED, "-o", tmp_path / "a")
    with tifffile.TiffFile(tmp_path / "a_bands.tif") as tif:
        assert json.loads(tif.pages.first.description)["times"] == TIMES[:-1]
        assert tif.series[0].axes == "TYX"
    with tifffile.TiffFile(tmp_path / "a_residual.tif") as tif:
        assert "times" not in json.loads(tif.pages.first.description)


@pytest.mark.parametrize(("options", "n"), [((), 32), (("--times", 5), 5)])
def test_times_up_to_extinction(tvflow, noise_tif, tmp_path, options, n):
    outcome = tvflow("spectrum", noise_tif, *options, "-o", tmp_path / "a", "--json")
    (record,) = outcome.json["files"]
    expected = geometric_times(tifffile.imread(noise_tif), n - 1, rtol=0.05)
    expected = np.append(expected, 1.25 * expected[-1])  # what vanishes last wants a band as well
    np.testing.assert_allclose(record["times"], expected, rtol=1e-6)
    assert tifffile.imread(tmp_path / "a_bands.tif").shape == (n, 24, 20)


def test_table_and_json_show_the_spectrum(tvflow, noise_tif, tmp_path):
    outcome = tvflow("spectrum", noise_tif, *TYPED, "-o", tmp_path / "a")
    assert outcome.err == ""
    rows = [
        [float(cell) for cell in line.split("│")[1:-1]]
        for line in outcome.out.splitlines()
        if line.startswith("│")
    ]
    parts = spectral_decompose(tifffile.imread(noise_tif), TIMES)
    expected = np.stack([parts.times, parts.spectrum, parts.power_spectrum("l2")], axis=1)
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    outcome = tvflow("spectrum", noise_tif, *TYPED, "-o", tmp_path / "b", "--json")
    (record,) = outcome.json["files"]
    assert record["output"] == [str(tmp_path / f"b{ending}") for ending in FILES]
    np.testing.assert_allclose(record["l1"], parts.spectrum)
    np.testing.assert_allclose(record["l2"], parts.power_spectrum("l2"))


def test_batch_and_spacing_reach_the_library(tvflow, step, tmp_path):
    stack = np.stack([step, 3 * step])
    tifffile.imwrite(tmp_path / "stack.tif", stack, metadata={"axes": "IYX"})
    options = ("--batch-axis", 0, "--spacing", "1,0.5", *TYPED, "-o", tmp_path / "a")
    outcome = tvflow("spectrum", tmp_path / "stack.tif", *options)
    assert "L1 (mean of 2)" in outcome.out
    flow = ChambolleTVFlow(batch_axis=0, spacing=(1, 0.5))
    parts = spectral_decompose(stack, TIMES, flow=flow)
    rows = table(tmp_path / "a_spectrum.csv")
    assert [row["image"] for row in rows] == ["0", "0", "0", "1", "1", "1"]
    np.testing.assert_allclose([float(row["l1"]) for row in rows], parts.spectrum.T.ravel())
    total = tifffile.imread(tmp_path / "a_bands.tif").sum(0)
    total += tifffile.imread(tmp_path / "a_residual.tif")
    np.testing.assert_allclose(total, stack, atol=1e-6)


def test_colour_and_unit_range(tvflow, colour_png, tmp_path):
    options = ("--unit-range", *TYPED, "-o", tmp_path / "a")
    outcome = tvflow("spectrum", colour_png, *options)
    assert "axis 2 holds 3 channels" in outcome.err
    bands = tifffile.imread(tmp_path / "a_bands.tif")
    assert bands.shape == (3, 6, 8, 3)
    total = bands.sum(0) + tifffile.imread(tmp_path / "a_residual.tif")
    np.testing.assert_allclose(total, imageio.imread(colour_png) / 255, atol=1e-6)


def test_a_folder_again_without_its_own_results(tvflow, noise_tif, step_png, tmp_path):
    expected = sorted(
        [f"{stem}{ending}" for stem in ("noise", "step") for ending in FILES]
        + ["noise.tif", "step.png"]
    )
    for force in [], ["--force"]:
        assert tvflow("spectrum", tmp_path, "--times", 2, "-o", tmp_path, *force).status == 0
        assert names(tmp_path) == expected


@pytest.mark.parametrize("existing", FILES)
def test_all_files_or_none(refused, noise_tif, tmp_path, existing, monkeypatch):
    (tmp_path / f"a{existing}").write_text("precious")
    monkeypatch.setattr(ChambolleTVFlow, "staged_transform", None)  # found out before computing
    message = refused(noise_tif, *TYPED, "-o", tmp_path / "a", command="spectrum")
    assert f"a{existing} exists" in message


def test_nothing_appears_when_the_last_file_fails(tvflow, noise_tif, tmp_path, monkeypatch):
    def fail(path, parts):
        path.write_bytes(b"half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bands, "_draw", fail)
    outcome = tvflow("spectrum", noise_tif, *TYPED, "-o", tmp_path / "a")
    assert outcome.status == 2
    assert "(No space left on device)" in outcome.err
    assert names(tmp_path) == ["noise.tif"]


def test_nothing_appears_beside_a_file_that_appeared_meanwhile(
    tvflow, noise_tif, tmp_path, monkeypatch
):
    def lose_the_race(path, parts):
        (tmp_path / "a_bands.tif").write_text("theirs")

    monkeypatch.setattr(bands, "_draw", lose_the_race)
    outcome = tvflow("spectrum", noise_tif, *TYPED, "-o", tmp_path / "a")
    assert "a_bands.tif exists" in outcome.err
    assert names(tmp_path) == ["a_bands.tif", "noise.tif"]
    assert (tmp_path / "a_bands.tif").read_text() == "theirs"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-t 0 -t 1", "times must be > 0, got 0 at position 0."),
        ("-t 0.5 -t 0.5", "times must be at least two times, got 1: [0.5]."),
        ("-t -1 -t 1", "t must be >= 0, got -1.0"),
        (
            "--times 9 -t 1 -t 2",
            "--times 9 and -t were both given. Leave one of the two out.",
        ),
    ],
)
@pytest.mark.parametrize("command", ["spectrum", "filter --low 0.5"])
def test_times_that_no_decomposition_has(refused, step_tif, tmp_path, options, message, command):
    command, *more = command.split()
    output = tmp_path / ("a" if command == "spectrum" else "a.tif")
    given = refused(step_tif, *more, *options.split(), "-o", output, command=command)
    assert given.startswith(f"error: {message}")


def test_a_number_of_times_that_is_none(refused, step_tif, tmp_path):
    given = refused(step_tif, "--times", 0, "-o", tmp_path / "a", command="spectrum")
    assert given.startswith(
        f"error: {step_tif}: The number of bands must be at least 1, got times=0"
    )


def test_four_files_do_not_fit_into_one(refused, step_tif, tmp_path):
    message = refused(step_tif, *TYPED, "-o", tmp_path / "a.tif", command="spectrum")
    assert "becomes 4 files" in message
    assert message.endswith(f"or a folder: -o {tmp_path / 'a'}")


def test_constant_image(refused, tvflow, tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", np.ones((4, 5), np.float32))
    message = refused(tmp_path / "flat.tif", "-o", tmp_path / "a", command="spectrum")
    assert "flat.tif: The image is constant" in message
    assert tvflow("spectrum", tmp_path / "flat.tif", *TYPED, "-o", tmp_path / "a").status == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a_bands.tif"), 0)


def test_without_matplotlib(refused, step_tif, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = refused(step_tif, *TYPED, "-o", tmp_path / "a", command="spectrum")
    assert message.endswith("is missing. Type: pip install 'skimage-tvflow[plot]'")
