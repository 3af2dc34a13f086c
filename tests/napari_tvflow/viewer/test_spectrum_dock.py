"""The spectrum dock, driven as a user does."""

import math

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QContextMenuEvent
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_tvflow.model.band_image import band_image
from napari_tvflow.model.bands import Band
from napari_tvflow.widgets import band_view
from skimage_tvflow import scale_space


@pytest.fixture
def dock(viewer, open_spectrum, wait_for, photograph):
    viewer.add_image(photograph, name="face", scale=(0.5, 0.5), units="um", translate=(1, 2))
    dock = open_spectrum()
    wait_for(lambda: dock.session.entry.is_finished)
    dock.tick()
    return dock


@pytest.fixture(scope="module")
def space(photograph):
    return scale_space(photograph.astype(np.float32), tol=5e-3)


def drag(qtbot, plot, start, end, y=60):
    """Drag the mouse over the plot, from one pixel to another."""
    qtbot.mousePress(plot, Qt.LeftButton, pos=QPoint(round(start), y))
    for k in range(1, 6):
        qtbot.mouseMove(plot, QPoint(round(start + (end - start) * k / 5), y))
    qtbot.mouseRelease(plot, Qt.LeftButton, pos=QPoint(round(end), y))


def live(dock, band):
    layer = dock.bands.layer(band.identifier)
    return None if layer is None else np.asarray(layer.data)


def test_a_band_is_drawn_moved_and_resized(dock, wait_for, qtbot, space, viewer):
    scale = dock.plot.scale()
    left, right = scale.left + 100, scale.left + 200
    drag(qtbot, dock.plot, left, right)
    (band,) = dock.session.bands
    assert band.t1 == pytest.approx(scale.t(left))
    assert band.t2 == pytest.approx(scale.t(right))
    wait_for(lambda: live(dock, band) is not None)
    layer = dock.bands.layer(band.identifier)
    np.testing.assert_array_equal(layer.data, space.band_pass(band.t1, band.t2))
    low, high = layer.contrast_limits
    assert low == -high
    np.testing.assert_array_equal(layer.translate, (1, 2))
    assert viewer.layers[0].units == layer.units

    drag(qtbot, dock.plot, right, right + 60)
    (wider,) = dock.session.bands
    assert wider.t1 == band.t1
    assert wider.t2 == pytest.approx(scale.t(right + 60))
    wait_for(lambda: np.array_equal(live(dock, band), space.band_pass(wider.t1, wider.t2)))

    drag(qtbot, dock.plot, (left + right) / 2, (left + right) / 2 + 30)
    (moved,) = dock.session.bands
    assert moved.t1 == pytest.approx(scale.t(left + 30))
    assert moved.t2 == pytest.approx(scale.t(right + 90))


def test_a_band_is_deleted_by_a_key(dock, wait_for, qtbot, viewer):
    drag(qtbot, dock.plot, 150, 250)
    (band,) = dock.session.bands
    wait_for(lambda: live(dock, band) is not None)
    qtbot.keyClick(dock.plot, Qt.Key_Delete)
    assert len(dock.session.bands) == 0
    assert dock.table.rowCount() == 0
    wait_for(lambda: len(viewer.layers) == 1)


def test_the_menu_of_a_band(dock, qtbot):
    scale = dock.plot.scale()
    band = dock.session.bands.add(scale.t(150), scale.t(250))

    def choose(text):
        spot = QPoint(200, 60)
        event = QContextMenuEvent(QContextMenuEvent.Mouse, spot, dock.plot.mapToGlobal(spot))
        dock.plot.contextMenuEvent(event)
        menu = dock.plot.findChildren(QMenu)[-1]
        next(action for action in menu.actions() if action.text() == text).trigger()
        menu.close()
        qtbot.wait(20)

    choose("Show the rest")
    assert not dock.session.bands[0].keep
    choose("Show the band")
    assert dock.session.bands[0].keep
    choose("Name ...")
    assert dock.table.state() == dock.table.EditingState
    choose("Delete")
    assert dock.session.bands.row(band.identifier) is None


