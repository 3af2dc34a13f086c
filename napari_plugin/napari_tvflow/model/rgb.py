"""Values of RGB layers, which napari shows as they are."""

from __future__ import annotations

import numpy as np

from napari_tvflow.model.source import Source


def displayable(image: np.ndarray, source: Source, signed: bool = False) -> np.ndarray:
    """
    Bring an image of an RGB layer into the range and the dtype of the layer.

    Parameters
    ----------
    image : numpy.ndarray
        The image.
    source : Source
        Where it comes from.
    signed : bool, optional
        Whether its values lie around 0, which is then shown as middle grey.

    Returns
    -------
    numpy.ndarray
        The image; without RGB it is not changed.
    """
    if not source.rgb:
        return image
    kind = np.dtype(str(source.data.dtype))
    integer = np.issubdtype(kind, np.integer)
    white = float(np.iinfo(kind).max) if integer else 1.0
    shown = np.clip(image + white / 2 if signed else image, 0, white)
    return np.rint(shown).astype(kind) if integer else shown.astype(kind)
