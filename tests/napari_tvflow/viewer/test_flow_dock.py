"""The flow dock, driven as a user does."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QStyle, QStyleOptionSlider

from napari_tvflow.functions import flow_layer
from napari_tvflow.model.layer_check import NO_LAYER
from napari_tvflow.model.settings import SPACE
from skimage_tvflow import scale_space, tv_flow


def drag_slider(qtbot, slider, to):
    """Drag the handle of a slider to a part of its length, with the mouse."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = slider.style().subControlRect(QStyle.CC_Slider, option, QStyle.SC_SliderHandle, slider)
    start, end = handle.center(), QPoint(round(to * slider.width()), handle.center().y())
    qtbot.mousePress(slider, Qt.LeftButton, pos=start)
    for k in range(1, 9):
        qtbot.mouseMove(slider, start + (end - start) * k / 8)
        qtbot.wait(5)
    qtbot.mouseRelease(slider, Qt.LeftButton, pos=end)


def preview(dock):
    return None if dock.preview.layer is None else np.asarray(dock.preview.layer.data)


def test_an_empty_viewer(open_flow):
    dock = open_flow()
    assert dock.message.text() == NO_LAYER
    assert not dock.run.button.isEnabled()


def test_dragging_the_slider_shows_the_flow(viewer, open_flow, wait_for, qtbot, photograph):
    layer = viewer.add_image(photograph, name="face", scale=(0.5, 0.5), colormap="magma")
    dock = open_flow()
    wait_for(lambda: dock.session.entry.is_finished)
    wait_for(lambda: dock.preview.layer is not None)
    before = dock.session.t
    drag_slider(qtbot, dock.time.slider, 0.8)
    assert dock.session.t > 3 * before
    space = scale_space(photograph.astype(np.float32), tol=5e-3)
    wait_for(lambda: np.array_equal(preview(dock), space(dock.session.t)))
    assert dock.time.number.value() == pytest.approx(dock.session.t)
    shown = dock.preview.layer
    np.testing.assert_array_equal(shown.scale, layer.scale)
    assert shown.colormap.name == "magma"
    assert viewer.layers.selection.active is layer
    assert list(viewer.layers) == [layer, shown]
    np.testing.assert_array_equal(layer.data, photograph)


def test_a_typed_time(viewer, open_flow, wait_for, photograph):
    viewer.add_image(photograph)
    dock = open_flow()
    wait_for(lambda: dock.session.entry.is_finished)
    dock.time.number.lineEdit().setText("123.5")
    dock.time.number.interpretText()
    assert dock.session.t == 123.5
    expected = dock.session.scale.position(123.5)
    assert dock.time.slider.value() == round(expected)


def test_the_reading(viewer, open_flow, wait_for, photograph):
    viewer.add_image(photograph, scale=(0.5, 0.5), units="um")
    dock = open_flow()
    wait_for(lambda: dock.session.scale is not None)
    dock.tick()
    dock.time.number.setValue(100)
    dock.time.contrast.setValue(50)
    assert dock.time.reading.text() == "up to radius 4.00 px (2.00 µm)"


def test_run_adds_a_layer(viewer, open_flow, wait_for, qtbot, photograph):
    layer = viewer.add_image(photograph, name="face", translate=(3, 4), metadata={"a": 1})
    dock = open_flow()
    wait_for(lambda: dock.session.scale is not None)
    dock.time.number.setValue(40)
    qtbot.mouseClick(dock.run.button, Qt.LeftButton)
    assert dock.run.button.text() == "Cancel"
    wait_for(lambda: dock.run.job is None)
    new = viewer.layers[-1]
    assert new.name == "face | TV flow t=40.0"
    np.testing.assert_array_equal(new.data, tv_flow(photograph.astype(np.float32), 40.0))
    np.testing.assert_array_equal(new.translate, layer.translate)
    assert new.metadata["a"] == 1
    about = new.metadata["napari_tvflow"]
    assert 0 < about["error_estimate"] < about["error_bound"]
    assert "certainly at most" in dock.run.text.text()
    assert dock.run.button.text() == "Run on the whole layer"
    assert dock.layers.currentText() == "face"