def test_a_click_is_no_band(dock, qtbot):
    qtbot.mouseClick(dock.plot, Qt.LeftButton, pos=QPoint(300, 60))
    assert len(dock.session.bands) == 0


def test_the_cursor_is_the_time(dock, qtbot):
    scale = dock.plot.scale()
    start = scale.x(dock.session.t)
    drag(qtbot, dock.plot, start, start + 50)
    assert dock.session.t == pytest.approx(scale.t(round(start + 50)), rel=0.05)
    below = dock.plot.height() - 10
    qtbot.mouseClick(dock.plot, Qt.LeftButton, pos=QPoint(200, below))
    assert dock.session.t == pytest.approx(scale.t(200))
    assert len(dock.session.bands) == 0


def test_both_docks_share_the_time(dock, open_flow):
    flow = open_flow()
    assert flow.session is dock.session
    flow.time.slider.setValue(500)
    assert dock.session.t == pytest.approx(flow.time.number.value())
    assert flow.session.bands is dock.session.bands


def test_bands_are_typed(dock, wait_for, space):
    dock.buttons.add.menu().actions()[2].trigger()
    table = dock.table
    table.item(0, band_view.NAME).setText("mine")
    table.item(0, band_view.FROM).setText("2")
    table.item(0, band_view.TO).setText("50")
    (band,) = dock.session.bands
    assert (band.name, band.t1, band.t2) == ("mine", 2.0, 50.0)
    table.cellWidget(0, band_view.SHOW).setCurrentIndex(1)
    (band,) = dock.session.bands
    assert not band.keep
    wait_for(lambda: np.array_equal(live(dock, band), band_image(space, band)))
    assert dock.bands.layer(band.identifier).name == "mine"
    np.testing.assert_array_equal(
        dock.bands.layer(band.identifier).contrast_limits,
        dock.session.layer.contrast_limits,
    )


@pytest.mark.parametrize("text", ["70", "nan", "much"])
def test_a_wrong_time_is_one_sentence(dock, text):
    dock.session.bands.add(10, 60)
    dock.table.item(0, band_view.FROM).setText(text)
    assert dock.session.bands[0].t1 == 10
    assert "type" in dock.run.text.text()
    assert dock.table.item(0, band_view.FROM).text() == "10.0"


def test_filters(dock, wait_for, space):
    t = dock.session.t
    for name in ("low-pass", "high-pass", "band-stop"):
        dock.buttons.add_filter(name)
    low, high, stop = dock.session.bands
    wait_for(lambda: all(live(dock, band) is not None for band in (low, high, stop)))
    np.testing.assert_array_equal(live(dock, low), space.low_pass(t))
    np.testing.assert_allclose(live(dock, high), space.high_pass(t), atol=1e-4)
    np.testing.assert_allclose(live(dock, stop), space.band_stop(t / 2, 2 * t), atol=1e-3)
    assert (low.t2, high.t1) == (math.inf, 0.0)


@pytest.mark.parametrize("name", ["noise", "texture", "scales"])
def test_presets(dock, wait_for, name):
    dock.buttons.use_preset(name)
    bands = list(dock.session.bands)
    wait_for(lambda: all(live(dock, band) is not None for band in bands))
    if name != "noise":
        total = sum(live(dock, band) for band in bands)
        start = 0.0 if bands[0].t1 == 0 else bands[0].t1
        expected = dock.session.entry.space.low_pass(start) if start else dock.session.layer.data
        np.testing.assert_allclose(total, expected, atol=1e-2)


