from __future__ import annotations

import re

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.applications import denoise, noise_level

SIGMA = 0.1


@pytest.fixture
def square():
    image = np.zeros((40, 40), np.float32)
    image[10:30, 10:30] = 1
    return image


@pytest.fixture
def noisy_tif(square, tmp_path):
    path = tmp_path / "noisy.tif"
    noise = SIGMA * np.random.default_rng(0).standard_normal(square.shape)
    tifffile.imwrite(path, (square + noise).astype(np.float32))
    return path


def test_noise_goes_and_the_square_stays(tvflow, square, noisy_tif, tmp_path):
    outcome = tvflow("denoise", noisy_tif, "-o", tmp_path / "a.tif")
    assert outcome.status == 0, outcome.err
    noisy, clean = tifffile.imread(noisy_tif), tifffile.imread(tmp_path / "a.tif")
    np.testing.assert_allclose(clean, denoise(noisy), atol=1e-6)
    assert np.std(clean - square) < 0.5 * SIGMA
    removed = float(outcome.out.split("the image by ")[1].split(";")[0])
    assert removed == pytest.approx(np.std(noisy - clean), rel=1e-3)


def test_sigma_and_json(tvflow, noisy_tif, tmp_path):
    options = ("--sigma", 0.05, "--json", "-o", tmp_path / "a.tif")
    (record,) = tvflow("denoise", noisy_tif, *options).json["files"]
    expected = denoise(tifffile.imread(noisy_tif), 0.05)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "a.tif"), expected, atol=1e-6)
    assert record["sigma"] == 0.05
    assert record["output"] == str(tmp_path / "a.tif")


def test_options_make_a_solver_of_their_own(tvflow, noisy_tif, tmp_path):
    options = ("--spacing", 0.5, "--tol", 0.01, "--sigma", SIGMA, "-o", tmp_path / "a.tif")
    assert tvflow("denoise", noisy_tif, *options).status == 0
    flow = ChambolleTVFlow(spacing=0.5, tol=0.01)
    expected = denoise(tifffile.imread(noisy_tif), SIGMA, flow=flow)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "a.tif"), expected, atol=1e-6)


def test_channels_are_those_of_the_file(tvflow, square, tmp_path):
    noise = 20 * np.random.default_rng(0).standard_normal((*square.shape, 3))
    colour = np.clip(np.rint(50 + 150 * square[..., None] + noise), 0, 255).astype(np.uint8)
    imageio.imwrite(tmp_path / "noisy.png", colour)
    outcome = tvflow("denoise", tmp_path / "noisy.png", "-o", tmp_path / "a.png")
    assert "axis 2 holds 3 channels" in outcome.err
    expected = denoise(colour.astype(np.float32), channel_axis=2)
    expected = np.clip(np.rint(expected), 0, 255)
    np.testing.assert_allclose(imageio.imread(tmp_path / "a.png"), expected, atol=1)


def test_both_standard_deviations_are_reported(tvflow, square, noisy_tif, tmp_path):
    outcome = tvflow("denoise", noisy_tif, "-o", tmp_path / "a.tif")
    noisy, clean = tifffile.imread(noisy_tif), tifffile.imread(tmp_path / "a.tif")
    numbers = re.fullmatch(
        r".*: noise of standard deviation ([\d.]+) \(estimated\); the result differs from "
        r"the image by ([\d.]+); [\d.]+ seconds\n",
        outcome.out,
    )
    assert float(numbers[1]) == pytest.approx(noise_level(noisy), rel=1e-3)
    assert float(numbers[2]) == pytest.approx(np.std(noisy - clean), rel=1e-3)
    assert numbers[1] != numbers[2]
    given = tvflow("denoise", noisy_tif, "--sigma", 0.2, "-o", tmp_path / "b.tif")
    assert "noise of standard deviation 0.2 (given); the result differs" in given.out


def test_a_stack_is_denoised_image_by_image(tvflow, noisy_tif, tmp_path):
    noisy = tifffile.imread(noisy_tif)
    stack = np.stack([noisy, 5 * noisy])
    tifffile.imwrite(tmp_path / "stack.tif", stack, metadata={"axes": "TYX"})
    outcome = tvflow("denoise", tmp_path / "stack.tif", "-o", tmp_path / "a.tif", "--json")
    expected = np.stack([denoise(image) for image in stack])
    np.testing.assert_allclose(tifffile.imread(tmp_path / "a.tif"), expected, atol=1e-5)
    (record,) = outcome.json["files"]
    assert record["sigma"] == pytest.approx([noise_level(image) for image in stack])


def test_the_size_of_square_pixels_does_not_change_the_noise(tvflow, noisy_tif, tmp_path):
    metadata = {"axes": "YX", "unit": "um"}
    tifffile.imwrite(
        tmp_path / "a.tif", tifffile.imread(noisy_tif), imagej=True, metadata=metadata,
        resolution=(10, 10),
    )  # fmt: skip
    for source, target in (noisy_tif, "b.tif"), (tmp_path / "a.tif", "c.tif"):
        assert tvflow("denoise", source, "-o", tmp_path / target).status == 0
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "b.tif"), tifffile.imread(tmp_path / "c.tif")
    )


@pytest.mark.parametrize("sigma", ["-1.0", "nan", "inf"])
def test_noise_that_nothing_has(refused, noisy_tif, tmp_path, sigma):
    options = ("--sigma", sigma, "-o", tmp_path / "a.tif")
    message = refused(noisy_tif, *options, command="denoise")
    assert message.startswith(f"error: {noisy_tif}: sigma must be finite and >= 0, got {sigma}.")


@pytest.mark.parametrize("shape", [(1, 1), (5, 6)])
def test_a_constant_image_has_no_noise(tvflow, tmp_path, shape):
    np.save(tmp_path / "a.npy", np.full(shape, 7.0))
    outcome = tvflow("denoise", tmp_path / "a.npy", "-o", tmp_path / "b.npy")
    assert outcome.status == 0
    assert outcome.err == ""
    assert "deviation 0 (estimated); the result differs from the image by 0;" in outcome.out
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), 7)
