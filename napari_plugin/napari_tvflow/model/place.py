"""Where the flow of one image belongs in the result for a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_tvflow.model.rgb import displayable
from napari_tvflow.model.settings import REMOVED
from napari_tvflow.model.task import Task


def kind_of_result(task: Task, dtype: np.dtype[Any]) -> Any:
    """
    Choose the dtype of a result: RGB keeps its own, as napari shows it as it is.

    Parameters
    ----------
    task : Task
        What is computed.
    dtype : numpy.dtype
        That of the flow.

    Returns
    -------
    numpy.dtype
        That of the result.
    """
    return np.dtype(str(task.source.data.dtype)) if task.source.rgb else dtype


def put(task: Task, out: np.ndarray, key: tuple[int, ...], u: np.ndarray) -> None:
    """
    Write the flow of one image where it belongs; alpha and what is masked stay as they are.

    Parameters
    ----------
    task : Task
        What is computed.
    out : numpy.ndarray
        The result for the whole layer.
    key : tuple of int
        Which of the separate images.
    u : numpy.ndarray
        Its flow, or what was removed from it.
    """
    source, removed = task.source, task.settings.output == REMOVED
    index = source.index(key)
    view, raw = out[index], np.asarray(source.data[index])
    if source.rgb:
        view[..., 3:] = raw[..., 3:]
        view, raw = view[..., :3], raw[..., :3]
    view[...] = displayable(u, source, signed=removed)
    mask = task.mask_of(key)
    if mask is not None:
        outside = displayable(np.zeros_like(raw, float), source, True) if removed else raw
        keep = mask[..., None] if source.rgb else mask
        view[...] = np.where(keep, view, outside)