def test_cancel(viewer, open_flow, wait_for, qtbot):
    viewer.add_image(np.random.default_rng(0).random((400, 400)))
    dock = open_flow()
    wait_for(lambda: dock.session.scale is not None)
    dock.more.tol.setValue(1e-5)
    dock.time.number.setValue(dock.session.scale.extinction)
    qtbot.mouseClick(dock.run.button, Qt.LeftButton)
    job = dock.run.job
    wait_for(lambda: job.fraction > 0)
    qtbot.mouseClick(dock.run.button, Qt.LeftButton)
    wait_for(lambda: dock.run.job is None)
    assert dock.run.text.text() == "Cancelled."
    assert job.has_ended
    assert [layer for layer in viewer.layers if "TV flow" in layer.name] == []
    wait_for(lambda: dock.session.entry.is_working)  # the preview is refined again


def test_a_scale_space_follows_the_slider(viewer, open_flow, wait_for, photograph):
    viewer.add_image(photograph)
    dock = open_flow()
    wait_for(lambda: dock.session.entry.is_finished)
    dock.output.setCurrentText(SPACE)
    dock.run.press()
    wait_for(lambda: dock.run.job is None)
    lazy = viewer.layers[-1]
    times = lazy.metadata["napari_tvflow"]["times"]
    assert lazy.data.shape == (len(times), *photograph.shape)
    dock.session.set_time(times[20])
    wait_for(lambda: viewer.dims.current_step[0] == 20)
    viewer.dims.set_current_step(0, 31)
    wait_for(lambda: dock.session.t == times[31])


def test_the_script_goes_to_the_clipboard(viewer, open_flow, photograph):
    viewer.add_image(photograph, name="face")
    dock = open_flow()
    dock.time.number.setValue(7.5)
    dock.copy.click()
    text = QApplication.clipboard().text()
    assert "t = 7.5" in text
    assert "tv_flow" in text
    compile(text, "script", "exec")


def test_a_stack_never_shows_another_slice(viewer, open_flow, wait_for, stack):
    viewer.add_image(stack)
    dock = open_flow()
    viewer.dims.set_current_step(0, 0)
    wait_for(lambda: dock.preview.layer is not None)
    viewer.dims.set_current_step(0, 1)
    assert not dock.preview.layer.visible
    wait_for(lambda: dock.preview.layer.visible)
    space = scale_space(stack[1].astype(np.float32), tol=5e-3)
    wait_for(lambda: np.array_equal(preview(dock)[1], space(dock.session.t)))


def test_the_axes_of_a_volume(viewer, open_flow, wait_for, stack):
    viewer.add_image(stack)
    dock = open_flow()
    (combo,) = dock.axes.combos
    assert combo.currentText() == "separate images"
    combo.setCurrentText("depth of a volume")
    assert dock.session.source.n_spatial == 3
    wait_for(lambda: dock.session.entry.is_finished)
    wait_for(lambda: dock.preview.layer is not None)
    space = scale_space(stack.astype(np.float32), tol=5e-3)
    z = viewer.dims.current_step[0]
    wait_for(lambda: np.array_equal(preview(dock)[z], space(dock.session.t)[z]))
    assert dock.time._shape.text() == "balls"


