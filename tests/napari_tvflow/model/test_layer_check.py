"""Layers that have no flow: one sentence each, which says what to choose."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Points

from napari_tvflow.functions import UnusableImage, flow_layer
from napari_tvflow.model.layer_check import why_unusable


def stand_in(data):
    """Make what looks like an image layer: napari 0.9.2 itself fails on such data."""
    return type("Image", (), {"name": "A", "data": data, "multiscale": False, "rgb": False})()


UNUSABLE = {
    "labels": Labels(np.zeros((4, 5), int), name="A"),
    "points": Points(np.zeros((4, 2)), name="A"),
    "empty": stand_in(np.zeros((0, 5))),
    "complex": stand_in(np.zeros((4, 5), complex)),
}


@pytest.mark.parametrize("layer", UNUSABLE.values(), ids=UNUSABLE)
def test_one_sentence(layer):
    sentence = why_unusable(layer)
    assert "'A'" in sentence
    assert "choose" in sentence
    assert sentence.endswith(".")
    with pytest.raises(UnusableImage) as raised:
        flow_layer(layer, 1.0)
    assert str(raised.value) == sentence


def test_without_a_layer():
    assert "Open Sample" in why_unusable(None)


def test_an_image_is_usable():
    assert why_unusable(Image(np.zeros((4, 5)))) is None


@pytest.mark.parametrize(("value", "said"), [(np.nan, "1 pixels here that are NaN"), (0.0, "same")])
def test_pixels_are_checked_when_they_are_read(value, said):
    image = np.zeros((6, 7), np.float32)
    image[2, 3] = value
    with pytest.raises(UnusableImage, match=said):
        flow_layer(Image(image, contrast_limits=(0, 1)), 1.0)


def test_a_constant_image_of_a_stack_does_not_stop_the_others(photograph):
    image = np.stack([np.full_like(photograph, 7), photograph])
    result = flow_layer(Image(image), 2.0, draft=True)[0]
    assert (result[0] == 7).all()
    assert result[1].std() < photograph.std()
