"""Everything that can be wrong gets one line of three parts, and nothing is written."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile


def test_missing_file(refused, step_tif, tmp_path):
    message = refused(step_tif, tmp_path / "no.tif", "-o", tmp_path / "out")
    assert "no file or folder" in message
    assert "no.tif" in message


def test_unreadable_file_after_good_ones(refused, step_tif, tmp_path):
    (tmp_path / "zz.png").write_bytes(b"nonsense")
    message = refused(step_tif, tmp_path / "zz.png", "-t", 1, "-o", tmp_path / "out")
    assert "zz.png cannot be read as an image" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(refused, step, tmp_path, value):
    step[2, 3] = value
    tifffile.imwrite(tmp_path / "bad.tif", step)
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert "bad.tif: " in message
    assert "finite" in message


def test_complex_values(refused, step, tmp_path):
    tifffile.imwrite(tmp_path / "bad.tif", step.astype(np.complex64))
    assert "complex" in refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")


def test_empty_axis(refused, tmp_path):
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "bad.tif", np.zeros((0, 5), np.float32))
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert "bad.tif" in message
    assert "empty" in message or "zero" in message or "0" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-t", "-0.5"], ["t must be finite and >= 0", "-0.5", "-t 0.1"]),
        (["-t", "nan"], ["finite", "nan"]),
        (["-t", "1", "-t", "inf"], ["finite", "inf"]),
        (["-t", "1", "--channel-axis", "2"], ["channel_axis", "2"]),
        (["-t", "1", "--batch-axis", "-3"], ["batch_axis", "-3"]),
        (["-t", "1", "--batch-axis", "1", "--channel-axis", "-1"], ["channel_axis", "batch_axis"]),
        (["-t", "1", "--channel-axis", "last"], ["--channel-axis", "'last'", "-1"]),
        (["-t", "1", "--spacing", "1,2,3"], ["spacing"]),
        (["-t", "1", "--spacing", "0"], ["spacing"]),
        (["-t", "1", "--spacing", "a,b"], ["--spacing", "'a,b'", "--spacing 0.5"]),
        (["-t", "1", "--steps", "0"], ["n_steps", "0"]),
        (["-t", "1", "--tol", "-1"], ["tol", "-1"]),
        (["-t", "1", "--order", "7"], ["order", "7"]),
        (["-t", "1", "--max-num-iter", "0"], ["max_num_iter", "0"]),
        (["-t", "1", "--device", "abacus"], ["device", "abacus"]),
    ],
)
def test_bad_options(refused, step_tif, tmp_path, options, words):
    message = refused(step_tif, *options, "-o", tmp_path / "out.tif")
    assert all(word in message for word in words), message


def test_constant_image_has_no_times_of_its_own(refused, tvflow, tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", np.ones((4, 5), np.float32))
    message = refused(tmp_path / "flat.tif", "-o", tmp_path / "out.tif")
    assert "constant" in message
    assert tvflow("flow", tmp_path / "flat.tif", "-t", 1, "-o", tmp_path / "out.tif").err == ""
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), 1)


def test_output_without_a_format(refused, step_tif, tmp_path):
    message = refused(step_tif, "-t", 1, "-o", tmp_path / "out")
    assert "no extension" in message
    assert f"-o {tmp_path / 'out'}.tif" in message


def test_missing_folder_of_an_output_file(refused, step_tif, tmp_path):
    message = refused(step_tif, "-t", 1, "-o", tmp_path / "new" / "out.tif")
    assert "does not exist" in message
    assert f"mkdir -p '{tmp_path / 'new'}'" in message


@pytest.mark.parametrize("many", [False, True])
def test_folder_that_cannot_be_written(refused, step_tif, tmp_path, many, monkeypatch):
    def no(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    # Root may write everywhere, so permissions alone would not show it.
    monkeypatch.setattr("tempfile.TemporaryFile", no)
    inputs = [tmp_path] if many else [step_tif]
    target = tmp_path / "out" if many else tmp_path / "out.tif"
    message = refused(*inputs, "-t", 1, "-o", target)
    assert f"nothing can be written in {tmp_path} (Permission denied)" in message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_read_only_folder(refused, step_tif, tmp_path):
    (tmp_path / "sealed").mkdir(mode=0o555)
    message = refused(step_tif, "-t", 1, "-o", tmp_path / "sealed" / "out.tif")
    assert "nothing can be written in" in message


@pytest.mark.parametrize("name", ["out.xyz", "out.npy", "out.pdf"])
def test_formats_that_cannot_be_written(refused, step_png, tmp_path, name):
    message = refused(step_png, "-t", 100, "-o", tmp_path / name)
    assert "cannot hold uint8 images" in message
    assert f"-o {tmp_path / 'out.tif'}" in message


def test_floating_point_values_into_png(refused, step_tif, tmp_path):
    message = refused(step_tif, "-t", 1, "-o", tmp_path / "out.png")
    assert "are float32, and .png files hold 8- or 16-bit integers" in message
    assert "out.tif" in message


def test_several_times_into_png(refused, step_png, tmp_path):
    message = refused(step_png, "-t", 20, "-t", 40, "-o", tmp_path / "out.png")
    assert "2 times cannot go into one .png file" in message
    assert "12 times" in refused(step_png, "-o", tmp_path / "out.png")
