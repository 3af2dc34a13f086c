"""The entries of napari's Layers menus: they run on sensible defaults, without a dialog."""

from collections.abc import Callable
from typing import Any

import napari.layers
import napari.viewer

from napari_tvflow.model.band_files import preset
from napari_tvflow.model.jobs import Job, Watch
from napari_tvflow.model.layer_check import UnusableImage, why_unusable
from napari_tvflow.model.preview_flag import is_preview
from napari_tvflow.model.remove_noise import remove_noise_of
from napari_tvflow.model.run import Outcome, run, run_bands
from napari_tvflow.model.settings import IMAGE, SPACE, preferred_settings
from napari_tvflow.model.task import Task
from napari_tvflow.model.time_scale import contrast_of


def remove_noise(layer: napari.layers.Layer, viewer: napari.viewer.Viewer) -> None:
    """
    Remove the noise of an image, whose strength is estimated.

    Parameters
    ----------
    layer : napari.layers.Layer
        The active layer.
    viewer : napari.viewer.Viewer
        Where the result is added.
    """
    _start(layer, viewer, "removing noise", remove_noise_of)


def structure_and_texture(layer: napari.layers.Layer, viewer: napari.viewer.Viewer) -> None:
    """
    Divide an image into its structure and its texture.

    Parameters
    ----------
    layer : napari.layers.Layer
        The active layer.
    viewer : napari.viewer.Viewer
        Where the results are added.
    """
    _start(layer, viewer, "structure and texture", _bands_of("texture"))


def show_bands(layer: napari.layers.Layer, viewer: napari.viewer.Viewer) -> None:
    """
    Take an image apart into bands of one size each.

    Parameters
    ----------
    layer : napari.layers.Layer
        The active layer.
    viewer : napari.viewer.Viewer
        Where the results are added.
    """
    _start(layer, viewer, "bands", _bands_of("scales"))


def simplify(layer: napari.layers.Layer, viewer: napari.viewer.Viewer) -> None:
    """
    Remove all structures of up to three pixels.

    Parameters
    ----------
    layer : napari.layers.Layer
        The active layer.
    viewer : napari.viewer.Viewer
        Where the result is added.
    """
    _start(layer, viewer, "simplifying", _simplified)


def show_scale_space(layer: napari.layers.Layer, viewer: napari.viewer.Viewer) -> None:
    """
    Add the flow at many times as a layer with an axis of t.

    Parameters
    ----------
    layer : napari.layers.Layer
        The active layer.
    viewer : napari.viewer.Viewer
        Where the result is added.
    """
    _start(layer, viewer, "scale space", run)


def _start(layer: Any, viewer: Any, title: str, work: Callable[[Task, Watch], Outcome]) -> None:
    # Qt is needed only here: the functions above are imported with the menus.
    from napari.utils.notifications import show_info

    from napari_tvflow.widgets.background import Background

    problem = why_unusable(layer)
    if problem is None and is_preview(layer):
        problem = f"'{layer.name}' is a preview: choose the layer that it was made from."
    if problem is not None:
        show_info(problem)
        return
    output = SPACE if work is run else IMAGE
    task = Task.of(layer, 0.0, preferred_settings().change(output=output))

    def begin(job: Job) -> Outcome:
        return work(task, job)

    Background(viewer, begin, f"TV flow of {layer.name}: {title}").start()


def _bands_of(name: str) -> Callable[[Task, Watch], Outcome]:
    def work(task: Task, watch: Watch) -> Outcome:
        from skimage_tvflow import extinction_time
        from skimage_tvflow.applications import noise_level

        image, parameters = _first_image(task)
        channels = parameters.get("channel_axis")
        end = float(extinction_time(image, rtol=0.1, callback=watch.part(0, 0.05), **parameters))
        contrast = contrast_of(image, channels, task.source.coupled)
        sigma = noise_level(image, channel_axis=channels)
        n = task.source.n_spatial
        bands = preset(name, contrast=contrast, sigma=sigma, extinction=end, n_spatial=n)
        return run_bands(task, bands, watch)

    return work


def _simplified(task: Task, watch: Watch) -> Outcome:
    image, parameters = _first_image(task)
    contrast = contrast_of(image, parameters.get("channel_axis"), task.source.coupled)
    # A structure of radius 3 and full contrast vanishes at this time.
    return run(task.at(3.0 * contrast / task.source.n_spatial), watch)


def _first_image(task: Task) -> tuple[Any, dict[str, Any]]:
    """The first image that is not constant, which tells what is noise and what is large."""
    for key in task.source.images():
        image = task.source.read(key)
        if image.min() != image.max():
            return image, task.source.parameters()
    raise UnusableImage(f"'{task.source.name}' is constant: choose another layer.")
