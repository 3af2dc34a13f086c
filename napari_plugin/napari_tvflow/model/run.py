"""The work of Run, in a worker or in a script: from a task to new layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_tvflow.model.band_image import band_image, symmetric_limits
from napari_tvflow.model.bands import Band
from napari_tvflow.model.jobs import Watch
from napari_tvflow.model.layer_check import check_values
from napari_tvflow.model.lazy_space import lazy_layer
from napari_tvflow.model.place import kind_of_result, put
from napari_tvflow.model.rgb import displayable
from napari_tvflow.model.settings import REMOVED, SPACE
from napari_tvflow.model.solve import solve_item, space_of_item
from napari_tvflow.model.task import LayerTuple, Task
from napari_tvflow.model.time_scale import number


@dataclass(frozen=True)
class Outcome:
    """
    What Run has found.

    Attributes
    ----------
    layers : list of tuple
        New layers, as napari takes them from plugins.
    error : float
        The largest estimated RMS error of an image, in its values; NaN if unknown.
    bound : float
        The largest rigorous bound of it; NaN if there is none.
    """

    layers: list[LayerTuple]
    error: float = float("nan")
    bound: float = float("nan")

    @property
    def text(self) -> str:
        """Error and bound for the user; nothing if both are unknown."""
        parts = []
        if np.isfinite(self.error):
            parts.append(f"error about {number(self.error)}")
        if np.isfinite(self.bound):
            parts.append(f"certainly at most {number(self.bound)}")
        return ", ".join(parts) + (" (RMS, in values of the image)" if parts else "")


def run(task: Task, watch: Watch) -> Outcome:
    """
    Compute what a task asks for, on the whole layer.

    Parameters
    ----------
    task : Task
        What to compute.
    watch : Watch
        Is told how far the work is, and whether to stop.

    Returns
    -------
    Outcome
        New layers.
    """
    watch.stage = "loading the solver"
    if task.settings.output == SPACE:
        return _run_space(task, watch)
    source, keys = task.source, list(task.source.images())
    first = source.read(keys[0])
    out = np.empty(source.data.shape, kind_of_result(task, first.dtype))
    errors, bounds = [], []
    for k, key in enumerate(keys):
        watch.stage = "computing" if len(keys) == 1 else f"image {k + 1} of {len(keys)}"
        image = first if k == 0 else source.read(key)
        share = watch.part(k / len(keys), (k + 1) / len(keys))
        u, error, bound = _flow_or_constant(task, image, share, watch, task.mask_of(key))
        errors.append(error)
        bounds.append(bound)
        if task.settings.output == REMOVED:
            u = image - u
        put(task, out, key, u)
    name, look = f"TV flow t={number(task.t)}", task.look
    if task.settings.output == REMOVED:
        name = f"removed by t={number(task.t)}"
        if not source.rgb:
            limits = symmetric_limits(out[source.index(keys[0])])
            look = {"colormap": "gray", "contrast_limits": limits}
    error, bound = float(np.max(errors)), float(np.max(bounds))
    facts = {"t": task.t, "error_estimate": error, "error_bound": bound}
    layer = task.layer(out, name, output=task.settings.output, look=look, **facts)
    return Outcome([layer], error, bound)


def run_bands(task: Task, bands: list[Band], watch: Watch) -> Outcome:
    """
    Compute bands of the whole layer.

    Parameters
    ----------
    task : Task
        The layer and how to compute.
    bands : list of Band
        The bands.
    watch : Watch
        Is told how far the work is, and whether to stop.

    Returns
    -------
    Outcome
        A layer for each band.
    """
    watch.stage = "loading the solver"
    source, keys = task.source, list(task.source.images())
    shape = (*source.shape, 3) if source.rgb else source.shape
    kind = kind_of_result(task, np.dtype(np.float32))
    found = [np.zeros(shape, kind) for _ in bands]
    for k, key in enumerate(keys):
        watch.stage = "computing" if len(keys) == 1 else f"image {k + 1} of {len(keys)}"
        share = watch.part(k / len(keys), (k + 1) / len(keys))
        space = space_of_item(task, source.read(key), share, watch)
        for out, band in zip(found, bands):
            image = band_image(space, band)
            out[source.index(key)] = displayable(image, source, band.is_symmetric)
    layers = [
        task.layer(
            out,
            band.name,
            output="band",
            look=band_look(task, out, band),
            t1=band.t1,
            t2=band.t2,
            keep=band.keep,
        )
        for out, band in zip(found, bands)
    ]
    return Outcome(layers)


def band_look(task: Task, image: np.ndarray, band: Band) -> dict[str, Any]:
    """
    Choose how a band is shown.

    Parameters
    ----------
    task : Task
        The layer.
    image : numpy.ndarray
        The band.
    band : Band
        Its ends.

    Returns
    -------
    dict
        Symmetric contrast limits around 0, or the look of the layer for a band with the mean.
    """
    if task.source.rgb:
        return {"rgb": True}
    if not band.is_symmetric:
        return task.look
    return {"contrast_limits": symmetric_limits(image), "colormap": "gray"}


def _run_space(task: Task, watch: Watch) -> Outcome:
    spaces, keys = {}, list(task.source.images())
    for k, key in enumerate(keys):
        watch.stage = "computing" if len(keys) == 1 else f"image {k + 1} of {len(keys)}"
        share = watch.part(k / len(keys), (k + 1) / len(keys))
        spaces[key] = space_of_item(task, task.source.read(key), share, watch)
    layer, error = lazy_layer(task, spaces)
    return Outcome([layer], error)


def _flow_or_constant(
    task: Task, image: np.ndarray, share: Any, watch: Watch, mask: np.ndarray | None
) -> tuple[np.ndarray, float, float]:
    """The flow; a constant image of a stack stays as it is, and does not stop the others."""
    data = image if mask is None else image[mask]
    is_flat = not data.size or data.min() == data.max()
    if is_flat and (len(task.source.separate_axes) or not data.size):
        return image, 0.0, 0.0
    check_values(data, task.source.name)
    found = solve_item(task, image, share, mask)
    watch.check()
    return found
