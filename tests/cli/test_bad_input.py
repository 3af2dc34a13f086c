"""Everything that can be wrong gets one line of three parts, and nothing is written."""

from __future__ import annotations

import inspect
import os

import numpy as np
import pytest
import tifffile

from skimage_tvflow import ChambolleTVFlow


def test_missing_file(refused, step_tif, tmp_path):
    message = refused(step_tif, tmp_path / "no.tif", "-o", tmp_path / "out")
    assert "no file or folder" in message
    assert "no.tif" in message


def test_second_time_without_its_option(refused, step_tif, tmp_path):
    message = refused(step_tif, "-t", 0.1, 0.2, "-o", tmp_path / "out.tif")
    assert "no file or folder 0.2" in message
    assert "If it is a time, type -t before it: -t 0.2" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(refused, step, tmp_path, value):
    step[2, 3] = value
    tifffile.imwrite(tmp_path / "bad.tif", step)
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert (
        f"bad.tif: image contains NaN or infinity: 1 of 48 values, the first ({value}) at (2, 3)"
        in message
    )
    assert "The flow needs finite values. Where they are missing" in message


def test_complex_values(refused, step, tmp_path):
    tifffile.imwrite(tmp_path / "bad.tif", step.astype(np.complex64))
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert "complex64 values cannot be written. Save the real and the imaginary part" in message


def test_empty_axis(refused, tmp_path):
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "bad.tif", np.zeros((0, 5), np.float32))
    message = refused(tmp_path / "bad.tif", "-t", 1, "-o", tmp_path / "out.tif")
    assert "bad.tif: Found array with 0 sample(s) (shape=(0, 5))" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-t -0.5", "t must be >= 0, got -0.5"),
        ("-t nan", "t must be finite, got nan"),
        ("--t 1 --t inf", "t must be finite, got inf at position 1"),
        ("--n-steps 0", "The 'n_steps' parameter of ChambolleTVFlow must be"),
        ("--order 3", "The 'order' parameter of ChambolleTVFlow must be an int"),
        ("--tol 0", "The 'tol' parameter of ChambolleTVFlow must be a float"),
        ("--tol nan", "The 'tol' parameter of ChambolleTVFlow must be a float"),
        ("--max-num-iter 0", "The 'max_num_iter' parameter of ChambolleTVFlow must be an int"),
        ("--device abacus", "device='abacus' is not a device that torch knows."),
        (
            "--spacing a,b",
            "Invalid value for '--spacing': a number, or several with commas, is needed, got "
            "'a,b'. Type 'skimage-tvflow flow --help' for what is accepted.",
        ),
        (
            "--channel-axis last",
            "Invalid value for '--channel-axis': a whole number or 'none' is needed, got 'last'. "
            "Type 'skimage-tvflow flow --help' for what is accepted.",
        ),
    ],
)
def test_options_that_no_image_could_have(refused, step_tif, tmp_path, options, message):
    given = refused(step_tif, *options.split(), "-o", tmp_path / "out.tif")
    assert given.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--spacing 0", "spacing must be positive and finite, got 0.0"),
        ("--spacing -1", "spacing must be positive and finite, got -1.0"),
        ("--spacing 1,2,3", "spacing must be one number, or one for each of the 2 spatial axes"),
        ("--channel-axis 7", "channel_axis=7 is out of range for an image of shape (6, 8)"),
        ("--batch-axis -3", "batch_axis=-3 is out of range for an image of shape (6, 8)"),
        ("--batch-axis 1 --channel-axis -1", "batch_axis=1 and channel_axis=-1 are the same axis"),
        ("--batch-axis 1 --channel-axis 0", "No spatial axis is left in an image"),
        ("--coupled-channels", "coupled_channels=True got channel_axis=None"),
    ],
)
def test_options_that_this_image_does_not_have(refused, step_tif, tmp_path, options, message):
    given = refused(step_tif, *options.split(), "-t", 1, "-o", tmp_path / "out.tif")
    assert given.startswith(f"error: {step_tif}: {message}")


def test_every_parameter_of_the_solver_that_a_message_may_name_is_an_option(tvflow):
    words = tvflow("flow", "--help").out.split()
    parameters = set(inspect.signature(ChambolleTVFlow).parameters) - {"algorithm", "batch_size"}
    assert {"--" + name.replace("_", "-") for name in parameters} <= set(words)


def test_constant_image_has_no_times_of_its_own(refused, tvflow, tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", np.ones((4, 5), np.float32))
    message = refused(tmp_path / "flat.tif", "-o", tmp_path / "out.tif")
    assert "flat.tif: The image is constant" in message
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
    assert message.endswith("Type another path, on a disk with room.")


@pytest.mark.parametrize("name", ["out.xyz", "out.gif", "out.pdf"])
def test_formats_that_cannot_be_written(refused, step_png, tmp_path, name):
    message = refused(step_png, "-t", 100, "-o", tmp_path / name)
    assert f"{name[-4:]} is no format that is written here (.npy, .tif, " in message
    assert f"-o {tmp_path / 'out.tif'}" in message


def test_floating_point_values_into_png(refused, step_tif, tmp_path):
    message = refused(step_tif, "-t", 1, "-o", tmp_path / "out.png")
    assert "the float32 values of shape (6, 8) do not fit into a .png file" in message
    assert "out.tif" in message


def test_several_times_into_png(refused, step_png, tmp_path):
    message = refused(step_png, "-t", 20, "-t", 40, "-o", tmp_path / "out.png")
    assert "there are 2 times, which .png files cannot hold" in message
    assert "12 times" in refused(step_png, "-o", tmp_path / "out.png")
