"""Images that are data in parts only, from files."""

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow import tv_flow
from skimage_tvflow.applications import denoise


@pytest.fixture
def holed() -> np.ndarray:
    image = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    image[:, 10:14] = np.nan
    return image


def test_values_that_are_missing(tvflow, tmp_path, holed):
    np.save(tmp_path / "in.npy", holed)
    refused = tvflow("flow", tmp_path / "in.npy", "-t", 0.1, "-o", tmp_path / "out.npy")
    assert refused.status == 2
    assert "--nan-is-missing" in refused.err
    options = ("-t", 0.1, "--nan-is-missing", "-o", tmp_path / "out.npy")
    assert tvflow("flow", tmp_path / "in.npy", *options).status == 0
    expected = tv_flow(holed, 0.1, mask=np.isfinite(holed))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected)


@pytest.mark.parametrize("command", ["flow", "denoise", "filter"])
def test_a_mask_from_a_file(tvflow, tmp_path, holed, command):
    image = np.nan_to_num(holed, nan=7.0)
    mask = np.isfinite(holed)
    np.save(tmp_path / "in.npy", image)
    imageio.imwrite(tmp_path / "mask.png", mask * np.uint8(255))
    own = {"flow": ("-t", 0.1), "denoise": ("--sigma", 0.2), "filter": ("--low", 0.1)}[command]
    options = (*own, "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.npy")
    outcome = tvflow(command, tmp_path / "in.npy", *options)
    assert outcome.status == 0, outcome.err
    found = np.load(tmp_path / "out.npy")
    np.testing.assert_array_equal(found[~mask], image[~mask])
    assert np.std(found[mask]) < np.std(image[mask])
    if command == "denoise":
        np.testing.assert_allclose(found, denoise(image, 0.2, mask=mask), atol=1e-6)


def test_a_mask_of_another_size(tvflow, tmp_path, holed):
    np.save(tmp_path / "in.npy", np.nan_to_num(holed))
    imageio.imwrite(tmp_path / "mask.png", np.ones((5, 5), np.uint8))
    options = ("-t", 0.1, "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.npy")
    outcome = tvflow("flow", tmp_path / "in.npy", *options)
    assert outcome.status == 2
    assert "mask has shape (5, 5), and the image (30, 40)" in outcome.err


def test_an_opaque_alpha_channel_changes_nothing(tvflow, tmp_path):
    noisy = np.random.default_rng(0).integers(80, 160, (40, 40, 3), dtype=np.uint8)
    alpha = np.random.default_rng(1).integers(0, 255, (40, 40, 1), dtype=np.uint8)
    for name, values in {"rgb": noisy, "rgba": np.dstack([noisy, alpha])}.items():
        imageio.imwrite(tmp_path / f"{name}.png", values)
        outcome = tvflow("denoise", tmp_path / f"{name}.png", "-o", tmp_path / f"{name}_out.png")
        assert outcome.status == 0, outcome.err
    plain, opaque = (imageio.imread(tmp_path / f"{name}_out.png") for name in ("rgb", "rgba"))
    np.testing.assert_array_equal(opaque[..., :3], plain)
    np.testing.assert_array_equal(opaque[..., 3:], alpha)


def test_counts(tvflow, tmp_path):
    counts = np.random.default_rng(0).poisson(np.linspace(2, 40, 64), (64, 64)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", counts)
    options = ("--variance-stabilize", "-o", tmp_path / "out.tif")
    assert tvflow("denoise", tmp_path / "in.tif", *options).status == 0
    expected = denoise(counts.astype(np.float32), variance_stabilize=True)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "out.tif"), expected, rtol=1e-5)
