"""The visible slice, and where a frame of it belongs."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_tvflow.model.axis_roles import Role
from napari_tvflow.model.source import Source
from napari_tvflow.model.visible import visible_slice

P = Role.PLANE


def look(viewer, layer, roles=None):
    return visible_slice(viewer, layer, Source.of(layer, roles))


def test_a_stack():
    viewer = ViewerModel()
    layer = viewer.add_image(np.random.default_rng(0).random((3, 4, 5)), scale=(2, 0.5, 0.5))
    viewer.dims.set_current_step(0, 2)
    found = look(viewer, layer)
    assert found.key == (2,)
    assert found.region == (slice(None), slice(None))
    placed = found.place(layer.data[2])
    assert placed.shape == layer.data.shape
    np.testing.assert_array_equal(placed[2], layer.data[2])
    assert placed.strides[0] == 0  # no copy


def test_a_volume_keeps_its_planes_together():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 4, 5)), axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 1)
    found = look(viewer, layer)
    assert found.key == ()
    assert found.region == (1, slice(None), slice(None))


def test_other_axes_may_be_displayed():
    viewer = ViewerModel()
    layer = viewer.add_image(np.arange(60.0).reshape(3, 4, 5), axis_labels=("z", "y", "x"))
    viewer.dims.order = (1, 2, 0)
    viewer.dims.set_current_step(1, 3)
    found = look(viewer, layer)
    assert found.region == (slice(None), 3, slice(None))
    placed = found.place(layer.data[found.region])
    np.testing.assert_array_equal(placed[:, 0], layer.data[:, 3])


def test_a_layer_with_fewer_axes_than_the_viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((7, 4, 5)))
    layer = viewer.add_image(np.zeros((4, 5)))
    viewer.dims.set_current_step(0, 6)
    assert look(viewer, layer).key == ()


def test_rotated_and_shifted_layers():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((6, 4, 5)), scale=(3, 1, 1), translate=(30, 7, 0))
    viewer.dims.set_point(0, 39)
    assert look(viewer, layer).key == (3,)


@pytest.mark.parametrize(("do", "said"), [
    (lambda dims: setattr(dims, "ndisplay", 3), "2-D"),
    (lambda dims: setattr(dims, "order", (1, 0, 2)), "roll the axes back"),
])  # fmt: skip
def test_one_sentence_where_there_is_no_slice(do, said):
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 4, 5)))
    do(viewer.dims)
    assert said in look(viewer, layer)


def test_beside_the_layer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 4, 5)))
    layer = viewer.add_image(np.zeros((3, 4, 5)))
    viewer.dims.set_current_step(0, 7)
    assert "nothing at this position" in look(viewer, layer)


def test_rgb_frames():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 4, 5, 4), np.uint8), rgb=True)
    placed = look(viewer, layer).place(np.ones((4, 5, 3), np.uint8))
    assert placed.shape == (3, 4, 5, 3)
