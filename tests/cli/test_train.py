from __future__ import annotations

import os
import re

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow import TVFlowNet
from skimage_tvflow.cli import train


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(30, 20), (24, 24, 3), (26, 31)]):
        gray = rng.integers(0, 256, shape).astype(np.uint8)
        imageio.imwrite(images / f"{number}.png", gray)
    return images


@pytest.fixture(autouse=True)
def small_images(monkeypatch):
    """Make images of a size that costs a test little."""
    monkeypatch.setattr(train, "_SIDE", {2: 32, 3: 16})


def test_a_folder_becomes_weights(tvflow, folder, tmp_path, image):
    target = tmp_path / "mine.safetensors"
    outcome = tvflow("train", folder, "--max-epochs", 1, "--random-state", 3, "-o", target)
    assert outcome.status == 0, outcome.err
    assert f"{target}: images 5, epochs 1, validation loss" in outcome.out
    shown = [imageio.imread(folder / f"{k}.png") / 255 for k in range(3)]
    separate = [shown[0], *np.moveaxis(shown[1], -1, 0), shown[2]]
    expected = TVFlowNet(max_epochs=1, random_state=3).fit(separate)
    found = TVFlowNet.from_pretrained(target)
    np.testing.assert_array_equal(found.transform(image, 0.1), expected.transform(image, 0.1))


def test_synthetic_images_and_json(tvflow, tmp_path):
    target = tmp_path / "mine.safetensors"
    options = ("--synthetic", 2, "--max-epochs", 1, "--json", "-o", target)
    record = tvflow("train", *options).json
    assert record["images"] == 2
    assert record["axes"] == 2
    assert record["epochs"] == 1
    assert target.is_file()
    again = tvflow("train", *options, "--force").json
    assert again["loss"] == record["loss"]


def test_a_missing_folder_is_made(tvflow, tmp_path):
    target = tmp_path / "not" / "there" / "mine.safetensors"
    outcome = tvflow("train", "--synthetic", 1, "--max-epochs", 1, "-o", target)
    assert outcome.status == 0, outcome.err
    assert f"{target}: images 1, epochs 1, " in outcome.out


def test_volumes_from_weights_and_checkpoints(tvflow, tmp_path):
    volume = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    tifffile.imwrite(tmp_path / "volume.tif", volume, metadata={"axes": "ZYX"})
    target, folder = tmp_path / "mine.safetensors", tmp_path / "kept"
    options = ("--weights", "natural-3d", "--max-epochs", 1, "--checkpoint-dir", folder, "--json")
    record = tvflow("train", tmp_path / "volume.tif", *options, "-o", target).json
    assert record["axes"] == 3
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either images or --synthetic are needed, and not both"),
        (["{folder}", "--synthetic", 3], "either images or --synthetic are needed, and not both"),
        (["{tmp}/nothing"], "no file or folder .*nothing.*Check the name"),
        (["{tmp}/empty"], "has no images .*directly inside. Type another"),
        (["{tmp}/damaged"], "bad.png is no image file that can be read. Type another file"),
        (["{tmp}/nan"], r"x.npy: image contains NaN or infinity: 1 of 16 values"),
        (["--synthetic", 2, "--axes", 4], "--axes must be 2 or 3, got 4. Type --axes 2"),
        (["{folder}", "--max-epochs", -1], "The 'max_epochs' parameter of TVFlowNet must be"),
        (["{folder}", "--weights", "natural-7d"], "no weights named 'natural-7d'; shipped are"),
        (["{folder}", "--weights", "natural-3d"], "for 3-D images, got images with 2 spatial"),
        (
            ["{folder}", "--weights", "natural-3d"],
            "Pass weights='natural-2d', weights=None to train new",
        ),
        (
            ["{folder}", "--max-epochs", 0],
            "have learned nothing are not written. Type --max-epochs 1",
        ),
        (["{folder}", "--checkpoint-dir", "{folder}/0.png"], "is a file, and a folder is needed"),
    ],
    ids=str,
)
def test_bad_input(refused, folder, tmp_path, arguments, words):
    for name in ("empty", "damaged", "nan"):
        (tmp_path / name).mkdir()
    (tmp_path / "damaged" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    np.save(tmp_path / "nan" / "x.npy", np.where(np.eye(4) * [0, 0, 0, 1], np.nan, 1.0))
    filled = [str(a).format(folder=folder, tmp=tmp_path) for a in arguments]
    message = refused(*filled, "-o", tmp_path / "mine.safetensors", command="train")
    assert re.search(words, message), message


def test_bad_outputs(refused, folder, tmp_path):
    message = refused(folder, "-o", tmp_path / "mine.pt", command="train")
    assert "does not end in .safetensors" in message
    assert f"Type -o {tmp_path / 'mine.safetensors'}" in message
    assert "Type -o weights.safetensors" in refused(folder, "-o", ".", command="train")
    (tmp_path / "there.safetensors").write_text("mine")
    message = refused(folder, "-o", tmp_path / "there.safetensors", command="train")
    assert "exists. Type --force" in message


def test_a_full_disk_names_the_checkpoint(refused, folder, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    kept = tmp_path / "kept"
    kept.mkdir()
    options = ("--max-epochs", 1, "--checkpoint-dir", kept, "-o", tmp_path / "a.safetensors")
    message = refused(folder, *options, command="train")
    assert f"{kept}/checkpoint.safetensors cannot be used (No space left on device)" in message


def test_the_network_of_the_paper(tvflow, folder, tmp_path, image):
    target = tmp_path / "mine.safetensors"
    kind = ("--architecture", "semi-resnet", "--activation", "relu", "--lr", 0.001)
    outcome = tvflow("train", folder, *kind, "--max-epochs", 1, "-o", target)
    assert outcome.status == 0, outcome.err
    found = TVFlowNet.from_pretrained(target)
    assert (found.architecture, found.activation) == ("semi-resnet", "relu")
    shown = [imageio.imread(folder / f"{k}.png") / 255 for k in range(3)]
    separate = [shown[0], *np.moveaxis(shown[1], -1, 0), shown[2]]
    expected = TVFlowNet(
        architecture="semi-resnet", activation="relu", lr=0.001, max_epochs=1, random_state=0
    ).fit(separate)
    np.testing.assert_array_equal(found.transform(image, 0.1), expected.transform(image, 0.1))


def test_an_architecture_that_does_not_exist(refused, folder, tmp_path):
    options = ("--architecture", "resnet", "-o", tmp_path / "mine.safetensors")
    message = refused(folder, *options, command="train")
    assert "'architecture' parameter of TVFlowNet must be a str among" in message