def test_bands_are_saved_and_loaded(dock, tmp_path, monkeypatch, qtbot):
    path = str(tmp_path / "bands.json")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (path, ""))
    dock.buttons.use_preset("scales")
    before = list(dock.session.bands)
    qtbot.mouseClick(dock.buttons.save, Qt.LeftButton)
    dock.session.bands.reset()
    qtbot.mouseClick(dock.buttons.load, Qt.LeftButton)
    assert list(dock.session.bands) == before
    (tmp_path / "bands.json").write_text("{}")
    qtbot.mouseClick(dock.buttons.load, Qt.LeftButton)
    assert "holds no bands" in dock.run.text.text()
    assert list(dock.session.bands) == before


def test_bands_of_the_whole_layer(viewer, open_spectrum, wait_for, stack):
    viewer.add_image(stack, name="cells")
    dock = open_spectrum()
    wait_for(lambda: dock.session.scale is not None)
    assert not dock.run.button.isEnabled()
    dock.session.bands.add(0, 20, "fine")
    dock.session.bands.add(20, math.inf, "coarse")
    dock.run.press()
    wait_for(lambda: dock.run.job is None)
    fine, coarse = (viewer.layers[f"cells | {name}"] for name in ("fine", "coarse"))
    np.testing.assert_allclose(fine.data + coarse.data, stack, atol=1e-3)
    assert fine.metadata["napari_tvflow"]["t2"] == 20


def test_a_deleted_layer_is_a_deleted_band(dock, wait_for, viewer):
    band = dock.session.bands.add(2, 20)
    wait_for(lambda: live(dock, band) is not None)
    viewer.layers.remove(dock.bands.layer(band.identifier))
    wait_for(lambda: len(dock.session.bands) == 0)


def test_bands_of_a_stack_are_hidden_until_their_slice_is_there(
    viewer, open_spectrum, wait_for, stack
):
    viewer.add_image(stack)
    dock = open_spectrum()
    viewer.dims.set_current_step(0, 0)
    wait_for(lambda: dock.session.entry.is_finished)
    band = dock.session.bands.add(2, 20)
    wait_for(lambda: live(dock, band) is not None)
    viewer.dims.set_current_step(0, 1)
    dock.tick()
    layer = dock.bands.layer(band.identifier)
    assert not layer.visible
    wait_for(lambda: layer.visible and dock.session.entry.is_finished)
    expected = scale_space(stack[1].astype(np.float32), tol=5e-3).band_pass(2, 20)
    wait_for(lambda: np.array_equal(layer.data[1], expected))


def test_the_layers_can_be_hidden_together(dock, wait_for):
    band = dock.session.bands.add(2, 20)
    wait_for(lambda: live(dock, band) is not None)
    dock.show_layers.setChecked(False)
    wait_for(lambda: not dock.bands.layer(band.identifier).visible)
    dock.show_layers.setChecked(True)
    wait_for(lambda: dock.bands.layer(band.identifier).visible)


def test_closing_the_dock_removes_its_layers(dock, wait_for, viewer):
    band = dock.session.bands.add(2, 20)
    wait_for(lambda: live(dock, band) is not None)
    viewer.window.remove_dock_widget(dock)
    assert [layer.name for layer in viewer.layers] == ["face"]


def test_the_theme(dock, viewer, qtbot):
    dark = dock.plot.grab().toImage().pixelColor(3, 3).lightness()
    viewer.theme = "light"
    qtbot.wait(50)
    assert dock.plot.grab().toImage().pixelColor(3, 3).lightness() > dark + 100


def test_the_plot_is_drawn(dock):
    """The curve, a band and the cursor are there in their colours."""
    dock.session.bands.reset([Band("a", 1.0, 100.0, color="#ff0000")])
    image = dock.plot.grab().toImage()
    ratio = image.width() / dock.plot.width()
    x = round((dock.plot.scale().x(1.0)) * ratio)
    colors = [image.pixelColor(x + k, image.height() // 2) for k in (-1, 0, 1)]
    assert any(color.red() > 200 and color.blue() < 120 for color in colors)
