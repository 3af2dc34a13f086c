"""Structure and texture of an image."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from skimage.filters import threshold_otsu

from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.inputs.numbers import check_number
from skimage_tvflow.spectral.decompose import decompose
from skimage_tvflow.spectral.flow_bands import check_input, flow_bands

# Bands of the spectrum that is divided: enough to see two classes.
_N_BANDS = 32
# Relative error of the flow: less does not show in a picture.
_TOL = 3e-3


@fork_safe()
def separate_texture(
    image: Any,
    t: float | None = None,
    *,
    flow: BaseTVFlow | None = None,
    callback: Callback | None = None,
) -> tuple[Any, Any]:
    """Split an image into its structure and its texture.

    Texture is what vanishes before the time `t` of the flow [1]_. By default Otsu's method chooses
    t: the bands between a thousandth of the extinction time and that time, each weighted by its L1
    norm at the logarithm of its time, are divided into the two classes with the least variance.

    Parameters
    ----------
    image : array-like
        The image.
    t : float, optional
        The time that divides texture from structure, > 0.
    flow : estimator, optional
        ``ChambolleTVFlow(tol=3e-3)`` by default; it knows the axes of the image.

    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.

    Returns
    -------
    tuple of two arrays of shape image.shape
        Structure and texture; their sum is the image.

    Raises
    ------
    ValueError, TypeError
        If the image or `t` is not what it must be.
    StoppedByCallback
        If `callback` returned True.

    References
    ----------
    .. [1] G. Gilboa, "A total variation spectral framework for scale and texture analysis", SIAM
       Journal on Imaging Sciences 7 (2014) 1937-1961.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import separate_texture
    >>> stripes = 0.05 * (np.indices((48, 48)).sum(0) % 2)
    >>> square = np.zeros((48, 48))
    >>> square[12:36, 12:36] = 1
    >>> structure, texture = separate_texture(square + stripes)
    >>> bool(np.std(texture - (stripes - stripes.mean())) < 0.01)
    True
    """
    report = WorkReport.of(callback)
    if t is not None:
        t = check_number(t, "t", 0, example=0.1, open_ends=True)
    flow, flow_input = check_input(image, flow, tol=_TOL)
    if t is None:
        tensors = dataclasses.replace(flow_input, restore=lambda x: x)
        parts = decompose(flow, tensors, _N_BANDS, report)
        mass = (parts.spectrum.T * parts.widths).T.reshape(len(parts.times), -1).sum(1)
        last = np.exp(threshold_otsu(hist=(mass, np.log(parts.times))))
        # Rounding of the logarithm must not put the last time of the lower class into the upper.
        upper = parts.times > last * (1 + 1e-9)
        structure = flow_input.axes.to_core(parts.reconstruct(upper))
    else:
        # The residual after a single band, u(t) - t u_t(t), holds everything that vanishes later.
        *_, residual = flow_bands(flow, flow_input, (t, 1.05 * t), report)
        structure = residual.image.to(flow_input.image.dtype)
    return flow_input.frame(structure), flow_input.frame(flow_input.image - structure)