def test_rgb(viewer, open_flow, wait_for, photograph):
    color = np.stack([photograph, photograph[::-1], photograph // 2], -1)
    viewer.add_image(color, rgb=True)
    dock = open_flow()
    wait_for(lambda: dock.preview.layer is not None)
    assert preview(dock).dtype == np.uint8
    assert preview(dock).shape == color.shape


def test_multiscale(viewer, open_flow, wait_for, photograph, monkeypatch):
    monkeypatch.setattr("napari_tvflow.model.source.MOST_PLANE_PIXELS", 40 * 40)
    viewer.add_image([photograph, photograph[::2, ::2]], multiscale=True)
    dock = open_flow()
    wait_for(lambda: dock.preview.layer is not None)
    assert preview(dock).shape == (32, 40)
    np.testing.assert_array_equal(dock.preview.layer.scale, (2, 2))


def test_labels_by_mistake(viewer, open_flow, photograph):
    viewer.add_image(photograph)
    viewer.add_labels(np.ones((5, 5), int), name="nuclei")
    dock = open_flow()
    dock.layers.setCurrentText("nuclei")
    assert "'nuclei' is a labels layer" in dock.message.text()
    assert not dock.run.button.isEnabled()
    dock.layers.setCurrentText("photograph")
    assert dock.message.text() == ""


def test_nan_is_one_sentence(viewer, open_flow, wait_for):
    image = np.random.default_rng(0).random((30, 30))
    image[2, 2] = np.nan
    viewer.add_image(image, name="bad", contrast_limits=(0, 1))
    dock = open_flow()
    wait_for(lambda: "NaN" in dock.message.text())
    assert not dock.run.button.isEnabled()
    assert dock.preview.layer is None


def test_three_dimensions_hide_the_preview(viewer, open_flow, wait_for, stack):
    viewer.add_image(stack)
    dock = open_flow()
    wait_for(lambda: dock.preview.layer is not None)
    viewer.dims.ndisplay = 3
    assert "2-D" in dock.message.text()
    assert not dock.preview.layer.visible


@pytest.mark.unseen
def test_a_layer_that_is_removed_while_it_is_computed(viewer, open_flow, wait_for, qtbot):
    image = np.random.default_rng(0).random((128, 128))
    layer = viewer.add_image(image, name="gone")
    other = viewer.add_image(image[:64], name="other")
    viewer.layers.selection.active = layer
    dock = open_flow()
    wait_for(lambda: dock.session.scale is not None)
    dock.time.number.setValue(0.3)
    dock.run.press()
    viewer.layers.remove(layer)
    wait_for(lambda: dock.run.job is None)
    assert "removed meanwhile" in dock.run.text.text()
    np.testing.assert_array_equal(viewer.layers[-1].data, tv_flow(image, 0.3))
    assert dock.session.layer is other
    wait_for(lambda: dock.preview.layer is not None)
    assert dock.preview.layer.data.shape == other.data.shape


def test_a_layer_that_is_renamed_while_it_is_computed(viewer, open_flow, wait_for):
    layer = viewer.add_image(np.random.default_rng(0).random((64, 64)), name="old")
    dock = open_flow()
    wait_for(lambda: dock.session.scale is not None)
    dock.run.press()
    layer.name = "new"
    wait_for(lambda: dock.run.job is None)
    assert dock.layers.currentText() == "new"
    assert viewer.layers[-1].name.startswith("old | ")
    assert dock.run.text.text().startswith("error about")


def test_the_preview_goes_from_layer_to_layer(viewer, open_flow, wait_for, photograph, stack):
    first = viewer.add_image(photograph, name="first", scale=(2, 2))
    second = viewer.add_image(photograph[:30, :40], name="second", colormap="magma")
    third = viewer.add_image(stack, name="third")
    viewer.layers.selection.active = first
    dock = open_flow()
    for layer in (first, second, third):
        dock.layers.setCurrentText(layer.name)
        wait_for(
            lambda layer=layer: (
                dock.preview.layer is not None
                and dock.preview.layer.visible
                and dock.preview.layer.data.shape == layer.data.shape
            )
        )
        shown = dock.preview.layer
        assert shown.name == f"{layer.name} | preview"
        assert shown.colormap.name == layer.colormap.name
        np.testing.assert_array_equal(shown.scale, layer.scale)
        assert viewer.layers.index(shown) == viewer.layers.index(layer) + 1
        assert len(viewer.layers) == 4


@pytest.mark.unseen
def test_no_preview_is_left_of_the_last_layer(viewer, open_flow, wait_for, photograph):
    layer = viewer.add_image(photograph)
    dock = open_flow()
    wait_for(lambda: dock.preview.layer is not None)
    viewer.layers.remove(layer)
    wait_for(lambda: len(viewer.layers) == 0)
    assert dock.message.text() == NO_LAYER


def test_a_deleted_preview_is_not_wanted(viewer, open_flow, wait_for, photograph):
    viewer.add_image(photograph)
    dock = open_flow()
    wait_for(lambda: dock.preview.layer is not None)
    viewer.layers.remove(dock.preview.layer)
    wait_for(lambda: not dock.live.isChecked())
    dock.live.setChecked(True)
    wait_for(lambda: dock.preview.layer is not None)


def test_a_mask(viewer, open_flow, wait_for, photograph):
    viewer.add_image(photograph)
    mask = np.zeros(photograph.shape, int)
    mask[:30] = 2
    viewer.add_labels(mask, name="mask")
    viewer.layers.selection.active = viewer.layers[0]
    dock = open_flow()
    wait_for(lambda: dock.session.scale is not None)
    dock.more.mask.setCurrentText("mask")
    dock.run.press()
    wait_for(lambda: dock.run.job is None)
    np.testing.assert_array_equal(viewer.layers[-1].data[30:], photograph[30:])
    assert not np.array_equal(viewer.layers[-1].data[:30], photograph[:30])


@pytest.mark.parametrize("what", ["preview", "run"])
def test_closing_the_dock_while_work_runs(viewer, open_flow, wait_for, qtbot, what):
    viewer.add_image(np.random.default_rng(0).random((500, 500)))
    dock = open_flow()
    session = dock.session
    if what == "run":
        wait_for(lambda: session.scale is not None)
        dock.more.tol.setValue(1e-5)
        dock.run.press()
        job = dock.run.job
    else:
        job = session.entry.job
    viewer.window.remove_dock_widget(dock)
    assert dock.is_closed
    assert session.is_closed
    assert len(viewer.layers) == 1
    assert job.wait(10)
    viewer.dims.events.current_step()
    qtbot.wait(150)
    assert len(viewer.layers) == 1
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("tvflow")]


def test_closing_the_viewer_while_work_runs(viewer, open_flow, open_spectrum, wait_for, qtbot):
    viewer.add_image(np.random.default_rng(0).random((500, 500)))
    dock, spectrum = open_flow(), open_spectrum()
    wait_for(lambda: dock.session.scale is not None)
    job = dock.session.entry.job
    viewer.close()
    qtbot.wait(100)
    assert dock.is_closed
    assert spectrum.is_closed
    assert job.wait(10)


def test_a_hidden_dock_rests(viewer, open_flow, wait_for, qtbot, stack):
    viewer.add_image(stack)
    dock = open_flow()
    wait_for(lambda: dock.preview.layer is not None)
    dock.parent().hide()
    viewer.dims.set_current_step(0, 2)
    qtbot.wait(200)
    assert dock.session.entry is None
    dock.parent().show()
    wait_for(lambda: dock.session.entry is not None and dock.session.entry.space is not None)


@pytest.mark.unseen
def test_float_and_sixteen_bits(viewer, open_flow, wait_for, photograph):
    for image in (photograph.astype(np.uint16) * 257, photograph / 255.0):
        layer = viewer.add_image(image)
        viewer.layers.selection.active = layer
        dock = open_flow()
        wait_for(lambda dock=dock: dock.preview.layer is not None)
        dock.quality.setCurrentIndex(0)
        dock.run.press()
        wait_for(lambda dock=dock: dock.run.job is None)
        expected = flow_layer(layer, dock.session.t, draft=True)[0]
        np.testing.assert_array_equal(viewer.layers[-1].data, expected)
        viewer.window.remove_dock_widget(dock)
        viewer.layers.clear()
