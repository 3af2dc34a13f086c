"""The logarithmic slider, and what a time means."""

import numpy as np
import pytest

from napari_tvflow.model.time_scale import (
    STEPS,
    TimeScale,
    contrast_of,
    erased_radius,
    number,
    radius_text,
)


def test_the_slider_is_logarithmic_and_ends_at_extinction():
    scale = TimeScale(50.0)
    assert scale.time(STEPS) == 50
    assert scale.time(0) == pytest.approx(scale.first)
    for position in (0, 137, 500, STEPS):
        assert scale.position(scale.time(position)) == pytest.approx(position)
    assert scale.position(0) == 0
    assert scale.position(1e9) == STEPS


def test_discs_that_are_erased_have_vanished():
    from skimage_tvflow import tv_flow

    y, x = np.indices((49, 49)) - 24
    disc = 0.8 * (x**2 + y**2 <= 36)
    t = 0.8 * 6 / 2
    assert erased_radius(t, 0.8, 2) == pytest.approx(6)
    before, after = tv_flow(disc, [0.8 * t, 1.2 * t], tol=1e-2)
    assert np.ptp(before) > 0.07
    assert np.ptp(after) < 0.03


def test_the_radius_is_told_in_the_unit_of_the_layer():
    assert radius_text(12.34, 0.5, "micrometer") == "12.3 px (6.17 µm)"
    assert radius_text(12.34, 0.5, "pixel") == "12.3 px"


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (1234.5, "1234"), (0.012345, "0.0123"), (1e-7, "1.00e-07"), (np.inf, "∞"),
])  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_the_contrast_ignores_outliers():
    image = np.zeros((100, 100))
    image[:, 50:] = 2
    image[0, 0] = 1000
    assert contrast_of(image, None, True) == pytest.approx(2, rel=0.01)


def test_the_contrast_of_few_spots_is_their_height():
    image = np.zeros((100, 100))
    image[3, 4] = 5
    assert contrast_of(image, None, True) == 5


def test_the_contrast_of_coupled_channels_is_a_length():
    image = np.zeros((3, 10, 10))
    image[:, 5:] = 1
    assert contrast_of(image, 0, True) == pytest.approx(3**0.5)
    assert contrast_of(image, 0, False) == pytest.approx(1)
