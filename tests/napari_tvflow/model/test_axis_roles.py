"""What an axis is to the flow, and the source that follows from it."""

import numpy as np
import pytest
from napari.layers import Image

from napari_tvflow.model.axis_roles import Role, guess_roles, one_channel_axis
from napari_tvflow.model.source import MOST_PLANE_PIXELS, Source

P = Role.PLANE


@pytest.mark.parametrize(("labels", "roles"), [
    (("y", "x"), (P, P)),
    (("Z", "y", "x"), (Role.DEPTH, P, P)),
    (("time", "z", "y", "x"), (Role.TIME, Role.DEPTH, P, P)),
    (("c", "channel", "y", "x"), (Role.CHANNELS, Role.IMAGES, P, P)),
    (("-3", "-2", "-1"), (Role.IMAGES, P, P)),
])  # fmt: skip
def test_names_say_what_an_axis_is(labels, roles):
    assert guess_roles(labels) == roles


def test_the_default_is_for_axes_whose_name_says_nothing():
    assert guess_roles(("-3", "-2", "-1"), Role.DEPTH) == (Role.DEPTH, P, P)


def test_there_is_one_channel_axis():
    both = (Role.CHANNELS, Role.CHANNELS, P, P)
    assert one_channel_axis(both, 1) == (Role.IMAGES, Role.CHANNELS, P, P)
    assert one_channel_axis((Role.CHANNELS, Role.TIME, P, P), 1)[0] is Role.CHANNELS


def test_the_spacing_is_relative_to_the_finest_axis():
    layer = Image(np.zeros((3, 4, 5)), scale=(2.0, 0.5, 0.25), axis_labels=("z", "y", "x"))
    source = Source.of(layer)
    assert source.parameters() == {"spacing": (8.0, 2.0, 1.0)}
    assert source.pixel == 0.25


def test_the_distance_of_separate_images_does_not_count():
    layer = Image(np.zeros((3, 4, 5)), scale=(9.0, 0.5, 0.5), axis_labels=("t", "y", "x"))
    assert Source.of(layer).parameters() == {}


def test_mirrored_axes_have_a_positive_spacing():
    assert Source.of(Image(np.zeros((4, 5)), scale=(-2, 1))).parameters() == {"spacing": (2.0, 1.0)}


def test_channels_and_separate_images():
    layer = Image(np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5))
    source = Source.of(layer, (Role.CHANNELS, Role.TIME, P, P))
    assert source.parameters() == {"channel_axis": 0, "coupled_channels": True}
    assert list(source.images()) == [(0,), (1,), (2,)]
    np.testing.assert_array_equal(source.read((1,)), layer.data[:, 1])


def test_rgb_is_read_without_alpha():
    layer = Image(np.zeros((4, 5, 4), np.uint8), rgb=True)
    source = Source.of(layer)
    assert source.read(()).shape == (4, 5, 3)
    assert source.parameters()["channel_axis"] == -1


@pytest.mark.parametrize(("dtype", "read"), [
    ("uint8", "float32"), ("uint16", "float32"), ("int32", "float64"), ("float64", "float64"),
    (">f4", "float32"), ("bool", "float32"),
])  # fmt: skip
def test_values_are_read_exactly(dtype, read):
    layer = Image(np.ones((4, 5), dtype))
    assert Source.of(layer).read(()).dtype == read


def test_a_multiscale_layer_is_computed_on_its_finest_level_that_is_small_enough():
    fine = np.broadcast_to(np.float32(0), (2 * 4096, 4096))
    layer = Image([fine, fine[::2, ::2]], multiscale=True, scale=(0.5, 0.5))
    source = Source.of(layer)
    assert np.prod(source.shape) <= MOST_PLANE_PIXELS
    assert source.factors == (2.0, 2.0)
    assert source.pixel == 0.5
    assert source.parameters() == {"spacing": (2.0, 2.0)}
