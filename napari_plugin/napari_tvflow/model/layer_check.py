"""One sentence for every layer that has no flow, which says what to choose instead."""

from __future__ import annotations

from typing import Any

import numpy as np

NO_LAYER = (
    "There is no image yet: drag one into the window, or choose File > Open Sample > TV flow."
)
IN_3D = "The preview shows slices: switch the viewer to 2-D (the cube below the layer list)."


class UnusableImage(ValueError):
    """An image that has no flow; the text is one sentence for the user."""


def why_unusable(layer: Any) -> str | None:
    """
    Say why a layer has no flow, as far as this is known without reading its pixels.

    Parameters
    ----------
    layer : napari.layers.Layer or None
        The layer.

    Returns
    -------
    str or None
        One sentence that says what to choose; None for a layer that can be used.
    """
    if layer is None:
        return NO_LAYER
    name, kind = layer.name, type(layer).__name__
    if kind == "Labels":
        return f"'{name}' is a labels layer, and labels have no grey values: choose an image layer."
    if kind != "Image":
        return f"'{name}' is a {kind.lower()} layer: choose an image layer."
    data = layer.data[0] if layer.multiscale else layer.data
    if 0 in data.shape:
        return f"'{name}' has no pixels: choose another image layer."
    if np.dtype(str(data.dtype).removeprefix("torch.")).kind not in "biuf":
        return f"'{name}' has {data.dtype} values: choose a layer of real numbers."
    return None


def check_values(image: np.ndarray, name: str) -> None:
    """
    Check the pixels of an image that was read.

    Parameters
    ----------
    image : numpy.ndarray
        The pixels.
    name : str
        Name of the layer.

    Raises
    ------
    UnusableImage
        If they are not finite, or all the same.
    """
    finite = np.isfinite(image)
    if not finite.all():
        count = int(np.size(image) - np.count_nonzero(finite))
        raise UnusableImage(
            f"'{name}' has {count} pixels here that are NaN or infinite: replace them, for "
            "instance by numpy.nan_to_num, or choose another layer."
        )
    if image.min() == image.max():
        raise UnusableImage(
            f"'{name}' has the same value everywhere here, so nothing can be smoothed: choose "
            "another layer or slice."
        )


def sentence_of(error: Exception) -> str:
    """
    Write one sentence about work that failed.

    Parameters
    ----------
    error : Exception
        What it raised.

    Returns
    -------
    str
        The message of the library, which says what to do.
    """
    if isinstance(error, MemoryError):
        return "There is not enough memory for this layer: crop it, or choose a smaller one."
    return str(error) or f"The flow failed with {type(error).__name__}."
