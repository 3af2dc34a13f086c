"""The protocol of the paper: gray squares in [0, 1], fifty times, numbers by scikit-image."""

import numpy as np
import pytest
from PIL import Image

from independent_solver import euler_flow
from skimage_tvflow.evaluation.protocol import TIMES, compare, model_driven, to_gray_square


def test_bytes_are_what_pillow_makes_of_them():
    colours = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(colours).convert("L")) / 255
    np.testing.assert_array_equal(to_gray_square(colours, 20), expected)
    np.testing.assert_array_equal(to_gray_square(colours[..., 0], 20), colours[..., 0] / 255)
    wide = colours.astype(np.uint16) * 257
    np.testing.assert_allclose(to_gray_square(wide, 20), expected, atol=0.51 / 255)
    np.testing.assert_allclose(to_gray_square(colours / 255, 20), expected, atol=0.51 / 255)


@pytest.mark.parametrize("shape", [(40, 20), (20, 40), (16, 16), (300, 200)])
def test_any_size_becomes_a_square(shape):
    """The square in the middle; a constant stays one, whatever it is resized to."""
    np.testing.assert_allclose(to_gray_square(np.full(shape, 0.3), 24), 0.3, atol=1e-6)
    ramp = np.broadcast_to(np.arange(shape[1]) / shape[1], shape)
    square = to_gray_square(ramp, 24)
    assert square.shape == (24, 24)
    assert abs(square.mean() - ramp.mean()) < 0.01


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 5, 6)), r"shape \(4, 5, 6\) is no gray or colour image"),
        (np.zeros(9), r"shape \(9,\) is no gray"),
        (np.full((9, 9), 1.5), "from 1.5 to 1.5 are not in"),
        (np.full((9, 9), -1), "are not in"),
        (np.full((9, 9), np.nan), "are not in"),
    ],
)
def test_what_is_no_such_image(image, words):
    with pytest.raises(ValueError, match=words):
        to_gray_square(image, 16)


def test_the_numbers():
    truth = np.random.default_rng(0).random((50, 16, 16)) / 2
    found = compare(truth + 0.01, truth)
    assert found.psnr == pytest.approx(40, abs=1e-9)
    assert 0.9 < found.ssim < 1
    assert compare(truth, truth).psnr == np.inf


def test_the_reference_is_implicit_euler(image):
    small = image[:16, :16]
    steps = model_driven(small)
    assert steps.shape == (50, 16, 16)
    np.testing.assert_allclose(TIMES, 0.004 * np.arange(1, 51))
    np.testing.assert_allclose(steps[4], euler_flow(small, 0.02, 5), atol=1e-5)
