"""A scale space as a layer with an axis of t, whose frames are computed when they are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import numpy as np

from napari_tvflow.model.layer_kwargs import with_time_axis
from napari_tvflow.model.place import kind_of_result
from napari_tvflow.model.rgb import displayable
from napari_tvflow.model.settings import SPACE
from napari_tvflow.model.task import LayerTuple, Task
from napari_tvflow.model.time_scale import FIRST


def lazy_layer(task: Task, spaces: Mapping[tuple[int, ...], Any]) -> tuple[LayerTuple, float]:
    """
    Make a layer of the scale spaces of all images of a layer.

    Parameters
    ----------
    task : Task
        The layer, and how many times.
    spaces : mapping
        The scale space of each image.

    Returns
    -------
    layer : tuple
        A layer of shape (t, *shape); its metadata has the times.
    error : float
        The largest estimated error at these times.
    """
    end = max(float(space.times[-1]) for space in spaces.values())
    times = frame_times(end, task.settings.n_times)
    error = max(float(np.max(space.error_estimate(times))) for space in spaces.values())
    data = lazy_frames(task, spaces, times)
    spatial = with_time_axis(task.spatial, len(task.source.roles))
    lazy = dataclasses.replace(task, spatial=spatial)
    facts = {"times": times.tolist(), "error_estimate": error}
    return lazy.layer(data, "TV scale space", output=SPACE, **facts), error


def frame_times(end: float, n: int) -> np.ndarray:
    """
    Choose the times of the frames: 0, and then geometric ones up to extinction.

    Parameters
    ----------
    end : float
        The extinction time.
    n : int
        How many.

    Returns
    -------
    numpy.ndarray
        Increasing times.
    """
    # The frames before a hundredth of the range look like the image.
    return np.concatenate([[0.0], np.geomspace(10 * FIRST * end, end, n - 1)])


def lazy_frames(task: Task, spaces: Mapping[tuple[int, ...], Any], times: np.ndarray) -> Any:
    """
    Make a dask array of the flow, one chunk for each image and time.

    Parameters
    ----------
    task : Task
        The layer.
    spaces : mapping
        The scale space of each image.
    times : numpy.ndarray
        The times.

    Returns
    -------
    dask.array.Array
        Of shape (len(times), *shape).
    """
    import dask.array as da

    source = task.source
    shape = (*source.shape, 3) if source.rgb else source.shape
    pixel = next(iter(spaces.values()))(0.0, (0,) * len(source.item_axes))
    kind = kind_of_result(task, pixel.dtype)
    chunks = [(1,) * len(times)]
    for axis, n in enumerate(shape):
        chunks.append((1,) * n if axis in source.separate_axes else (n,))

    def frame(block_id: tuple[int, ...]) -> np.ndarray:
        key = tuple(block_id[1 + axis] for axis in source.separate_axes)
        image = displayable(spaces[key](float(times[block_id[0]])), source)
        size = [1, *(1 if a in source.separate_axes else n for a, n in enumerate(shape))]
        return image.reshape(size)

    # Without a name dask would hash the spaces, which takes as long as computing them.
    return da.map_blocks(
        frame, chunks=tuple(chunks), dtype=kind, name=f"tvflow-{uuid4()}", meta=np.empty(0, kind)
    )
