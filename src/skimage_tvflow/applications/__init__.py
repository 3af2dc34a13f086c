"""What the TV flow and its spectral decomposition are good for, as the literature does it.

Each function is short: read it as a recipe, and change it for your own images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from skimage.filters import threshold_otsu
from skimage.restoration import estimate_sigma

from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.inputs.arrays import ingest
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.spectral.decomposition import band_times, checked_flow, spectral_decompose

__all__ = ["denoise", "fuse", "select_scale", "separate_texture"]

# Noise of standard deviation 1 is gone by t = 1, give or take, and small structures by 4; along a
# line, where a pixel has two neighbours, both live longer.
_FIRST, _LAST, _LAST_ON_A_LINE = 0.1, 4, 20
_N_TIMES = 10
# How large the random change of the image is from which the sensitivity is measured.
_PROBE = 0.05
# Times that sample a band: its own edges say most.
_PER_BAND = 9
_JUST_BEFORE = 0.95
# Of the spectrum that texture is told from: enough to see two classes.
_N_BANDS = 32
# Errors of a percent do not show in a picture.
_COARSE = 3e-3


def denoise(
    image: Any,
    sigma: float | None = None,
    *,
    flow: BaseTVFlow | None = None,
    channel_axis: int | None = None,
    random_state: int | None = 0,
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
        Standard deviation of the noise, in the values of the image; by default what
        ``skimage.restoration.estimate_sigma`` says.
    flow : estimator, optional
        By default ``ChambolleTVFlow`` with a fixed scheme, so that small changes of the image make
        small changes of the flow.
    channel_axis : int, optional
        Axis of the channels; not together with `flow`, which has its own.
    random_state : int or None, optional
        Seed of the random change.

    Returns
    -------
    array of shape image.shape
        The image without its noise.

    Raises
    ------
    ValueError
        If `sigma` is negative or not finite, or `flow` takes a stack of images.

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
    if flow is not None and channel_axis is not None:
        raise ValueError(
            "channel_axis was given beside a flow, which has its own. Pass "
            f"flow=ChambolleTVFlow(channel_axis={channel_axis})."
        )
    scheme = {"n_steps": 64, "order": 1, "tol": None, "max_num_iter": 8}
    flow = checked_flow(flow, channel_axis=channel_axis, **scheme)
    if flow.batch_axis is not None:
        raise ValueError(
            f"flow has batch_axis={flow.batch_axis}, and one image at a time is denoised. Pass a "
            "flow without batch_axis, and the images one after the other."
        )
    data = ingest(image)
    noisy = data.tensor.cpu().numpy()
    if np.ptp(noisy) == 0:
        return data.restore(data.tensor)  # of which there is no noise to estimate
    if sigma is None:
        sigma = float(estimate_sigma(noisy, channel_axis=flow.channel_axis, average_sigmas=True))
    if not (np.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma must be finite and >= 0, got {sigma!r}. Pass sigma=0.1, say.")
    if sigma == 0:
        return data.restore(data.tensor)
    probe = np.random.default_rng(random_state).choice([-1.0, 1.0], noisy.shape)
    probe = probe.astype(noisy.dtype)
    on_a_line = _axes_of(data.tensor, flow).n_spatial == 1
    times = sigma * np.geomspace(_FIRST, _LAST_ON_A_LINE if on_a_line else _LAST, _N_TIMES)
    parts = spectral_decompose(noisy, times, flow=flow)
    changed = spectral_decompose(noisy + _PROBE * sigma * probe, times, flow=flow)
    sensitivity = ((changed.bands - parts.bands) * probe).reshape(len(parts.bands), -1).sum(1)
    # In units of the noise, whose square may be out of range.
    weights = _least_risk(parts.bands / sigma, sensitivity / (_PROBE * sigma))
    return data.restore(data.tensor.new_tensor(parts.reconstruct(weights)))


def _least_risk(bands: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """The weights of least risk: with x = 1 - w, x decreasing and >= 0, minimise x'Gx - 2 cost'x.

    G are the inner products of the bands. The decreasing x are the sums from above of steps >= 0.
    """
    rows = bands.reshape(len(bands), -1).astype(np.float64)
    gram = rows @ rows.T
    gram += 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))
    root = np.linalg.cholesky(gram)
    from_above = np.triu(np.ones_like(gram))
    steps, _ = nnls(root.T @ from_above, np.linalg.solve(root, cost))
    return np.clip(1 - from_above @ steps, 0, 1)


def separate_texture(
    image: Any, t: float | None = None, *, flow: BaseTVFlow | None = None
) -> tuple[Any, Any]:
    """Split an image into its structure and its texture.

    Texture is what vanishes before the time `t` of the flow [1]_. By default t is where Otsu's
    method divides the spectrum: the bands between a thousandth of the extinction time and that
    time, each counted with its L1 norm at the logarithm of its time, fall into two classes of least
    variance within.

    Parameters
    ----------
    image : array-like
        The image.
    t : float, optional
        Where to cut.
    flow : estimator, optional
        ``ChambolleTVFlow(tol=3e-3)`` by default; it knows the axes of the image.

    Returns
    -------
    tuple of two arrays of shape image.shape
        Structure and texture; their sum is the image.

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
    flow = checked_flow(flow, tol=_COARSE)
    if t is None:
        parts = spectral_decompose(image, _N_BANDS, flow=flow)
        mass = (parts.spectrum.T * parts.widths).T.reshape(len(parts.times), -1).sum(1)
        last = np.exp(threshold_otsu(hist=(mass, np.log(parts.times))))
        # Rounding of the logarithm must not put the last time of the lower class into the upper.
        structure = parts.reconstruct(parts.times > last * (1 + 1e-9))
    else:
        # What is left after the only band, u(t) - t u_t(t), is all that vanishes later.
        structure = spectral_decompose(image, [t, 1.05 * t], flow=flow).residual
    data = ingest(image)
    return structure, data.restore(data.tensor - ingest(structure).tensor)


