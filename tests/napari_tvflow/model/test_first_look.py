"""A first look at large images: near the flow, and replaced by the draft."""

import numpy as np
import pytest
from napari.components import ViewerModel
from skimage import data, transform

from napari_tvflow.model import first_look as module
from napari_tvflow.model.first_look import FirstLook, first_look
from napari_tvflow.model.session import Session
from napari_tvflow.model.settings import DRAFT
from skimage_tvflow import scale_space


@pytest.fixture
def large(monkeypatch):
    """Draw an image of 201 x 251, and let it count as large."""
    monkeypatch.setattr(module, "_LARGE", 10_000)
    monkeypatch.setattr(module, "_SMALL", 5_000)
    return (255 * transform.resize(data.camera(), (201, 251))).astype(np.float32)


def report(fraction):
    return False


@pytest.mark.parametrize("spacing", [None, (2.0, 1.0)])
def test_it_is_near_the_flow_at_late_times(large, spacing):
    parameters = {} if spacing is None else {"spacing": spacing}
    look = first_look(large, parameters, report)
    space = scale_space(large, tol=1e-2, refine=False, **parameters)
    end = space.times[-1]
    assert look.times[-1] == pytest.approx(end, rel=0.05)
    for part in (0.1, 0.4):
        off = look(part * end) - space(part * end)
        assert np.sqrt(np.mean(off**2)) < 0.1 * large.std()
    assert look(0.0) is not None
    np.testing.assert_array_equal(look(0.0, np.s_[3]), large[3])
    np.testing.assert_array_equal(look(end / 9, np.s_[3]), look(end / 9)[3])
    assert look.low_pass(end / 9).shape == large.shape


@pytest.mark.parametrize("channel_axis", [0, -1])
def test_channels(large, channel_axis):
    color = np.stack([large, large[::-1]], channel_axis)
    look = first_look(color, {"channel_axis": channel_axis, "coupled_channels": True}, report)
    assert look(5.0).shape == color.shape


def test_small_images_and_volumes_need_none(large):
    assert first_look(large[:50, :50], {}, report) is None
    assert first_look(np.stack([large, large]), {}, report) is None


def test_the_draft_takes_its_place(large):
    viewer = ViewerModel()
    session = Session(viewer)
    session.change_settings(quality=DRAFT)
    session.watch(viewer, True)
    session.choose(viewer.add_image(large))
    seen = set()
    while session.tick() or not session.entry.is_finished:
        seen.add(type(session.entry.space).__name__)
    assert not isinstance(session.entry.space, FirstLook)
    assert seen >= {"FirstLook", "ScaleSpace"}
    expected = scale_space(large, tol=5e-3, refine=False)(50.0)
    np.testing.assert_allclose(session.frame(50.0), expected, atol=0.01)
    session.close()
