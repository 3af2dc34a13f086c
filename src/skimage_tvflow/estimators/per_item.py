"""Times of its own for every item of a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from skimage_tvflow.core.frames import Frames
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times

# Integrates some items of an input.
Integrate = Callable[[FlowInput, slice], Iterator[Frames]]


def transform_each(
    flow_input: FlowInput, t: Any, integrate: Integrate, warn: Callable[[Frames], None]
) -> Any:
    """
    Compute the flow of every item at times of its own.

    Parameters
    ----------
    flow_input : FlowInput
        The image.
    t : array-like of shape (T, B)
        The times, a column for each item.
    integrate : callable
        Computes the frames of some items.
    warn : callable
        Is given the last frames of every item.

    Returns
    -------
    array of shape (T, *image.shape)
        The flow.

    Raises
    ------
    ValueError
        If there is no batch axis, or not a column for each item.
    """
    axes, times = flow_input.axes, np.asarray(t)
    if axes.batch_shape != times.shape[1:]:
        found = f"{axes.batch_shape[0]} items" if axes.batch_shape else "no batch_axis"
        raise ValueError(
            f"t has shape {times.shape}, a column of times for each item of a batch, and the image "
            f"has {found}. Pass t of shape (T, B) with batch_axis=0 for B items, or a row of times."
        )
    n_each = len(flow_input.image) // times.shape[1]
    u = flow_input.image.new_empty((len(times), *flow_input.image.shape))
    for k, column in enumerate(times.T.astype(np.float64)):
        one = dataclasses.replace(flow_input, times=resolve_times(column))
        items = slice(k * n_each, (k + 1) * n_each)
        reached: list[torch.Tensor] = []
        for frames in integrate(one, items):
            reached += list(frames.u.transpose(0, 1).clone())
        warn(frames)
        for m, at in enumerate(one.times.order):
            u[m][items] = reached[at]
    return flow_input.frame(u)
