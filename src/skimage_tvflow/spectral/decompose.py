"""From an image to its bands: all of them at once, or one at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.core.parallel import fork_safe, fork_safe_items
from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.spectral.band_times import check_times, choose_times
from skimage_tvflow.spectral.decomposition import SpectralBand, SpectralDecomposition
from skimage_tvflow.spectral.flow_bands import Band, check_input, flow_bands


@fork_safe()
def spectral_decompose(
    image: Any,
    times: Any,
    *,
    flow: BaseTVFlow | None = None,
    mask: Any = None,
    weight: Any = None,
    callback: Callback | None = None,
    **params: Any,
) -> SpectralDecomposition:
    r"""Take an image apart into bands, each of which vanishes at its own time of the TV flow.

    With the slopes :math:`s_k` of the flow between the times, :math:`t_0 = 0`,

    .. math:: \mathrm{band}_k = t_k (s_{k+1} - s_k), \qquad \mathrm{residual} = u_K - t_K s_K,

    which add up to the image for any increasing times [1]_.

    Parameters
    ----------
    image : array-like
        As the flow takes it.
    times : int, or sequence of K >= 2 floats
        The number of bands, whose times are then in geometric progression up to extinction; or
        increasing times > 0: one band for each but the last, where the last band ends.
    flow : estimator, optional
        Computes the flow; ``ChambolleTVFlow()`` by default.
    mask, weight : array-like, optional
        Where the image is data, and how strongly it flows: as for `ChambolleTVFlow.transform`.
        Bands are 0 where there is no data, and the residual is the image.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.
    **params : dict, optional
        Parameters of `ChambolleTVFlow`, such as `spacing`, `channel_axis`, `batch_axis` and
        `coupled_channels`; not together with `flow`, which has its own.

    Returns
    -------
    SpectralDecomposition
        Bands at the first K - 1 times, residual and spectrum.

    Raises
    ------
    ValueError
        If there are fewer than two times, or they do not increase from above 0.
    TypeError
        If `flow` is not an estimator of the TV flow.
    StoppedByCallback
        If `callback` returned True.

    See Also
    --------
    iter_bands : The bands one at a time, for images so large that few of them fit into memory.

    Notes
    -----
    The first band also holds everything that vanishes before its time: choose a small first time.

    References
    ----------
    .. [1] G. Gilboa, "A total variation spectral framework for scale and texture analysis", SIAM
       Journal on Imaging Sciences 7 (2014) 1937-1961.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import ChambolleTVFlow, spectral_decompose
    >>> step = np.repeat([0.0, 1.0], 4)  # vanishes at t = 2
    >>> parts = spectral_decompose(step, [1.0, 2.0, 3.0], flow=ChambolleTVFlow(tol=1e-6))
    >>> parts.spectrum.round(3)
    array([0., 4.])
    >>> parts.reconstruct().round(3)
    array([0., 0., 0., 0., 1., 1., 1., 1.])
    """
    report = WorkReport.of(callback)
    times = check_times(times)
    return decompose(*check_input(image, flow, params, mask, weight), times, report)


def decompose(
    flow: BaseTVFlow, flow_input: FlowInput, times: int | tuple[float, ...], report: Report | None
) -> SpectralDecomposition:
    """
    Take an image apart that is in the layout of the core, see `spectral_decompose`.

    Parameters
    ----------
    flow : estimator
        Which computes the flow.
    flow_input : FlowInput
        The image.
    times : int or tuple of floats
        How many bands, or their times.
    report : callable or None
        It is told the fraction of the work done.

    Returns
    -------
    SpectralDecomposition
        Bands, residual and spectrum in the caller's layout.
    """
    times, report = choose_times(flow_input, times, report)
    return collect_bands(flow_input, times, flow_bands(flow, flow_input, times, report))


def collect_bands(
    flow_input: FlowInput, times: tuple[float, ...], bands: Iterable[Band], *, keep: bool = True
) -> SpectralDecomposition:
    """
    Collect the bands of an image.

    Parameters
    ----------
    flow_input : FlowInput
        The image.
    times : tuple of floats
        Where the bands and the last one end.
    bands : iterable of Band
        The bands, the residual last.
    keep : bool, optional
        False leaves the bands out of the result, for the spectrum alone.

    Returns
    -------
    SpectralDecomposition
        Bands, residual and spectrum in the caller's layout.
    """
    axes, count = flow_input.axes, len(times) - 1
    images = flow_input.image.new_empty((count if keep else 0, *axes.shape))
    norms, powers = np.empty((count, *axes.batch_shape)), np.empty((count + 1, *axes.batch_shape))
    for k, band in enumerate(bands):
        powers[k] = axes.total(_sums(band.slope.square()))
        if k < count:
            norms[k] = axes.total(_sums(band.image.abs()))
            if keep:
                images[k] = axes.from_core(band.image)
    moments = np.array([0.0, *times])
    widths = (moments[2:] - moments[:-2]) / 2
    return SpectralDecomposition(
        times=moments[1:-1],
        bands=flow_input.part(images),
        residual=flow_input.frame(band.image.to(images.dtype)),
        spectrum=(norms.T / widths).T,
        slope_power=powers,
        widths=widths,
    )


@fork_safe()
def iter_bands(
    image: Any,
    times: Any,
    *,
    flow: BaseTVFlow | None = None,
    mask: Any = None,
    weight: Any = None,
    callback: Callback | None = None,
    **params: Any,
) -> Iterator[SpectralBand]:
    """The bands of an image one at a time, without holding them all.

    Parameters
    ----------
    image : array-like
        As for `spectral_decompose`.
    times : int, or sequence of K >= 2 floats
        As for `spectral_decompose`.
    flow : estimator, optional
        As for `spectral_decompose`.
    mask, weight : array-like, optional
        As for `spectral_decompose`.
    callback : callable, optional
        As for `spectral_decompose`; what is done between two bands by whoever iterates does not
        count.
    **params : dict, optional
        As for `spectral_decompose`.

    Returns
    -------
    iterator of SpectralBand
        K - 1 bands as the flow reaches them, then the residual with time infinity. Their sum is the
        image.

    Raises
    ------
    ValueError, TypeError
        As for `spectral_decompose`.
    StoppedByCallback
        From the iterator, if `callback` returned True.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import iter_bands
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> total = sum(band.image for band in iter_bands(image, [0.01, 0.1, 1.0]))
    >>> bool(np.allclose(total, image))
    True
    """
    report = WorkReport.of(callback)
    times = check_times(times)
    flow, flow_input = check_input(image, flow, params, mask, weight)
    chosen = choose_times(flow_input, times, report)
    bands = fork_safe_items(flow_bands(flow, flow_input, *chosen))
    dtype = flow_input.image.dtype
    axes = flow_input.axes
    give = {True: flow_input.part, False: flow_input.whole}
    return (
        SpectralBand(time, give[math.isfinite(time)](axes.from_core(band.to(dtype))))
        for time, band, _ in bands
    )


def _sums(x: Tensor) -> np.ndarray:
    """Sum up every item, shape (N,)."""
    return x.flatten(1).sum(1, dtype=exact_dtype(x)).cpu().numpy()
