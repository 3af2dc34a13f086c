from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow import ChambolleTVFlow, applications
from skimage_tvflow.applications import denoise

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
    removed = float(outcome.out.split("standard deviation ")[1].split()[0])
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


def test_what_the_library_refuses_is_one_line(refused, noisy_tif, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("too short, got 3. Pass channel_axis=-1.")

    monkeypatch.setattr(applications, "denoise", fail)
    message = refused(noisy_tif, "-o", tmp_path / "a.tif", command="denoise")
    assert message == f"error: {noisy_tif}: too short, got 3. Type --channel-axis -1."


@pytest.mark.parametrize("sigma", ["0.0", "-1.0", "nan", "inf"])
def test_noise_that_nothing_has(refused, noisy_tif, tmp_path, sigma):
    options = ("--sigma", sigma, "-o", tmp_path / "a.tif")
    assert refused(noisy_tif, *options, command="denoise") == (
        f"error: --sigma must be a finite number > 0, got {sigma}. Type, for example, --sigma 0.1"
    )
