"""The functions for scripts: right pixels, kept metadata, and scripts that compute the same."""

import json

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_tvflow.functions import Band, band_layers, flow_layer, scale_space_layer
from napari_tvflow.model.axis_roles import Role
from napari_tvflow.model.jobs import Cancelled
from napari_tvflow.model.provenance import script
from napari_tvflow.model.settings import DRAFT, IMAGE, REMOVED, SPACE, FlowSettings
from napari_tvflow.model.source import Source
from skimage_tvflow import StoppedByCallback, scale_space, tv_flow

PLACE = {
    "scale": (2.0, 0.5, 0.25),
    "translate": (7.0, -1.0, 3.0),
    "rotate": [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]],
    "shear": (0.0, 0.0, 0.2),
    "units": ("second", "micrometer", "micrometer"),
    "axis_labels": ("time", "y", "x"),
    "colormap": "magma",
    "contrast_limits": (3, 250),
    "gamma": 0.7,
    "metadata": {"mine": [1, 2]},
}


@pytest.fixture
def layer(stack):
    return Image(stack, name="cells", **PLACE)


def test_the_flow_of_a_stack_is_that_of_its_images(layer, stack):
    data, attributes, kind = flow_layer(layer, 3.0)
    assert kind == "image"
    assert data.dtype == np.float32
    for image, u in zip(stack, data):
        expected = tv_flow(image.astype(np.float32), 3.0, spacing=(2.0, 1.0))
        np.testing.assert_array_equal(u, expected)
    about = attributes["metadata"]["napari_tvflow"]
    assert about["t"] == 3.0
    assert about["source"] == "cells"
    assert about["parameters"] == {"spacing": [2.0, 1.0]}
    assert 0 < about["error_estimate"] < about["error_bound"]
    json.dumps(about)


def test_a_new_layer_lies_where_the_old_one_does(layer, stack):
    before = layer.as_layer_data_tuple()
    new = Layer.create(*flow_layer(layer, 3.0, draft=True))
    corner = np.array(stack.shape) - 1
    np.testing.assert_allclose(new.data_to_world(corner), layer.data_to_world(corner))
    for name in ("units", "axis_labels", "gamma"):
        assert getattr(new, name) == getattr(layer, name)
    assert new.colormap.name == "magma"
    assert tuple(new.contrast_limits) == (3, 250)
    assert new.metadata["mine"] == [1, 2]
    after = layer.as_layer_data_tuple()
    np.testing.assert_array_equal(before[0], after[0])
    assert str(before[1]) == str(after[1])


def test_a_lazy_scale_space(layer, stack):
    lazy = Layer.create(*scale_space_layer(layer, draft=True, n_times=9))
    times = lazy.metadata["napari_tvflow"]["times"]
    assert lazy.data.shape == (9, *stack.shape)
    assert times[0] == 0
    np.testing.assert_array_equal(np.asarray(lazy.data[0]), stack)
    space = scale_space(stack[1].astype(np.float32), spacing=(2.0, 1.0), refine=False)
    np.testing.assert_array_equal(np.asarray(lazy.data[4, 1]), space(times[4]))
    corner = np.array(stack.shape) - 1
    world = lazy.data_to_world((5, *corner))
    np.testing.assert_allclose(world[1:], layer.data_to_world(corner))
    assert lazy.axis_labels == ("flow time", "time", "y", "x")


def test_bands(layer, stack):
    bands = [Band("fine", 0, 20.0), Band("coarse", 20.0, float("inf"))]
    fine, coarse = band_layers(layer, bands, draft=True)
    np.testing.assert_allclose(fine[0] + coarse[0], stack, atol=1e-3)
    low, high = fine[1]["contrast_limits"]
    assert low == -high
    assert coarse[1]["contrast_limits"] == (3, 250)
    assert coarse[1]["metadata"]["napari_tvflow"]["t2"] == float("inf")


