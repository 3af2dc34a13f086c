"""Which image the viewer shows, and where a result of it belongs in the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_tvflow.model.layer_check import IN_3D
from napari_tvflow.model.source import Source


@dataclass(frozen=True)
class Visible:
    """
    The visible slice of a layer.

    Attributes
    ----------
    key : tuple of int
        Which of the separate images it belongs to.
    region : tuple of int and slice
        The part of that image that is seen.
    shape : tuple of int
        Shape of the data, with the axis of RGB.
    displayed : tuple of int
        The two axes that are seen.
    """

    key: tuple[int, ...]
    region: tuple[Any, ...]
    shape: tuple[int, ...]
    displayed: tuple[int, ...]

    def place(self, image: np.ndarray) -> np.ndarray:
        """
        Repeat an image of the visible slice over the whole layer, without a copy.

        Parameters
        ----------
        image : numpy.ndarray
            The displayed axes in the order of the data, and RGB if the layer has it.

        Returns
        -------
        numpy.ndarray
            A view of the layer's shape, so that all transforms of the layer hold for it.
        """
        n_color = image.ndim - 2
        ndim = len(self.shape) - n_color
        size = [1] * ndim
        for axis, n in zip(sorted(self.displayed), image.shape):
            size[axis] = n
        full = (*self.shape[:ndim], *image.shape[2:])
        return np.broadcast_to(image.reshape(*size, *image.shape[2:]), full)


def visible_slice(viewer: Any, layer: Any, source: Source) -> Visible | str:
    """
    Find the slice that the viewer shows.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    layer : napari.layers.Image
        The layer.
    source : Source
        The layer as the flow sees it.

    Returns
    -------
    Visible or str
        The slice, or one sentence that says why there is none.
    """
    dims = viewer.dims
    if dims.ndisplay == 3:
        return IN_3D
    ndim, extra = layer.ndim, dims.ndim - layer.ndim
    displayed = tuple(int(axis) - extra for axis in dims.displayed)
    hidden = [axis for axis in displayed if axis < 0 or source.roles[axis].is_separate]
    if hidden or displayed[0] == displayed[1]:
        return (
            "The displayed axes belong to several separate images: roll the axes back, or change "
            "their meaning under Axes."
        )
    # Axes that are displayed have no position; their value does not matter here.
    at = layer.world_to_data(dims.point[-ndim:])
    factors = source.factors or (1.0,) * ndim
    index = [round(float(x)) for x in at]
    coarse = [int(k / f) for k, f in zip(index, factors)]
    for axis in range(ndim):
        if axis not in displayed and not 0 <= coarse[axis] < source.shape[axis]:
            return f"'{source.name}' has nothing at this position: move the sliders of the viewer."
    return Visible(
        key=tuple(coarse[axis] for axis in source.separate_axes),
        region=tuple(slice(None) if a in displayed else coarse[a] for a in source.item_axes),
        shape=tuple(source.data.shape),
        displayed=displayed,
    )
