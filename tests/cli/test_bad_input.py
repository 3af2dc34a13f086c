"""Everything that can be wrong gets one line of three parts, and nothing is written."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import tifffile

from skimage_tvflow import ChambolleTVFlow

# Names and calls that belong into a script, not behind a prompt.
PYTHON = re.compile(r"\w=|_axis|_num_|_steps|image\.|\w\(|None|[Pp]ass ")


def test_missing_file(refused, step_tif, tmp_path):
    message = refused(step_tif, tmp_path / "no.tif", "-o", tmp_path / "out")
    assert "no file or folder" in message
    assert "no.tif" in message


def test_second_time_without_its_option(refused, step_tif, tmp_path):
    message = refused(step_tif, "-t", 0.1, 0.2, "-o", tmp_path / "out.tif")
    assert "no file or folder 0.2" in message
    assert "If it is a time, type -t before it: -t 0.2" in message


# imageio asks all its plugins before it gives up, also those it will drop.
@pytest.mark.filterwarnings("ignore:The legacy:DeprecationWarning")
def test_unreadable_file_after_good_ones(refused, step_tif, tmp_path):
    (tmp_path / "zz.png").write_bytes(b"nonsense")
    message = refused(step_tif, tmp_path / "zz.png", "-t", 1, "-o", tmp_path / "out")
    assert "zz.png is not an image file; " in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(refused, step, tmp_path, value):
    step[2, 3] = value
    tifffile.imwrite(tmp_path / "bad.tif", step)
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert (
        f"bad.tif holds NaN or infinity: 1 of 48 values, the first ({value}) at (2, 3)" in message
    )
    assert "Finite values are needed: fill these in" in message
    assert not PYTHON.search(message), message


def test_complex_values(refused, step, tmp_path):
    tifffile.imwrite(tmp_path / "bad.tif", step.astype(np.complex64))
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert "bad.tif holds complex values (complex64); real numbers are needed. Save" in message


def test_empty_axis(refused, tmp_path):
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "bad.tif", np.zeros((0, 5), np.float32))
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert "bad.tif has the shape (0, 5), in which there is nothing to compute" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-t -0.5", "-t must be a finite number >= 0, got -0.5. Type, for example, -t 0.1"),
        ("-t nan", "-t must be a finite number >= 0, got nan. Type, for example, -t 0.1"),
        ("-t 1 -t inf", "-t must be a finite number >= 0, got inf. Type, for example, -t 0.1"),
        ("--steps 0", "--steps must be a whole number >= 1, got 0. Type, for example, --steps 50"),
        ("--order 3", "--order must be 1 or 2, got 3. Type, for example, --order 2"),
        ("--tol 0", "--tol must be a finite number > 0, got 0.0. Type, for example, --tol 0.001"),
        ("--tol nan", "--tol must be a finite number > 0, got nan. Type, for example, --tol 0.001"),
        (
            "--max-num-iter 0",
            "--max-num-iter must be a whole number >= 1, got 0. "
            "Type, for example, --max-num-iter 2000",
        ),
        (
            "--spacing -1",
            "--spacing must be finite and > 0, got -1.0. Type, for example, --spacing 0.5",
        ),
        (
            "--spacing a,b",
            "--spacing must be numbers separated by commas, got 'a,b'. "
            "Type --spacing 0.5, or --spacing 2,0.5,0.5 for one per spatial axis.",
        ),
        (
            "--channel-axis last",
            "--channel-axis must be a whole number or 'none', got 'last'. "
            "Type --channel-axis -1 for the last axis.",
        ),
    ],
)
def test_options_that_no_image_could_have(refused, step_tif, tmp_path, options, message):
    given = refused(step_tif, *options.split(), "-o", tmp_path / "out.tif")
    assert given == f"error: {message}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--channel-axis 7", ["--channel-axis 7 is out of range", "(6, 8)", "--channel-axis -1."]),
        ("--batch-axis -3", ["--batch-axis -3 is out of range", "type --batch-axis 0."]),
        (
            "--batch-axis 1 --channel-axis -1",
            ["same axis", "type --batch-axis 0 --channel-axis -1"],
        ),
        ("--batch-axis 1 --channel-axis 0", ["No spatial axis", "Leave one of the two out"]),
        ("--coupled-channels", ["--coupled-channels got --channel-axis none", "--channel-axis -1"]),
        (
            "--spacing 1,2,3",
            ["one for each of the 2", "(1.0, 2.0, 3.0)", "Type --spacing 1.0,1.0."],
        ),
    ],
)
def test_options_that_this_image_does_not_have(refused, step_tif, tmp_path, options, words):
    given = refused(step_tif, *options.split(), "-t", 1, "-o", tmp_path / "out.tif")
    assert given.startswith(f"error: {step_tif}: ")
    assert all(word in given for word in words), given
    assert not PYTHON.search(given.replace(str(step_tif), "")), given


def test_a_device_that_is_not_there_is_not_the_fault_of_a_file(refused, step_tif, tmp_path):
    given = refused(step_tif, "--device", "abacus", "-t", 1, "-o", tmp_path / "out.tif")
    assert given.startswith("error: --device abacus is not a device that torch knows.")
    assert "Type --device cpu or " in given
    assert not PYTHON.search(given), given


def test_constant_image_has_no_times_of_its_own(refused, tvflow, step_tif, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "flat.tif", np.ones((4, 5), np.float32))
    with monkeypatch.context() as patch:
        patch.setattr(ChambolleTVFlow, "solve", None)  # it is found out before the first is solved
        message = refused(step_tif, tmp_path / "flat.tif", "-o", tmp_path / "out")
    assert "flat.tif is constant" in message
    assert message.endswith("Type, for example, -t 0.1 -t 0.2")
    assert tvflow("flow", tmp_path / "flat.tif", "-t", 1, "-o", tmp_path / "out.tif").err == ""
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), 1)


def test_output_without_a_format(refused, step_tif, tmp_path):
    message = refused(step_tif, "-t", 1, "-o", tmp_path / "out")
    assert "no extension" in message
    assert f"-o {tmp_path / 'out'}.tif" in message


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


class TestWithoutPermission:
    """As somebody who may not do everything; the superuser, as in a container, may."""

    @pytest.fixture(autouse=True)
    def sealed(self, tmp_path, step):
        folder = tmp_path / "sealed"
        folder.mkdir()
        tifffile.imwrite(folder / "in.tif", step)
        (tmp_path / "secret.png").write_bytes(b"secret")
        (tmp_path / "secret.png").chmod(0)
        folder.chmod(0)
        if os.access(folder, os.R_OK):
            folder.chmod(0o755)
            pytest.skip("permissions do not hold this user")
        yield folder
        folder.chmod(0o755)

    @pytest.mark.parametrize(
        ("source", "target"),
        [
            ("sealed/in.tif", "out.tif"),
            ("sealed", "out"),
            ("secret.png", "out.tif"),
            ("step.tif", "sealed/out.tif"),
            ("step.tif", "sealed/new/out.tif"),
            ("step.tif", "sealed/"),
        ],
    )
    def test_one_line_that_names_the_path(self, tvflow, step_tif, tmp_path, source, target):
        outcome = tvflow("flow", tmp_path / source, "-t", 1, "-o", f"{tmp_path}/{target}")
        assert outcome.status == 2
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1
        sealed = target if "sealed" in target else source
        assert str(tmp_path / sealed) in outcome.err
        assert "(Permission denied)" in outcome.err


LONG = 300 * "x"


@pytest.mark.parametrize(
    "arguments",
    [
        (f"{LONG}.tif", "-o", "out.tif"),
        ("step.tif", "-o", f"{LONG}.tif"),
        ("step.tif", "-o", f"new/{LONG}/out.tif"),
        (f"{250 * 'x'}.tif", "-o", "out/"),  # with "_tvflow" it is too long
        (f"{250 * 'x'}.tif", "-o", "new/out/"),
    ],
)
def test_names_that_are_too_long(refused, step_tif, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ChambolleTVFlow, "fit", None)  # it is found out before a file is read
    (tmp_path / f"{250 * 'x'}.tif").write_bytes(step_tif.read_bytes())
    message = refused(*arguments, "-t", 1)
    assert 200 * "x" in message
    assert "cannot be used (File name too long)" in message
    assert message.endswith("is needed. Type another one.")


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
