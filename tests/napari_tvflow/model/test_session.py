"""What the docks share, driven without a window: a viewer model, and ticks in place of a timer."""

import threading
import time

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_tvflow.model.axis_roles import Role
from napari_tvflow.model.jobs import Job
from napari_tvflow.model.layer_check import IN_3D, NO_LAYER
from napari_tvflow.model.session import Session
from napari_tvflow.model.settings import DRAFT
from skimage_tvflow import scale_space


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def session(viewer):
    session = Session(viewer)
    session.watch(viewer, True)
    yield session
    session.close()


def settle(session, until=None, seconds=60):
    """Tick until a condition holds, or no work is left."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        working = session.tick()
        if until() if until is not None else not working:
            return
        time.sleep(0.01)
    raise AssertionError("it took too long")


def test_an_empty_viewer(session):
    assert session.problem == NO_LAYER
    assert session.frame(1.0) is None
    assert not session.tick()


def test_from_a_draft_to_a_refined_space(viewer, session, photograph):
    session.choose(viewer.add_image(photograph))
    settle(session, lambda: session.entry.space is not None)
    assert session.scale.extinction > 1000
    assert 0 < session.t < session.scale.extinction
    settle(session)
    assert session.entry.space.is_refined
    expected = scale_space(photograph.astype(np.float32), tol=5e-3)
    np.testing.assert_array_equal(session.frame(50.0), expected(50.0))
    times, heights = session.entry.spectrum
    assert len(times) == len(heights) > 10
    assert (heights >= 0).all()


def test_a_draft_is_not_refined(viewer, session, photograph):
    session.change_settings(quality=DRAFT)
    session.choose(viewer.add_image(photograph))
    settle(session)
    assert not session.entry.space.is_refined
    session.change_settings(quality="exact")
    settle(session)
    assert session.entry.space.is_refined


def test_every_slice_has_its_own_space_and_keeps_it(viewer, session, stack):
    session.change_settings(quality=DRAFT)
    session.choose(viewer.add_image(stack))
    spaces = []
    for k in (0, 1, 0):
        viewer.dims.set_current_step(0, k)
        if k not in [key for key, _ in spaces]:
            assert session.frame(9.0) is None  # never that of another slice
        settle(session)
        spaces.append((k, session.entry.space))
    assert spaces[0][1] is spaces[2][1]
    assert spaces[0][1] is not spaces[1][1]


def test_a_volume_has_one_space(viewer, session, stack):
    session.change_settings(quality=DRAFT)
    session.choose(viewer.add_image(stack, axis_labels=("z", "y", "x")))
    settle(session)
    space = session.entry.space
    viewer.dims.set_current_step(0, 2)
    assert session.entry.space is space
    np.testing.assert_array_equal(session.frame(9.0), space(9.0)[2])


def test_going_through_slices_leaves_one_worker(viewer, session, stack):
    session.choose(viewer.add_image(stack.repeat(4, 0)))
    jobs = []
    for k in range(12):
        viewer.dims.set_current_step(0, k)
        jobs.append(session.entry.job)
    assert all(job.is_cancelled for job in jobs[:-1])
    settle(session)
    assert all(job.has_ended for job in jobs)
    assert session.entry.key == (11,)


def test_other_roles_make_another_space(viewer, session, stack):
    session.change_settings(quality=DRAFT)
    session.choose(viewer.add_image(stack))
    settle(session)
    token = session.token
    session.choose(session.layer, (Role.DEPTH, Role.PLANE, Role.PLANE))
    assert session.token > token
    assert session.frame(1.0) is None
    settle(session)
    assert session.frame(1.0).shape == stack.shape[1:]


def test_new_pixels_make_another_space(viewer, session, photograph):
    session.change_settings(quality=DRAFT)
    layer = viewer.add_image(photograph)
    session.choose(layer)
    settle(session)
    before = session.scale.extinction
    layer.data = photograph[::-1] / 16.0
    settle(session)
    np.testing.assert_array_equal(session.frame(0.0), photograph[::-1] / 16.0)
    assert session.scale.extinction == pytest.approx(before / 16, rel=0.1)


def test_new_settings_keep_the_time(viewer, session, photograph):
    session.choose(viewer.add_image(photograph))
    settle(session, lambda: session.scale is not None)
    session.set_time(33.0)
    session.change_settings(tol=1e-2)
    settle(session)
    assert session.t == 33.0
    assert session.entry.settings.tol == 1e-2


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (7.0, "same value")])
def test_one_sentence_about_bad_pixels(viewer, session, value, said):
    image = np.full((20, 20), 7.0)
    image[3, 3] = value
    session.choose(viewer.add_image(image, name="bad", contrast_limits=(0, 9)))
    settle(session)
    assert said in session.problem
    assert "'bad'" in session.problem
    assert session.entry.error is not None


def test_a_bad_slice_does_not_stop_the_others(viewer, session, photograph):
    image = np.stack([photograph, photograph]).astype(np.float32)
    image[0, 0, 0] = np.nan
    session.choose(viewer.add_image(image, contrast_limits=(0, 255)))
    settle(session)
    assert "NaN" in session.problem
    viewer.dims.set_current_step(0, 1)
    settle(session)
    assert session.problem == ""
    assert session.frame(1.0) is not None


def test_three_dimensions(viewer, session, stack):
    session.choose(viewer.add_image(stack))
    viewer.dims.ndisplay = 3
    assert session.problem == IN_3D
    assert session.entry is None
    viewer.dims.ndisplay = 2
    assert session.problem == ""
    assert session.entry is not None


def test_labels(viewer, session):
    session.choose(viewer.add_labels(np.ones((4, 5), int), name="nuclei"))
    assert "'nuclei' is a labels layer" in session.problem
    assert session.frame(1.0) is None


def test_nothing_begins_while_nobody_looks(viewer, session, photograph):
    session.watch(viewer, False)
    session.choose(viewer.add_image(photograph))
    assert session.entry is None
    session.watch(viewer, True)
    settle(session)
    assert session.entry.space is not None


def test_one_worker_at_a_time_on_a_layer(viewer, session, photograph):
    session.choose(viewer.add_image(photograph))
    settle(session, lambda: session.scale is not None)
    free, order = threading.Event(), []
    first = Job(lambda job: free.wait(10) and order.append("first"), "a", session.spaces.last_job)
    session.spaces.begin_run(first)
    first.start()
    second = Job(lambda job: order.append("second"), "b", session.spaces.last_job)
    session.spaces.begin_run(second)
    second.start()
    session.look()
    preview = session.entry.job
    assert not preview.wait(0.1)
    assert not order
    other = viewer.add_image(photograph[:20])
    session.choose(other)
    settle(session)  # another layer does not wait
    free.set()
    assert second.wait(10)
    assert order == ["first", "second"]


def test_after_the_end_nothing_happens(viewer, session, stack):
    session.choose(viewer.add_image(stack))
    job, told = session.entry.job, []
    session.looked.connect(lambda: told.append(1))
    session.close()
    assert job.is_cancelled
    viewer.dims.set_current_step(0, 1)
    session.choose(viewer.layers[0])
    session.look()
    assert not session.tick()
    assert not told
    assert job.wait(10)
    session.close()
