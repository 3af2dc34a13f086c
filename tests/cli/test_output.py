from __future__ import annotations

import os
import stat

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.cli.jobs import whole_files
from skimage_tvflow.cli.program import CliError


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_a_full_disk_is_said_and_ends_the_command(
    tvflow, step_tif, noise_tif, tmp_path, monkeypatch
):
    def full(path, *args, **kwargs):
        path.write_bytes(b"half a TIFF")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    outcome = tvflow("flow", step_tif, noise_tif, "-t", 0, "-o", tmp_path / "out")
    assert outcome.status == 2
    assert outcome.err == (
        f"error: {tmp_path / 'out' / 'step_tvflow.tif'} cannot be used (No space left on device). "
        "Type another path, on a disk with room.\n"
    )
    assert names(tmp_path / "out") == []


def test_the_longest_name_that_the_disk_takes(tvflow, step_tif, tmp_path):
    name = (os.pathconf(tmp_path, "PC_NAME_MAX") - 4) * "x" + ".tif"
    assert tvflow("flow", step_tif, "-t", 0, "-o", tmp_path / name).status == 0
    assert names(tmp_path) == ["step.tif", name]


def test_files_that_belong_together_appear_together(tmp_path):
    targets = [tmp_path / "new" / "a.txt", tmp_path / "new" / "b.csv"]

    def write(trouble=None):
        with whole_files(targets, force=False) as partials:
            for target, partial in zip(targets, partials, strict=True):
                partial.write_text(target.name)
                assert not target.exists()
            if trouble:
                targets[0].write_text("theirs")

    with pytest.raises(CliError, match=r"a\.txt exists"):
        write(trouble=True)
    assert names(tmp_path / "new") == ["a.txt"]
    targets[0].unlink()
    write()
    assert [target.read_text() for target in targets] == ["a.txt", "b.csv"]
    assert names(tmp_path / "new") == ["a.txt", "b.csv"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("command", ["flow", "train"])
def test_a_pipe_is_not_replaced(tvflow, step_tif, tmp_path, linked, command):
    suffix = ".tif" if command == "flow" else ".safetensors"
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    target = pipe
    if linked:
        target = tmp_path / f"link{suffix}"
        target.symlink_to(pipe)
    outcome = tvflow(command, step_tif, "--force", "-o", target)
    assert outcome.status == 2
    assert f"the output {target} is a folder, a pipe or a device" in outcome.err
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_numpy_holds_everything(tvflow, step, tmp_path):
    np.save(tmp_path / "a.npy", step.astype(np.float64))
    options = ("-t", 0, "-t", 0.4, "--tol", 1e-7, "-o", tmp_path / "b.npy")
    assert tvflow("flow", tmp_path / "a.npy", *options).status == 0
    written = np.load(tmp_path / "b.npy")
    assert (written.dtype, written.shape) == (np.float64, (2, 6, 8))
    np.testing.assert_allclose(written[1, 0, [0, -1]], [0.1, 0.9], atol=1e-6)


@pytest.mark.skipif(os.name != "posix", reason="only Unix has names that are no text")
def test_names_that_are_no_text(tvflow, step, tmp_path):
    source = os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.tif")
    tifffile.imwrite(source, step)
    outcome = tvflow("flow", source, "-t", 0.4, "-o", f"{tmp_path}/out/")
    assert outcome.status == 0, outcome.err
    assert os.listdir(os.fsencode(tmp_path / "out")) == [b"M\xfcller_tvflow.tif"]
    assert "M\\udcfcller.tif -> " in outcome.out
    outcome = tvflow("flow", source, "-t", 0.4, "-o", f"{tmp_path}/out/")
    assert "M\\udcfcller_tvflow.tif exists" in outcome.err


def test_interrupt_while_computing(tvflow, step_tif, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(ChambolleTVFlow, "solve", interrupted)
    outcome = tvflow("flow", step_tif, "-t", 1, "-o", tmp_path / "out.tif")
    assert outcome.status == 130
    assert outcome.err == "interrupted; no file was left half-written\n"
    assert names(tmp_path) == ["step.tif"]


def test_interrupt_while_writing(tvflow, step_tif, tmp_path, monkeypatch):
    def interrupted(path, *args, **kwargs):
        path.write_bytes(b"half a TIFF")
        raise KeyboardInterrupt

    monkeypatch.setattr(tifffile, "imwrite", interrupted)
    assert tvflow("flow", step_tif, "-t", 1, "-o", tmp_path / "out.tif").status == 130
    assert names(tmp_path) == ["step.tif"]


def test_existing_output_is_refused_before_computing(refused, step_tif, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("computed all the same")

    monkeypatch.setattr(ChambolleTVFlow, "solve", never)
    (tmp_path / "out.tif").write_text("precious")
    message = refused(step_tif, "-t", 1, "-o", tmp_path / "out.tif")
    assert "out.tif exists" in message
    assert "Type --force" in message


def test_force_overwrites(tvflow, step_tif, tmp_path):
    (tmp_path / "out.tif").write_text("old")
    assert tvflow("flow", step_tif, "-t", 0, "-o", tmp_path / "out.tif", "--force").status == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), tifffile.imread(step_tif))


@pytest.mark.parametrize(
    ("dtype", "suffix"), [(np.uint8, ".png"), (np.uint8, ".bmp"), (np.uint16, ".png")]
)
def test_integers_are_rounded_back_into_their_type(tvflow, step, tmp_path, dtype, suffix):
    largest = np.iinfo(dtype).max
    source, output = tmp_path / "in.png", tmp_path / f"out{suffix}"
    imageio.imwrite(source, (largest * step).astype(dtype))
    # both halves move by t / 4
    assert tvflow("flow", source, "-t", 41, "--tol", 1e-7, "-o", output).status == 0
    u = imageio.imread(output)
    assert u.dtype == dtype
    np.testing.assert_array_equal(u[0, [0, -1]], [10, largest - 10])
    options = ("--unit-range", "-t", 0.2, "--tol", 1e-7, "--force", "-o", output)
    assert tvflow("flow", source, *options).status == 0
    np.testing.assert_array_equal(
        imageio.imread(output)[0, [0, -1]], np.rint([0.05 * largest, 0.95 * largest])
    )


def test_colour_into_png_and_jpeg(tvflow, colour_png, tmp_path):
    options = ("-t", 40, "--tol", 1e-6)
    assert tvflow("flow", colour_png, *options, "-o", tmp_path / "out.png").status == 0
    np.testing.assert_array_equal(imageio.imread(tmp_path / "out.png")[0, 0], [10, 10, 0])
    assert tvflow("flow", colour_png, *options, "-o", tmp_path / "out.jpg").status == 0
    assert imageio.imread(tmp_path / "out.jpg").shape == (6, 8, 3)


def test_what_a_format_would_change_is_refused(refused, step, tmp_path):
    imageio.imwrite(tmp_path / "deep.png", (60000 * step).astype(np.uint16))
    assert "the uint16 values of shape (6, 8) do not fit into a .jpg file" in refused(
        tmp_path / "deep.png", "-t", 1, "-o", tmp_path / "a.jpg"
    )
    volume = np.zeros((6, 8, 3), np.uint8)
    volume[2:] = 200
    tifffile.imwrite(
        tmp_path / "volume.tif", volume, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    message = refused(tmp_path / "volume.tif", "-t", 1, "-o", tmp_path / "a.png")
    assert "the uint8 values of shape (6, 8, 3) do not fit into a .png file" in message
