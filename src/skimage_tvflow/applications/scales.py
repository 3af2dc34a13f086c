"""Structures of one size and contrast."""

from __future__ import annotations

from typing import Any

from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.inputs.numbers import check_number
from skimage_tvflow.spectral.band_times import check_band_times
from skimage_tvflow.spectral.flow_bands import band_pass, check_input

# Relative error of the flow: less does not show in a picture.
_TOL = 3e-3


@fork_safe()
def select_scale(
    image: Any,
    radius: float,
    contrast: float,
    *,
    width: float = 2.0,
    flow: BaseTVFlow | None = None,
    mask: Any = None,
    weight: Any = None,
    callback: Callback | None = None,
    **params: Any,
) -> Any:
    r"""Keep the structures of one product of size and contrast, such as cells, blobs or coins.

    A ball of radius R and contrast c in n dimensions vanishes at :math:`t = c R / n`. The bands
    from t / `width` to t times `width` are added up. The result is flat where there is nothing of
    that scale and has sharp edges where there is, so a threshold and ``skimage.measure.label`` can
    follow.

    Only the product counts: a large faint disc is the same to it as a small strong one. Where
    brightness differs from object to object, make a mask first and pass that, with ``contrast=1``;
    see the second example.

    Parameters
    ----------
    image : array-like
        The image.
    radius : float
        Radius of the structures in the unit of `spacing`, pixels by default.
    contrast : float
        Difference to the background, in the values of the image: half the range is .5 if they are
        from 0 to 1, and 127 if they are from 0 to 255. The sign does not matter.
    width : float, optional
        Factor, > 1, by which the time may differ in either direction. To tell apart two products
        whose ratio is q, take sqrt(q) or less: 1.25 for discs of radius 10 and 16. Large discs
        vanish earlier than the formula says, so the larger neighbour intrudes first.
    flow : estimator, optional
        ``ChambolleTVFlow(tol=3e-3)`` by default.
    mask, weight : array-like, optional
        Where the image is data, and how strongly it flows: as for `ChambolleTVFlow.transform`.
        The result is 0 where there is no data.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.
    **params : dict, optional
        Parameters of `ChambolleTVFlow`, such as `spacing`, `channel_axis`, `batch_axis` and
        `coupled_channels`; not together with `flow`, which has its own.

    Returns
    -------
    array of shape image.shape
        Bright structures are positive, dark ones negative; the mean is 0.

    Raises
    ------
    ValueError
        If `radius` or `contrast` is not positive, or `width` is not above 1.
    StoppedByCallback
        If `callback` returned True.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import select_scale
    >>> y, x = np.indices((64, 96))
    >>> small, large = np.hypot(y - 32, x - 20) < 4, np.hypot(y - 32, x - 65) < 18
    >>> kept = select_scale(small + 1.0 * large, radius=18, contrast=1)
    >>> background = kept[2, 40]
    >>> bool(kept[32, 65] - background > 0.9), bool(kept[32, 20] - background < 0.1)
    (True, True)

    The same sizes, and the small disc is brighter than the large one: select by size alone.

    >>> image = 4.0 * small + large
    >>> kept = select_scale(image > 0.5, radius=18, contrast=1)
    >>> bool(kept[32, 65] > 0.3), bool(kept[32, 20] < 0.3)
    (True, True)
    """
    report = WorkReport.of(callback)
    radius = check_number(radius, "radius", 0, example=10, open_ends=True)
    contrast = abs(check_number(contrast, "contrast", example=0.5))
    if contrast == 0:
        raise ValueError("contrast must not be 0, got 0. Pass contrast=0.5.")
    width = check_number(width, "width", 1, example=2, open_ends=True)
    flow, flow_input = check_input(image, flow, params, mask, weight, tol=_TOL)
    # An axis of one pixel is no dimension.
    n_axes = sum(n > 1 for n in flow_input.axes.spatial_shape)
    t = contrast * radius / max(n_axes, 1)
    kept = band_pass(flow, flow_input, check_band_times((t / width, t * width)), report)
    return flow_input.part(flow_input.axes.from_core(kept.to(flow_input.image.dtype)))