def test_a_volume_is_one_image(stack):
    volume = Image(stack, scale=(3, 1, 1), axis_labels=("z", "y", "x"))
    data, attributes, _ = flow_layer(volume, 3.0)
    expected = tv_flow(stack.astype(np.float32), 3.0, spacing=(3.0, 1.0, 1.0))
    np.testing.assert_array_equal(data, expected)
    assert attributes["metadata"]["napari_tvflow"]["axes"][0] == "depth of a volume"


def test_rgb_keeps_its_alpha_and_its_kind(photograph):
    color = np.stack([photograph, photograph[::-1], photograph // 2, photograph // 3], -1)
    data, attributes, _ = flow_layer(Image(color, rgb=True), 4.0)
    assert data.dtype == np.uint8
    np.testing.assert_array_equal(data[..., 3], color[..., 3])
    u = tv_flow(color[..., :3].astype(np.float32), 4.0, channel_axis=-1, coupled_channels=True)
    np.testing.assert_array_equal(data[..., :3], np.rint(u).clip(0, 255))
    assert attributes["rgb"]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_bands_of_rgb_are_shown_around_middle_grey(photograph, kind):
    white = np.iinfo(kind).max if kind is not np.float32 else 1.0
    color = (np.stack([photograph, photograph[::-1], photograph // 2], -1) / 255 * white).astype(
        kind
    )
    layer = Image(color, rgb=True)
    fine, coarse = band_layers(
        layer, [Band("fine", 0, 0.05 * white), Band("coarse", 0.05 * white, np.inf)], draft=True
    )
    assert fine[0].dtype == kind
    assert fine[1]["rgb"]
    assert abs(np.median(fine[0]) / white - 0.5) < 0.01
    total = fine[0] - white / 2 + coarse[0]
    np.testing.assert_allclose(total[5:-5, 5:-5], color[5:-5, 5:-5], atol=0.3 * white)
    assert np.mean(np.abs(total - color)) < 0.01 * white
    removed = flow_layer(layer, 0.05 * white, removed=True, draft=True)[0]
    assert abs(np.median(removed) / white - 0.5) < 0.02


def test_channels_may_be_separate(stack):
    layer = Image(stack, axis_labels=("channel", "y", "x"))
    data = flow_layer(layer, 3.0, coupled=False)[0]
    np.testing.assert_array_equal(
        data[1], tv_flow(stack.astype(np.float32), 3.0, channel_axis=0)[1]
    )
    assert not np.array_equal(data, flow_layer(layer, 3.0)[0])


def test_what_was_removed(photograph):
    layer = Image(photograph)
    removed = flow_layer(layer, 3.0, removed=True)
    np.testing.assert_allclose(removed[0], photograph - flow_layer(layer, 3.0)[0])
    assert removed[1]["contrast_limits"][0] == -removed[1]["contrast_limits"][1]


def test_outside_of_a_mask_nothing_changes(layer, stack):
    mask = np.zeros(stack.shape[1:], int)
    mask[10:20] = 5
    data = flow_layer(layer, 3.0, draft=True, mask=mask)[0]
    np.testing.assert_array_equal(data[:, 20:], stack[:, 20:])
    for k, image in enumerate(stack):
        alone = tv_flow(image[10:20].astype(float), 3.0)
        assert np.sqrt(np.mean((data[k, 10:20] - alone) ** 2)) < 0.03 * image.std()
    with pytest.raises(ValueError, match="choose a mask of the same shape"):
        flow_layer(layer, 3.0, mask=mask[1:])


def test_a_coarse_level_lies_where_the_fine_one_does(photograph, monkeypatch):
    monkeypatch.setattr("napari_tvflow.model.source.MOST_PLANE_PIXELS", 40 * 40)
    fine = np.kron(photograph, np.ones((2, 2), np.uint8))[:120, :160]
    levels = [fine, fine[::2, ::2], fine[::4, ::4]]
    layer = Image(levels, multiscale=True, scale=(0.5, 0.5), translate=(3, 4), rotate=10)
    new = Layer.create(*flow_layer(layer, 3.0, draft=True))
    assert new.data.shape == (30, 40)
    np.testing.assert_allclose(new.data_to_world((-0.5, -0.5)), layer.data_to_world((-0.5, -0.5)))
    np.testing.assert_allclose(new.data_to_world((29.5, 39.5)), layer.data_to_world((119.5, 159.5)))


@pytest.mark.parametrize("method", ["joint", "net"])
def test_other_methods(photograph, method):
    image = photograph[:24, :24].astype(np.float32)
    data, attributes, _ = flow_layer(Image(image), 2.0, method=method, tol=1e-2)
    expected = tv_flow(image, 2.0, tol=1e-3)
    assert np.abs(data - expected).std() < 0.05 * image.std()
    about = attributes["metadata"]["napari_tvflow"]
    assert about["method"] == method
    assert about["error_bound"] > 0


@pytest.mark.parametrize("call", [
    lambda layer, stop: flow_layer(layer, 30.0, callback=stop),
    lambda layer, stop: scale_space_layer(layer, callback=stop),
    lambda layer, stop: band_layers(layer, [Band("a", 1, 2)], callback=stop),
])  # fmt: skip
def test_a_callback_stops_the_work(layer, call):
    seen = []

    def stop(fraction):
        seen.append(fraction)
        return fraction > 0.3

    with pytest.raises((Cancelled, StoppedByCallback)):
        call(layer, stop)
    assert seen == sorted(seen)
    assert 0.3 < seen[-1] < 0.9


@pytest.mark.parametrize("settings", [
    FlowSettings(), FlowSettings(quality=DRAFT), FlowSettings(output=REMOVED, tol=5e-3),
], ids=["exact", "draft", "removed"])  # fmt: skip
@pytest.mark.parametrize(("shape", "labels", "rgb"), [
    ((), ("y", "x"), False),
    ((3,), ("t", "y", "x"), False),
    ((2, 2), ("z", "t", "y", "x"), False),
    ((3,), ("c", "y", "x"), False),
    ((), ("y", "x"), True),
])  # fmt: skip
def test_the_script_computes_the_same(photograph, settings, shape, labels, rgb):
    image = np.empty((*shape, 24, 20), np.float32)
    for k, index in enumerate(np.ndindex(shape)):
        image[index] = photograph[k : k + 24, k : k + 20]
    if rgb:
        image = np.stack([image / 255, image / 300, image / 400, image / 255], -1)
    layer = Image(image, rgb=rgb, axis_labels=labels, scale=(0.5,) * (len(labels) - 1) + (1.0,))
    t = 0.02 if rgb else 3.0
    source = Source.of(layer)
    names = {"image": np.asarray(layer.data)}
    exec(script(source, settings, t), names)
    expected = flow_layer(
        layer, t, draft=settings.quality == DRAFT, removed=settings.output == REMOVED,
        tol=settings.tol,
    )[0]  # fmt: skip
    result = names["result"]
    if rgb:  # napari shows RGB as it is, so 0 has to be middle grey
        result = np.clip(result + 0.5 * (settings.output == REMOVED), 0, 1)
    np.testing.assert_allclose(result, expected[..., :3] if rgb else expected, atol=2e-5)


def test_the_script_of_a_scale_space(stack):
    layer = Image(stack, axis_labels=("t", "y", "x"))
    names = {"image": stack}
    settings = FlowSettings(output=SPACE, quality=DRAFT)
    exec(script(Source.of(layer), settings, 3.0), names)
    assert len(names["result"]) == 3
    assert names["result"][1](0.0).shape == stack[1].shape


def test_roles_by_their_names(stack):
    roles = ["depth of a volume", "plane", "plane"]
    data = flow_layer(Image(stack), 3.0, roles=roles, draft=True)[0]
    assert not np.array_equal(data, flow_layer(Image(stack), 3.0, draft=True)[0])
    assert Role(roles[0]) is Role.DEPTH
    assert IMAGE != SPACE
