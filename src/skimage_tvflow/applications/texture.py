"""Structure and texture of an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.operators import total_variation
from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.inputs.numbers import check_number
from skimage_tvflow.spectral.decompose import decompose
from skimage_tvflow.spectral.flow_bands import check_input, flow_bands

# Bands among which the time that divides them is chosen.
_N_BANDS = 32
# Texture is at most this wide, in pixels, as area over perimeter: half the width of a stripe. On
# drawings, photographs and pictures of cloth, grass and bricks .7 leaves coarse cloth in the
# structure, and 1 puts outlines into the texture.
_WIDTH = 0.8
# Relative error of the flow: less does not show in a picture.
_TOL = 3e-3


class Separation(tuple[Any, Any]):
    """Structure and texture, and the time ``t`` that divides them."""

    t: float

    def __new__(cls, structure: Any, texture: Any, t: float) -> Separation:
        """Make the pair of images."""
        pair = super().__new__(cls, (structure, texture))
        pair.t = t
        return pair

    def __getnewargs__(self) -> tuple[Any, Any, float]:
        """Give `copy` and `pickle` what makes it again."""
        return self[0], self[1], self.t


@fork_safe()
def separate_texture(
    image: Any,
    t: float | None = None,
    *,
    flow: BaseTVFlow | None = None,
    callback: Callback | None = None,
) -> Separation:
    """Split an image into its structure and its texture.

    Texture is what vanishes before the time `t` of the flow [1]_. By default t is the last of 32
    times, up to the extinction time, at which both what vanishes then and all that has vanished are
    fine: at most .8 pixels wide in the mean, as their L1 norm over their total variation. Outlines
    and faces of a drawing are wider, and stay in the structure, and so does a texture of wide
    stripes or spots: pass a larger `t` for it, for instance twice the ``t`` of the result.

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
        Structure and texture; their sum is the image. Its attribute ``t`` is the time that divides
        them.

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
        bands = [flow_input.axes.to_core(band) for band in parts.bands]
        fine = np.flatnonzero(_widths(bands, flow_input.spacing) <= _WIDTH)
        first_upper = fine[-1] + 1 if fine.size else 0
        t = float(parts.times[max(first_upper - 1, 0)])
        upper = np.arange(len(parts.times)) >= first_upper
        structure = flow_input.axes.to_core(parts.reconstruct(upper))
    else:
        # The residual after a single band, u(t) - t u_t(t), holds everything that vanishes later.
        *_, residual = flow_bands(flow, flow_input, (t, 1.05 * t), report)
        structure = residual.image.to(flow_input.image.dtype)
    texture = flow_input.image - structure
    return Separation(flow_input.frame(structure), flow_input.frame(texture), t)


def _widths(bands: Sequence[Tensor], spacing: Sequence[float]) -> np.ndarray:
    """How wide each band is, or all up to it if that is more, in pixels: L1 norm over variation."""
    widths, together = [], torch.zeros_like(bands[0])
    for band in bands:
        together = together + band
        parts = (band, together)
        variation = [float(total_variation(part, spacing).sum()) * min(spacing) for part in parts]
        norm = [float(part.abs().sum()) for part in parts]
        widths.append(max(n / v if v > 0 else 0.0 for n, v in zip(norm, variation, strict=True)))
    return np.array(widths)
