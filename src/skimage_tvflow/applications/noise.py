"""White noise: how strong it is, and the image without it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.optimize import nnls

from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.numbers import check_number
from skimage_tvflow.spectral.flow_bands import check_input, flow_bands

# Noise of standard deviation 1 has vanished by about t = 1, and small structures by 4; in 1-D,
# where a pixel has two neighbours, both live longer.
_FIRST, _LAST, _LAST_1D = 0.1, 4, 20
_N_TIMES = 10
# Size of the random change that measures the sensitivity, in standard deviations of the noise: a
# larger one leaves the linear range, a smaller one drowns in the error of the flow.
_PROBE = 0.05
# Order of the differences, along every axis, in which the noise is looked for. The higher, the less
# of the texture counts as noise, and the fewer of the pixels say something new.
_ORDER = 6
_MEDIAN_OF_NORMAL = 0.6744897501960817  # of its absolute value
# Fixed steps and iterations: small changes of the image then make small changes of the flow.
_SCHEME = {"n_steps": 64, "order": 1, "tol": None, "max_num_iter": 8}


@fork_safe()
def denoise(
    image: Any,
    sigma: float | None = None,
    *,
    flow: BaseTVFlow | None = None,
    channel_axis: int | None = None,
    random_state: int | None = 0,
    callback: Callback | None = None,
) -> Any:
    r"""Remove white noise by spectral TV filtering, its strength found from the image itself.

    The image is taken apart into bands around the times at which noise of that strength vanishes,
    and put together with weights :math:`0 \le w_1 \le w_2 \le \dots \le 1`, those that minimise
    Stein's unbiased estimate of the risk [1]_, [2]_,

    .. math:: \|\hat u - f\|^2 + 2 \sigma^2\,\mathrm{div}_f\,\hat u, \qquad
        \hat u = \mathrm{residual} + \sum_k w_k\,\mathrm{band}_k ,

    the divergences measured by a small random change of the image [3]_. Nothing is tuned.

    Parameters
    ----------
    image : array-like
        A noisy image.
    sigma : float, optional
        Standard deviation of the noise, in the values of the image; by default
        ``noise_level(image)``.
    flow : estimator, optional
        By default ``ChambolleTVFlow`` with a fixed scheme, so that small changes of the image make
        small changes of the flow.
    channel_axis : int, optional
        Axis of the channels; not together with `flow`, which has its own.
    random_state : int or None, optional
        Seed of the random change.

    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.

    Returns
    -------
    array of shape image.shape
        The image without its noise.

    Raises
    ------
    ValueError
        If `sigma` is no number, negative or not finite, or `flow` takes a stack of images.
    StoppedByCallback
        If `callback` returned True.

    See Also
    --------
    noise_level : The standard deviation that is found in the image.

    References
    ----------
    .. [1] C. M. Stein, "Estimation of the mean of a multivariate normal distribution", Annals of
       Statistics 9 (1981) 1135-1151.
    .. [2] T. Blu, F. Luisier, "The SURE-LET approach to image denoising", IEEE Transactions on
       Image Processing 16 (2007) 2778-2786.
    .. [3] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE", IEEE Transactions on Image Processing
       17 (2008) 1540-1554.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import denoise
    >>> clean = np.zeros((64, 64))
    >>> clean[16:48, 16:48] = 1
    >>> noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)
    >>> bool(np.std(denoise(noisy) - clean) < 0.03)
    True
    """
    report = WorkReport.of(callback)
    if sigma is not None:
        sigma = check_number(sigma, "sigma", 0, example=0.1)
    if flow is not None and channel_axis is not None:
        raise ValueError(
            f"channel_axis={channel_axis} and a flow were given, but a flow has a channel_axis of "
            f"its own. Pass flow=ChambolleTVFlow(channel_axis={channel_axis}) alone."
        )
    flow, flow_input = check_input(image, flow, channel_axis=channel_axis, **_SCHEME)
    axes, noisy = flow_input.axes, flow_input.image
    if axes.batch_axis is not None:
        raise ValueError(
            f"flow has batch_axis={axes.batch_axis}, and one image at a time is denoised. Pass a "
            "flow without batch_axis, and the images one after the other."
        )
    sigma = _noise_level(noisy) if sigma is None else sigma
    if sigma > 0 and noisy.amax() > noisy.amin():
        signs = np.random.default_rng(random_state).choice([-1.0, 1.0], axes.shape)
        probe = axes.to_core(torch.from_numpy(signs).to(noisy))
        return flow_input.frame(_filter(flow, flow_input, sigma, probe, report))
    if report is not None:  # nothing to remove
        report(1.0)
    return flow_input.frame(noisy)


@fork_safe()
def noise_level(image: Any, *, channel_axis: int | None = None) -> float:
    """Estimate the standard deviation of the white noise in an image.

    Parameters
    ----------
    image : array-like
        A noisy image.
    channel_axis : int, optional
        Axis of the channels, whose estimates are averaged.

    Returns
    -------
    float
        In the values of the image; 0 for a constant image.

    Raises
    ------
    ValueError, TypeError
        If the image or the axis is not what it must be.

    See Also
    --------
    denoise : Removes this noise.

    Notes
    -----
    The median of the absolute sixth differences along every axis, relative to what it is for
    normally distributed white noise of standard deviation 1. Structures have little part in such
    high differences: for nine of ten photographs with noise of a fiftieth of their range the
    estimate is at most a quarter too large, and that by the median of the finest wavelet
    coefficients [1]_ one half. Fainter noise is read too high more often: pass `sigma` to `denoise`
    where it is known.
    A texture that is white itself, such as grass seen from afar, still counts as noise. Where the
    image is exactly constant, as in a black border or an opaque alpha channel, it says nothing of
    the noise and takes no part.

    References
    ----------
    .. [1] D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet shrinkage",
       Biometrika 81 (1994) 425-455.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import noise_level
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal((64, 64))
    >>> round(noise_level(noise), 2)
    0.1
    """
    flow_input = FlowInput.read(image, channel_axis=channel_axis)
    return _noise_level(flow_input.image)


def _noise_level(image: torch.Tensor) -> float:
    """Average the estimates of the channels that vary, of an image in the layout of the core."""
    channels = [c for c in image.flatten(0, 1).cpu().numpy() if c.max() > c.min()]
    return float(np.mean([_noise_level_of_channel(c) for c in channels])) if channels else 0.0


def _noise_level_of_channel(values: np.ndarray) -> float:
    """Estimate the noise by the median of high differences, away from where there is none."""
    # In units of the largest value, as values such as 1e308 do not even have a mean.
    largest = np.abs(values).max()
    detail, norm = values / largest, 1.0
    for axis, n in enumerate(values.shape):
        order = min(_ORDER, n - 1)
        detail = np.diff(detail, order, axis)
        norm *= math.sqrt(math.comb(2 * order, order))  # of the binomial coefficients
    detail = np.abs(detail[~_near_constant(values, detail.shape)]) / norm
    # Rounding leaves this much of an image without noise.
    if not detail.size or detail.max() < 16 * np.finfo(values.dtype).eps:
        return 0.0
    return float(largest) * float(np.median(detail)) / _MEDIAN_OF_NORMAL


def _near_constant(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return where a difference, of an array of them, sees a place of three constant pixels a side.

    Masked and clipped pixels have no noise, and the edges of such places would be all there is.
    """
    side = [min(3, n) for n in values.shape]
    constant = maximum_filter(values, side) == minimum_filter(values, side)
    seen = [n - m + 1 for n, m in zip(values.shape, shape, strict=True)]
    near = maximum_filter(constant, seen)
    return near[tuple(slice(k // 2, k // 2 + m) for k, m in zip(seen, shape, strict=True))]


def _filter(
    flow: BaseTVFlow,
    flow_input: FlowInput,
    sigma: float,
    probe: torch.Tensor,
    report: Report | None,
) -> torch.Tensor:
    """Add up the bands with the weights of least estimated risk."""
    last = _LAST_1D if sum(n > 1 for n in flow_input.axes.spatial_shape) == 1 else _LAST
    times = tuple((sigma * np.geomspace(_FIRST, last, _N_TIMES)).tolist())
    first, second = share_of(report, 0, 0.5), share_of(report, 0.5, 1)
    bands = [band.image for band in flow_bands(flow, flow_input, times, first)]
    # The same image but for a small change, and the same times: as much work again.
    change = _PROBE * sigma
    changed = dataclasses.replace(flow_input, image=flow_input.image + change * probe)
    others = flow_bands(flow, changed, times, second)
    cost = [
        float(((other.image - band) * probe).sum() / change) for band, other in zip(bands, others)
    ]
    # In units of the noise, whose square may be out of range.
    rows = torch.stack(bands[:-1]).flatten(1).div_(sigma).cpu().numpy()
    weights = _least_risk(rows, np.array(cost[:-1]))
    clean = bands[-1]
    for weight, band in zip(weights, bands):
        clean += float(weight) * band
    return clean.to(flow_input.image.dtype)


def _least_risk(rows: np.ndarray, cost: np.ndarray) -> np.ndarray:
    r"""Find the weights of least risk.

    With :math:`x = 1 - w`, decreasing and >= 0, and the inner products G of the rows, minimise
    :math:`x^T G x - 2\, \mathrm{cost}^T x`. A decreasing x is a sum of steps >= 0 from the last
    entry up to each entry, and least squares with steps >= 0 is ``scipy.optimize.nnls``.
    """
    gram = rows @ rows.T
    gram += 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))
    root = np.linalg.cholesky(gram)
    cumulate = np.triu(np.ones_like(gram))
    steps, _ = nnls(root.T @ cumulate, np.linalg.solve(root, cost))
    return np.clip(1 - cumulate @ steps, 0, 1)
