"""Structure and texture of an image."""

from __future__ import annotations

import math
from typing import Any

import torch

from skimage_tvflow.core.operators import total_variation
from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.estimators.confined_input import ConfinedInput
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.numbers import check_number
from skimage_tvflow.spectral.band_times import choose_times
from skimage_tvflow.spectral.flow_bands import check_input, flow_bands

# Bands among which the time that divides them is chosen.
_N_BANDS = 32
# Texture is at most this wide, in pixels, as area over perimeter: half the width of a stripe. On
# drawings, photographs and pictures of cloth, grass and bricks .7 leaves coarse cloth in the
# structure, and 1 puts outlines into the texture.
_WIDTH = 0.8
# Nothing fine follows once all that has vanished is this many times wider than that, and has most
# of the variation of the image.
_FAR_TOO_WIDE, _MOST = 2.0, 0.5
# Relative error of the flow: less does not show in a picture.
_TOL = 3e-3


class Separation(tuple[Any, Any]):
    """
    Structure and texture, and the time ``t`` that divides them.

    Attributes
    ----------
    t : float
        What vanishes before it is texture.
    """

    t: float

    def __new__(cls, structure: Any, texture: Any, t: float) -> Separation:
        """Make the pair of images."""
        pair = super().__new__(cls, (structure, texture))
        pair.t = t
        return pair

    @property
    def structure(self) -> Any:  # numpydoc ignore=RT01
        """The first of the pair."""
        return self[0]

    @property
    def texture(self) -> Any:  # numpydoc ignore=RT01
        """The second of the pair."""
        return self[1]

    def __getnewargs__(self) -> tuple[Any, Any, float]:
        """Give `copy` and `pickle` what makes it again."""
        return self[0], self[1], self.t


@fork_safe()
def separate_texture(
    image: Any,
    t: float | None = None,
    *,
    flow: BaseTVFlow | None = None,
    mask: Any = None,
    weight: Any = None,
    callback: Callback | None = None,
    **params: Any,
) -> Separation:
    """Split an image into its structure and its texture.

    Texture is what vanishes before the time `t` of the flow [1]_. By default t is chosen so that
    only what is fine is texture: stripes narrower than about 1.6 pixels, spots of a radius below
    1.6. Outlines and faces of a drawing are wider, and stay in the structure.

    A coarser texture needs a `t` of yours: about ``contrast * width / 2`` of its elements, such as
    the stripes of a cloth. Bricks in a wall are such elements, and if the whole image is a wall,
    a t above their own takes the whole image.

    Parameters
    ----------
    image : array-like
        The image.
    t : float, optional
        The time that divides texture from structure, > 0.
    flow : estimator, optional
        ``ChambolleTVFlow(tol=3e-3)`` by default.
    mask, weight : array-like, optional
        Where the image is data, and how strongly it flows: as for `ChambolleTVFlow.transform`.
        Where there is no data the texture is 0.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.
    **params : dict, optional
        Parameters of `ChambolleTVFlow`, such as `spacing`, `channel_axis`, `batch_axis` and
        `coupled_channels`; not together with `flow`, which has its own.

    Returns
    -------
    tuple of two arrays of shape image.shape
        Structure and texture; their sum is the image. They are also its attributes ``structure``
        and ``texture``, and ``t`` is the time that divides them.

    Raises
    ------
    ValueError, TypeError
        If the image or `t` is not what it must be.
    StoppedByCallback
        If `callback` returned True.

    Notes
    -----
    By default t is the last of 32 times, up to the time at which only the mean is left, at which
    both what vanishes then and all that has vanished have an area over perimeter, their L1 norm
    over their total variation, of at most .8 pixels. That is half the width of a stripe, and half
    the radius of a disc.

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
    flow, flow_input = check_input(image, flow, params, mask, weight, tol=_TOL)
    if t is None:
        t, texture = _finest(flow, flow_input, report)
    else:
        # The residual after a single band, u(t) - t u_t(t), holds everything that vanishes later.
        *_, residual = flow_bands(flow, flow_input, (t, 1.05 * t), report)
        texture = flow_input.image - residual.image.to(flow_input.image.dtype)
    texture, axes = texture.to(flow_input.image.dtype), flow_input.axes
    structure = flow_input.frame(flow_input.image - texture)
    return Separation(structure, flow_input.part(axes.from_core(texture)), t)


def _finest(
    flow: BaseTVFlow, flow_input: FlowInput, report: Report | None
) -> tuple[float, torch.Tensor]:
    """The last time at which all that vanishes is fine, and what has vanished by then."""
    times, report = choose_times(flow_input, _N_BANDS, report)
    widths = _Widths(flow_input)
    last, together = times[0], torch.zeros_like(flow_input.image)
    texture, whole = together.clone(), widths.variation(flow_input.image)
    for band in flow_bands(flow, flow_input, times, report):
        if not math.isfinite(band.time):
            break
        together += band.image.to(together.dtype)
        wide = widths.of(together)
        if max(widths.of(band.image.to(together.dtype)), wide) <= _WIDTH:
            last, texture = band.time, together.clone()
        # Later bands are wider, and what has vanished grows with them.
        if wide > _FAR_TOO_WIDE * _WIDTH and widths.variation(together) > _MOST * whole:
            break
    if report is not None:
        report(1.0)
    return last, texture


class _Widths:
    """How wide images are in the mean, in pixels: their L1 norm over their variation."""

    def __init__(self, flow_input: FlowInput) -> None:
        self._spacing = flow_input.spacing
        self._domain = flow_input.domain if isinstance(flow_input, ConfinedInput) else None

    def variation(self, image: torch.Tensor) -> float:
        """
        Compute the total variation in pixels.

        Parameters
        ----------
        image : torch.Tensor of shape (N, C, *spatial)
            An image.

        Returns
        -------
        float
            Of all items together.
        """
        total = float(total_variation(image, self._spacing, self._domain).sum())
        return total * min(self._spacing)

    def of(self, image: torch.Tensor) -> float:
        """
        Compute the width of an image.

        Parameters
        ----------
        image : torch.Tensor of shape (N, C, *spatial)
            An image.

        Returns
        -------
        float
            Its L1 norm over its variation.
        """
        variation = self.variation(image)
        return float(image.abs().sum()) / variation if variation > 0 else 0.0
