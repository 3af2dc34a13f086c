"""Write pictures of the docks of the napari plugin to docs/images, in dark and in light.

make screenshots runs it, on a display or by xvfb-run.
"""

import os
import tempfile
import time
from pathlib import Path

# The user's own settings of napari are neither read nor changed.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "napari.yaml")

import napari
from qtpy.QtWidgets import QApplication
from skimage import data

from napari_tvflow.samples import noisy_cell
from napari_tvflow.widgets.flow_dock import FlowDock
from napari_tvflow.widgets.spectrum_dock import SpectrumDock

IMAGES = Path(__file__).parent / "images"
SIZE = (1280, 860)


def wait(condition, seconds=120):
    """Let Qt work until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)
        if time.monotonic() > end:
            raise TimeoutError("the docks have not finished")


def rest(seconds):
    """Let Qt work for some time."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def photograph(viewer, theme, name, *, position, preset, shown):
    """Open both docks on the layers of a viewer, and write a picture of the window."""
    viewer.theme = theme
    viewer.window.resize(*SIZE)
    flow, spectrum = FlowDock(viewer), SpectrumDock(viewer)
    viewer.window.add_dock_widget(flow, name="Total variation flow", area="right")
    viewer.window.add_dock_widget(spectrum, name="TV spectrum and bands", area="bottom")
    wait(lambda: flow.session.entry.is_finished and flow.preview.layer is not None)
    flow.time.slider.setValue(position)
    spectrum.buttons.use_preset(preset)
    wait(lambda: not spectrum.bands.refresh_one())
    for band in spectrum.session.bands:
        layer = spectrum.bands.layer(band.identifier)
        layer.visible = band.name == shown
    viewer.reset_view()
    rest(1.0)
    viewer.window.screenshot(
        str(IMAGES / f"napari_{name}_{theme}.png"), canvas_only=False, flash=False
    )
    flow.stop()
    spectrum.stop()
    viewer.close()


def main():
    """Write all pictures."""
    for theme in ("dark", "light"):
        viewer = napari.Viewer()
        viewer.add_image(data.camera(), name="camera")
        photograph(viewer, theme, "photograph", position=640, preset="scales", shown="")
        viewer = napari.Viewer()
        (cell,) = noisy_cell()
        viewer.add_layer(napari.layers.Layer.create(*cell))
        photograph(viewer, theme, "cells", position=560, preset="texture", shown="structure")


if __name__ == "__main__":
    main()
