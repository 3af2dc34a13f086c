"""The plugin's results for scripts and other plugins, without Qt and without a window.

Every function takes an image layer and returns layers as napari takes them from plugins: tuples of
data, attributes and type, for ``Layer.create(*tuple)`` or ``viewer.add_layer``. The layer is never
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from napari_tvflow.model.axis_roles import Role
from napari_tvflow.model.band_files import load_bands, save_bands
from napari_tvflow.model.bands import Band
from napari_tvflow.model.jobs import Watch
from napari_tvflow.model.layer_check import UnusableImage, why_unusable
from napari_tvflow.model.run import run, run_bands
from napari_tvflow.model.settings import DRAFT, EXACT, IMAGE, REMOVED, SPACE, FlowSettings
from napari_tvflow.model.task import LayerTuple, Task

__all__ = [
    "Band",
    "UnusableImage",
    "band_layers",
    "flow_layer",
    "load_bands",
    "save_bands",
    "scale_space_layer",
]

Callback = Callable[[float], bool | None]


def flow_layer(
    layer: Any,
    t: float,
    *,
    draft: bool = False,
    removed: bool = False,
    roles: Sequence[str] | None = None,
    mask: Any = None,
    callback: Callback | None = None,
    **settings: Any,
) -> LayerTuple:
    """The total variation flow of an image layer at a time.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    t : float
        The time, in values times the smallest distance between pixels.
    draft : bool, optional
        Whether an accuracy of about 40 dB is enough.
    removed : bool, optional
        Whether to return what has vanished by then instead of what is left.
    roles : sequence of str, optional
        The meaning of every axis but that of RGB: "plane" for the last two, and before them
        "separate images", "time", "depth of a volume" or "channels". Guessed from the axis labels
        by default.
    mask : array-like, optional
        Where it is not 0 the image is data; nothing flows out of it, and the rest stays as it is.
    callback : callable, optional
        ``callback(fraction)`` is told how far the work is; returning True stops it by an exception.
    **settings : dict
        `method`, `tol`, `device` and `coupled`, as in the dock.

    Returns
    -------
    tuple
        Data, attributes and "image". The attributes keep scale, units, colormap and so on, and
        tell in ``metadata["napari_tvflow"]`` how the result came about.

    Raises
    ------
    UnusableImage
        If the layer has no flow; the message says what to choose.

    Examples
    --------
    >>> import numpy as np
    >>> from napari.layers import Image
    >>> from napari_tvflow.functions import flow_layer
    >>> step = Image(np.repeat([[0.0, 1.0]], 4, axis=1).repeat(2, axis=0), scale=(0.5, 0.5))
    >>> data, attributes, kind = flow_layer(step, t=1.0)
    >>> data[0].round(2)
    array([0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75])
    >>> attributes["scale"]
    array([0.5, 0.5])
    """
    output = REMOVED if removed else IMAGE
    task = _task(layer, t, roles, mask, draft=draft, output=output, **settings)
    return run(task, Watch(callback)).layers[0]


def scale_space_layer(
    layer: Any,
    *,
    draft: bool = False,
    roles: Sequence[str] | None = None,
    callback: Callback | None = None,
    **settings: Any,
) -> LayerTuple:
    """The flow of an image layer at many times, as a lazy layer with an axis of t in front.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    draft, roles, callback : optional
        As for `flow_layer`.
    **settings : dict
        `n_times`, `tol`, `device` and `coupled`, as in the dock.

    Returns
    -------
    tuple
        Data, attributes and "image". The data is a dask array, whose frames are computed when they
        are shown; ``metadata["napari_tvflow"]["times"]`` has their times.

    Raises
    ------
    UnusableImage
        If the layer has no flow; the message says what to choose.
    """
    task = _task(layer, 0.0, roles, None, draft=draft, output=SPACE, **settings)
    return run(task, Watch(callback)).layers[0]


def band_layers(
    layer: Any,
    bands: Iterable[Band],
    *,
    draft: bool = False,
    roles: Sequence[str] | None = None,
    callback: Callback | None = None,
    **settings: Any,
) -> list[LayerTuple]:
    """Bands of the spectrum of an image layer.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    bands : iterable of Band
        Bands, such as ``Band("texture", 0.1, 0.5)`` or those of a file, `load_bands`.
    draft, roles, callback : optional
        As for `flow_layer`.
    **settings : dict
        `tol`, `device` and `coupled`, as in the dock.

    Returns
    -------
    list of tuple
        Data, attributes and "image" for each band.

    Raises
    ------
    UnusableImage
        If the layer has no flow; the message says what to choose.
    """
    task = _task(layer, 0.0, roles, None, draft=draft, **settings)
    return run_bands(task, list(bands), Watch(callback)).layers


def _task(
    layer: Any,
    t: float,
    roles: Sequence[str] | None,
    mask: Any,
    *,
    draft: bool,
    **settings: Any,
) -> Task:
    problem = why_unusable(layer)
    if problem is not None:
        raise UnusableImage(problem)
    chosen = FlowSettings(quality=DRAFT if draft else EXACT, **settings)
    meaning = None if roles is None else tuple(map(Role, roles))
    return Task.of(layer, t, chosen, meaning, mask)
