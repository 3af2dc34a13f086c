from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow.cli import run
from skimage_tvflow.cli.files import read_picture


@pytest.fixture
def folder(tmp_path, step):
    """Two images, and what is none: a text, a hidden file, an image in a folder below."""
    path = tmp_path / "images"
    (path / "below").mkdir(parents=True)
    imageio.imwrite(path / "a.png", (200 * step).astype(np.uint8))
    tifffile.imwrite(path / "b.TIF", step)
    (path / "notes.txt").write_text("hello")
    for other in (".hidden.tif", "below/c.tif"):
        tifffile.imwrite(path / other, step)
    return path


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_folder_becomes_a_folder_of_stacks(tvflow, folder, tmp_path):
    output = tmp_path / "new" / "out"
    outcome = tvflow("flow", folder, "-t", 0, "-t", 0.4, "--tol", 1e-6, "-o", output, "--json")
    assert outcome.status == 0, outcome.err
    assert names(output) == ["a_tvflow.tif", "b_tvflow.tif"]
    assert [record["output"] for record in outcome.json["files"]] == [
        str(output / "a_tvflow.tif"),
        str(output / "b_tvflow.tif"),
    ]
    stack = tifffile.imread(output / "b_tvflow.tif")
    np.testing.assert_allclose(stack[:, 0, 0], [0, 0.1], atol=1e-5)
    np.testing.assert_allclose(
        tifffile.imread(output / "a_tvflow.tif")[:, 0, -1], [200, 199.9], atol=1e-3
    )


def test_several_files_and_twelve_times(tvflow, folder, tmp_path):
    output = tmp_path / "out"
    assert tvflow("flow", folder / "a.png", folder / "b.TIF", "-o", output).status == 0
    for name in names(output):
        assert tifffile.imread(output / name).shape == (12, 6, 8)


def test_one_file_into_an_existing_folder(tvflow, step_tif, tmp_path):
    (tmp_path / "out").mkdir()
    assert tvflow("flow", step_tif, "-t", 1, "-o", tmp_path / "out").status == 0
    assert names(tmp_path / "out") == ["step_tvflow.tif"]
    assert tvflow("flow", step_tif, "-t", 1, "-o", f"{tmp_path}/new/").status == 0
    assert names(tmp_path / "new") == ["step_tvflow.tif"]


def test_missing_folders_are_made_for_one_file_as_for_several(tvflow, step_tif, tmp_path):
    target = tmp_path / "a" / "b" / "flow.tif"
    assert tvflow("flow", step_tif, "-t", 1, "-o", target).status == 0
    assert names(target.parent) == ["flow.tif"]


def test_same_folder_twice_does_not_feed_on_itself(tvflow, folder):
    assert tvflow("flow", folder, "-t", 1, "-o", folder).status == 0
    before = names(folder)
    assert {"a_tvflow.tif", "b_tvflow.tif"} < set(before)
    assert tvflow("flow", folder, "-t", 1, "-o", folder, "--force").status == 0
    assert names(folder) == before


def test_folder_without_images(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("hello")
    message = refused(tmp_path / "empty", "-o", tmp_path / "out")
    assert "has no images" in message
    assert "directly inside. Type another" in message


def test_name_clash(refused, folder, tmp_path):
    (folder / "a.bmp").write_bytes((folder / "a.png").read_bytes())
    message = refused(folder, "-t", 1, "-o", tmp_path / "out")
    assert "a_tvflow.tif is an input, or written twice" in message


def test_many_images_into_one_file(refused, folder, tmp_path):
    message = refused(folder, "-t", 1, "-o", tmp_path / "out.tif")
    assert "2 image(s) of a folder or list become files of their own" in message
    assert f"Type a folder: -o {tmp_path / 'out'}" in message


def test_an_input_is_never_overwritten(refused, step_tif):
    message = refused(step_tif, "-t", 1, "-o", step_tif, "--force")
    assert "step.tif is an input, or written twice" in message


def test_one_bad_image_does_not_stop_the_others(tvflow, folder, tmp_path):
    (folder / "a0.png").write_bytes(b"nonsense")
    outcome = tvflow("flow", folder, "-t", 1, "-o", tmp_path / "out", "--json")
    assert outcome.status == 2
    assert names(tmp_path / "out") == ["a_tvflow.tif", "b_tvflow.tif"]
    assert outcome.err.count("error: ") == 2
    assert "a0.png is no image file" in outcome.err
    assert "error: 1 of 3 images could not be computed" in outcome.err
    record = outcome.json
    assert len(record["files"]) == 2
    assert [error["input"] for error in record["errors"]] == [str(folder / "a0.png")]


def test_every_file_is_read_once(tvflow, folder, tmp_path, monkeypatch):
    read = []

    def counted(path, series):
        read.append(path.name)
        return read_picture(path, series)

    monkeypatch.setattr(run, "read_picture", counted)
    assert tvflow("flow", folder, "-t", 1, "-o", tmp_path / "out").status == 0
    assert read == ["a.png", "b.TIF"]


def test_existing_outputs_need_force(tvflow, refused, folder, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "b_tvflow.tif").write_text("precious")
    message = refused(folder, "-t", 1, "-o", output)
    assert "b_tvflow.tif exists" in message
    assert "--force" in message
    assert tvflow("flow", folder, "-t", 1, "-o", output, "--force").status == 0
    assert tifffile.imread(output / "b_tvflow.tif").shape == (6, 8)