def fuse(
    image: Any,
    other: Any,
    band: tuple[float, float],
    *,
    mask: Any = None,
    flow: BaseTVFlow | None = None,
) -> Any:
    """Put the structures of one image into another, band for band.

    What vanishes in the given band of times is taken out of `image` and replaced by what vanishes
    there in `other`, edges and all: the wrinkles of one face for another's, the texture of a brick
    wall for a plain one [1]_.

    Parameters
    ----------
    image, other : array-like of the same shape
        Where it goes to, and where it comes from; registered with each other.
    band : (float, float)
        From which time on and up to which time.
    mask : array-like of shape image.shape, or without its channel axis, optional
        Where to do so, from 0 to 1; everywhere by default.
    flow : estimator, optional
        ``ChambolleTVFlow()`` by default; it knows the axes of the images.

    Returns
    -------
    array of shape image.shape
        The fused image.

    Raises
    ------
    ValueError
        If `other` or `mask` has another shape than `image`, or `band` is not two increasing times.

    References
    ----------
    .. [1] M. Benning, M. Moeller, R. Z. Nossek, M. Burger, D. Cremers, G. Gilboa, C.-B. Schönlieb,
       "Nonlinear spectral image fusion", Scale Space and Variational Methods (2017) 41-53.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import fuse
    >>> plain = np.zeros((32, 32))
    >>> spot = plain.copy()
    >>> spot[15:17, 15:17] = 1
    >>> fused = fuse(plain, spot, (0.1, 1.0))  # it vanishes at t = 0.5
    >>> bool(fused[15, 15] > 0.9)
    True
    """
    flow = checked_flow(flow)
    data, source = ingest(image), ingest(other, name="other")
    if data.tensor.shape != source.tensor.shape:
        raise ValueError(
            f"other has shape {tuple(source.tensor.shape)}, and that of the image is needed, "
            f"{tuple(data.tensor.shape)}. Crop or resize it, e.g. with skimage.transform.resize."
        )
    change = _band(other, band, flow) - _band(image, band, flow)
    if mask is not None:
        change = change * _weight(mask, data.tensor, flow)
    return data.restore(data.tensor + change.to(data.tensor))


def select_scale(
    image: Any,
    radius: float,
    contrast: float,
    *,
    width: float = 2.0,
    flow: BaseTVFlow | None = None,
) -> Any:
    r"""Keep the structures of one size and contrast, such as cells, blobs or coins.

    A ball of radius R and contrast c in n dimensions vanishes at :math:`t = c R / n`. The bands
    from t / `width` to t times `width` are added up: flat where there is nothing of that scale,
    sharp at the edges of what there is, ready for a threshold and ``skimage.measure.label``.

    Parameters
    ----------
    image : array-like
        The image.
    radius : float
        In the unit of `spacing`, pixels by default.
    contrast : float
        Difference to the background, in the values of the image; the sign does not matter.
    width : float, optional
        Factor, > 1, by which the time may differ.
    flow : estimator, optional
        ``ChambolleTVFlow(tol=3e-3)`` by default; it knows the axes of the image.

    Returns
    -------
    array of shape image.shape
        Bright structures are positive, dark ones negative; the mean is 0.

    Raises
    ------
    ValueError
        If `radius` or `contrast` is not positive, or `width` is not above 1.

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
    """
    flow = checked_flow(flow, tol=_COARSE)
    for name, value, least in ("radius", radius, 0), ("contrast", abs(contrast), 0), (
        "width", width, 1,
    ):  # fmt: skip
        if not (np.isfinite(value) and value > least):
            raise ValueError(f"{name} must be finite and > {least}, got {value!r}. Pass {name}=2.")
    data = ingest(image)
    t = abs(contrast) * radius / _axes_of(data.tensor, flow).n_spatial
    return data.restore(_band(image, (t / width, t * width), flow).to(data.tensor))


def _axes_of(image: torch.Tensor, flow: BaseTVFlow) -> ImageAxes:
    return ImageAxes.resolve(
        image.shape, batch_axis=flow.batch_axis, channel_axis=flow.channel_axis
    )


def _band(image: Any, band: tuple[float, float], flow: BaseTVFlow) -> torch.Tensor:
    """What vanishes between two times."""
    first, last = band_times(band)
    # The first band of a decomposition is all that has vanished by then: here it is not request.
    times = [_JUST_BEFORE * first, *np.geomspace(first, last, _PER_BAND)]
    parts = spectral_decompose(image, times, flow=flow)
    request = parts.times >= first
    return ingest(parts.reconstruct(request, residual=0.0)).tensor


def _weight(mask: Any, image: torch.Tensor, flow: BaseTVFlow) -> torch.Tensor:
    """The mask, with an axis for the channels where it has none."""
    weight = ingest(mask, name="mask").tensor
    axis = _axes_of(image, flow).channel_axis
    if axis is not None and weight.ndim == image.ndim - 1:
        weight = weight.unsqueeze(axis).expand(image.shape)
    if weight.shape != image.shape:
        raise ValueError(
            f"mask has shape {tuple(weight.shape)}, and that of the image is needed, "
            f"{tuple(image.shape)}. Pass a mask of that shape, or none."
        )
    if weight.min() < 0 or weight.max() > 1:
        raise ValueError(
            f"mask must be between 0 and 1, got values from {weight.min():g} to {weight.max():g}. "
            "Pass mask > 0, or an 8-bit mask divided by 255."
        )
    return weight
