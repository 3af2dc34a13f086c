"""The image of a band, of the visible slice or of a whole image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_tvflow.model.bands import Band


def band_image(space: Any, band: Band, region: Any = ...) -> np.ndarray:
    """
    Compute what vanishes in a band, or the image without it.

    Parameters
    ----------
    space : ScaleSpace
        The flow.
    band : Band
        The band.
    region : index, optional
        The part of the image that is needed.

    Returns
    -------
    numpy.ndarray
        ``low_pass(t1) - low_pass(t2)``, or the image minus this.
    """
    image = space(0.0, region)
    from_first = image if band.t1 == 0 else space.low_pass(band.t1, region)
    kept = from_first if math.isinf(band.t2) else from_first - space.low_pass(band.t2, region)
    return kept if band.keep else image - kept


def symmetric_limits(image: np.ndarray) -> tuple[float, float]:
    """
    Choose contrast limits around 0, so that 0 is the middle grey.

    Parameters
    ----------
    image : numpy.ndarray
        The values of a band.

    Returns
    -------
    tuple of float
        The 99.5th percentile of the absolute values, with both signs.
    """
    values = np.abs(image).ravel()
    most = float(np.percentile(values[:: max(1, values.size // 65536)], 99.5))
    most = most or float(values.max()) or 1.0
    return -most, most
