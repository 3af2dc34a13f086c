"""The manifest in napari: docks, menus, samples, preferences; and the command line."""

import os
import subprocess
import sys

import numpy as np
import pytest
from npe2 import PluginManifest
from skimage import data, io

from napari_tvflow import menus
from napari_tvflow.model.settings import preferred_settings
from napari_tvflow.widgets import background

NAME = "skimage-tvflow"


@pytest.fixture
def plugin(npe2pm):
    """Register the plugin by its entry point, as napari does."""
    manifest = PluginManifest.from_distribution(NAME)
    npe2pm.register(manifest)
    return manifest


def finish(wait_for):
    wait_for(lambda: not background._active)


def test_docks_open_from_the_plugins_menu(plugin, make_napari_viewer, wait_for):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(data.camera()[::8, ::8])
    docks = []
    for title in ("Total variation flow", "TV spectrum and bands"):
        _, widget = viewer.window.add_plugin_dock_widget(NAME, title)
        docks.append(widget)
    wait_for(lambda: docks[0].preview.layer is not None)
    assert docks[0].session is docks[1].session


@pytest.mark.parametrize("action", ["remove_noise", "simplify"])
def test_filters(viewer, wait_for, stack, action):
    layer = viewer.add_image(stack, name="cells", scale=(1, 0.5, 0.5), axis_labels=("t", "y", "x"))
    getattr(menus, action)(layer, viewer)
    finish(wait_for)
    assert len(viewer.layers) == 2
    new = viewer.layers[-1]
    assert new.data.shape == stack.shape
    assert new.data.std() < stack.std()
    np.testing.assert_array_equal(new.scale, layer.scale)
    assert new.metadata["napari_tvflow"]["source"] == "cells"


def test_noise_is_removed(viewer, wait_for, photograph):
    noisy = photograph + np.random.default_rng(0).normal(0, 20, photograph.shape)
    menus.remove_noise(viewer.add_image(noisy), viewer)
    finish(wait_for)
    assert np.std(viewer.layers[-1].data - photograph) < 0.8 * np.std(noisy - photograph)


@pytest.mark.parametrize("action", ["structure_and_texture", "show_bands"])
def test_bands_add_up(viewer, wait_for, photograph, action):
    getattr(menus, action)(viewer.add_image(photograph), viewer)
    finish(wait_for)
    new = viewer.layers[1:]
    assert len(new) >= 2
    total = sum(layer.data for layer in new)
    if action == "show_bands":
        np.testing.assert_allclose(total, photograph, atol=1e-2)


def test_the_scale_space(viewer, wait_for, photograph):
    menus.show_scale_space(viewer.add_image(photograph), viewer)
    finish(wait_for)
    assert viewer.layers[-1].data.ndim == 3


def test_what_has_no_flow_is_told(viewer, capsys):
    told = []
    from napari.utils.notifications import notification_manager

    notification_manager.notification_ready.connect(told.append)
    menus.simplify(viewer.add_labels(np.ones((5, 5), int), name="nuclei"), viewer)
    assert "'nuclei' is a labels layer" in told[-1].message
    assert not background._active


def test_a_closed_viewer_stops_the_work(viewer, wait_for):
    menus.show_scale_space(viewer.add_image(np.random.default_rng(0).random((600, 600))), viewer)
    (work,) = background._active
    viewer.close()
    wait_for(lambda: not background._active)
    assert work.job.wait(10)


def test_samples(plugin, make_napari_viewer):
    viewer = make_napari_viewer()
    for sample in plugin.contributions.sample_data:
        viewer.open_sample(NAME, sample.key)
    assert {layer.name for layer in viewer.layers} >= {"coins", "discs", "balls"}


def test_preferences(plugin, plugin_settings):
    from napari.settings import get_plugin_settings

    assert preferred_settings().tol == 1e-3
    page = get_plugin_settings(NAME).flow
    page.tolerance = 0.02
    page.quality = "draft"
    page.third_axis = "depth of a volume"
    settings = preferred_settings()
    assert (settings.tol, settings.quality) == (0.02, "draft")
    assert settings.stack == "depth of a volume"


@pytest.mark.parametrize("dock", [[], ["Total variation flow"]])
def test_the_command_line(tmp_path, dock):
    """``napari IMAGE -w skimage-tvflow`` opens the image and a dock."""
    io.imsave(tmp_path / "image.png", data.camera()[::4, ::4], check_contrast=False)
    # What napari -m runs in its event loop cannot be seen from outside, so it is asked from within.
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, time, os\n"
        "def look():\n"
        "    from qtpy.QtCore import QTimer\n"
        "    import napari\n"
        "    for _ in range(600):\n"
        "        time.sleep(0.1)\n"
        "        viewer = napari.current_viewer()\n"
        "        if viewer and any('preview' in layer.name for layer in viewer.layers):\n"
        "            print([layer.name for layer in viewer.layers], flush=True)\n"
        "            os._exit(0)\n"
        "    os._exit(1)\n"
        "threading.Thread(target=look, daemon=True).start()\n"
    )
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "NAPARI_CONFIG": str(tmp_path / "napari.yaml"),
    }
    command = [sys.executable, "-m", "napari", str(tmp_path / "image.png"), "-w", NAME, *dock]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert "['image', 'image | preview']" in done.stdout
