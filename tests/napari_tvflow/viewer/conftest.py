"""Viewers and docks for tests that need a screen, real or by xvfb-run."""

import os
import sys

import pytest

if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    # Qt would abort the whole process.
    raise pytest.UsageError("These tests need a screen: run them by make test, or by xvfb-run -a.")

from napari_tvflow.widgets.flow_dock import FlowDock
from napari_tvflow.widgets.spectrum_dock import SpectrumDock

SECONDS = 60_000


@pytest.fixture
def viewer(make_napari_viewer, request):
    """Open a viewer; for tests marked `unseen` without painting it.

    napari 0.9.2 with vispy 0.17 and Mesa 22 crashes in glDrawArrays when a layer is added after the
    oldest one was removed, without any plugin: tests that do so are not painted.
    """
    return make_napari_viewer(show=request.node.get_closest_marker("unseen") is None)


@pytest.fixture
def open_flow(viewer):
    """Return a function that opens the flow dock as napari does."""

    def open_dock():
        dock = FlowDock(viewer)
        viewer.window.add_dock_widget(dock, name="TV flow", area="right")
        return dock

    return open_dock


@pytest.fixture
def open_spectrum(viewer):
    """Return a function that opens the spectrum dock as napari does."""

    def open_dock():
        dock = SpectrumDock(viewer)
        viewer.window.add_dock_widget(dock, name="Spectrum", area="bottom")
        return dock

    return open_dock


@pytest.fixture
def wait_for(qtbot):
    """Return a function that lets Qt work until a condition holds."""
    return lambda condition: qtbot.waitUntil(condition, timeout=SECONDS)
