"""Dead leaves: the same from the same seed, of the statistics that natural images have."""

import numpy as np
import pytest

from skimage_tvflow.learned.synthetic import dead_leaves


@pytest.mark.parametrize("shape", [(64, 48), (16, 18, 20)])
def test_the_seed_decides(shape):
    first, second, other = (dead_leaves(np.random.default_rng(k), shape) for k in (0, 0, 1))
    assert first.shape == shape
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_values_are_about_0_to_1():
    images = [dead_leaves(np.random.default_rng(k), (64, 64)) for k in range(8)]
    assert np.percentile(images, 1) > -0.3
    assert np.percentile(images, 99) < 1.3
    assert min(image.std() for image in images) > 0.03


def test_the_spectrum_falls_as_that_of_photographs():
    """The power falls about like the square of the frequency."""
    power = np.mean(
        [
            (np.abs(np.fft.rfft(image - image.mean(), axis=1)) ** 2).mean(0)
            for image in (dead_leaves(np.random.default_rng(k), (64, 64)) for k in range(16))
        ],
        0,
    )
    slope = np.polyfit(np.log(np.arange(2, 17)), np.log(power[2:17]), 1)[0]
    assert -2.6 < slope < -1.2
