"""The command evaluate: its files and numbers, how it goes on, what it says of bad input."""

import csv
import json

import imageio.v3 as imageio
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from skimage_tvflow import TVFlowNet
from skimage_tvflow.evaluation import run
from skimage_tvflow.evaluation.methods import METHODS, Method
from skimage_tvflow.evaluation.protocol import TIMES, model_driven, to_gray_square

FEW = ("--methods", "image,automatic,natural-2d", "--size", 24)


@pytest.fixture
def folder(tmp_path, image):
    images = tmp_path / "images"
    images.mkdir()
    gray = np.rint(255 * image).astype(np.uint8)
    imageio.imwrite(images / "a.png", gray[:24, :24])
    imageio.imwrite(images / "b.png", np.stack([gray, gray[::-1], 255 - gray], -1)[:40])
    return images


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def rows_of(out):
    with (out / "evaluation.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_the_tables_are_right(tvflow, folder, out):
    outcome = tvflow("evaluate", folder, *FEW, "-o", out)
    assert outcome.status == 0, outcome.err
    images = [to_gray_square(imageio.imread(folder / f"{k}.png"), 24) for k in "ab"]
    net = TVFlowNet.from_pretrained()
    psnr = [
        peak_signal_noise_ratio(model_driven(f), net.transform(f, TIMES), data_range=1)
        for f in images
    ]
    rows = rows_of(out)
    expected = f"{np.mean(psnr):.2f} ± {np.std(psnr):.2f}"
    (row,) = [r for r in rows if r[0].startswith("Table 1:") and "natural-2d" in r[1]]
    assert row[2] == expected
    violations = [r[-1] for r in rows if r[0].startswith("Error") and r[1] != "method"]
    assert violations == ["0"] * 3
    page = (out / "evaluation.md").read_text("utf-8")
    assert expected in page
    assert "2 images of 24 x 24 pixels" in page
    assert imageio.imread(out / "evaluation.png").ndim == 3


def test_it_goes_on(tvflow, folder, out, monkeypatch):
    tvflow("evaluate", folder, "--limit", 1, *FEW, "-o", out)
    measured = []

    def watched(reference, *rest):
        measured.append(reference.image)
        return measure(reference, *rest)

    measure = run.measure
    monkeypatch.setattr(run, "measure", watched)
    assert tvflow("evaluate", folder, *FEW, "-o", out).status == 0
    assert len(measured) == 1  # the second image alone
    (out / "images" / "a.png.json").write_text("{")
    assert tvflow("evaluate", folder, *FEW, "-o", out).status == 0
    assert len(measured) == 2  # a damaged record is measured again
    other = ("--methods", "image,image", "--size", 24)
    assert tvflow("evaluate", folder, *other, "-o", out).status == 0
    assert len(measured) == 4
    record = json.loads((out / "images" / "a.png.json").read_text())
    assert list(record["methods"]) == ["image"]


def test_a_violated_bound_is_counted(tvflow, folder, out, monkeypatch):
    """By a method that claims to be exact."""

    class Boaster:
        def transform(self, image, t):
            return np.repeat(image[None], len(t), 0)

    class Nothing:
        error_bound = np.zeros(50)

    Boaster.solve = lambda self, image, t: Nothing
    boaster = Method("the image", lambda device: Boaster())
    monkeypatch.setitem(METHODS, "image", boaster)
    tvflow("evaluate", folder, "--methods", "image", "--size", 24, "--limit", 1, "-o", out)
    (row,) = [r for r in rows_of(out) if r[0].startswith("Error") and r[1] == "the image"]
    assert int(row[-1]) > 40


def test_the_ablation(tvflow, folder, out, monkeypatch):
    monkeypatch.setattr(
        "skimage_tvflow.evaluation.ablation.training_images",
        lambda: [np.random.default_rng(0).random((24, 24))],
    )
    command = ("evaluate", folder, "--methods", "image", "--size", 24, "--ablation", 1, "-o", out)
    assert tvflow(*command).status == 0
    rows = {r[1]: r for r in rows_of(out) if r[0].startswith("Ablation")}
    assert list(rows) == ["activation", "mixed", "relu", "softplus"]
    assert rows["relu"][-1] == "mixed gains 9.76 dB"
    kept = {path.name for path in (out / "images").glob("*.safetensors")}
    assert len(kept) == 9
    monkeypatch.setattr(TVFlowNet, "fit", None)  # trained networks are found again
    assert tvflow(*command).status == 0


def test_every_method_is_made(monkeypatch):
    monkeypatch.setattr(
        "skimage_tvflow.evaluation.methods.training_images",
        lambda: [np.random.default_rng(0).random((16, 16))],
    )
    for method in METHODS.values():
        assert hasattr(method.make(device="cpu"), "transform")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--methods", "magic,image"), "there is no method magic. Type some of image,projection"),
        (("--size", 3), "--size must be from 16 to 4096, got 3. Type --size 96"),
        (("--limit", 0), "--limit must be >= 1, got 0"),
        (("--ablation", -1), "--ablation must be >= 0, got -1"),
    ],
)
def test_bad_options(refused, folder, out, options, words):
    assert words in refused(folder, *options, "-o", out, command="evaluate")


def test_bad_folders(refused, tmp_path, folder, out):
    assert "is no folder" in refused(folder / "a.png", "-o", out, command="evaluate")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no images" in refused(empty, "-o", out, command="evaluate")
    (folder / "c.png").write_bytes(b"no image at all")
    assert "c.png is no image file" in refused(folder, "-o", out, command="evaluate")
