"""How strong the white noise in an image is, and whether it is white at all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.estimators.confined_input import read_raw

# Order of the differences in which the noise is looked for. The higher, the less of the texture
# counts as noise, and the fewer of the pixels say something new. Lower ones where a mask leaves
# fewer than _LEAST places for the higher, and fewer than _ENOUGH of all.
_ORDERS, _LEAST, _ENOUGH = (6, 4, 2, 1), 200, 0.2
# An axis shorter than this has too few differences to say something: its slices count as one image.
SHORT = 13
_MEDIAN_OF_NORMAL = 0.6744897501960817  # of its absolute value
# Joined constant places of fewer pixels are left to the flow: they are rounded, not empty.
_LEAST_EMPTY = 64
# White noise is as strong between pixels _APART apart as between neighbours. In the _FLATTEST part
# of blocks of _BLOCK pixels a side, where structures have little part in it, it must not be more
# than _NOT_WHITE times as strong.
_APART, _BLOCK, _FLATTEST, _NOT_WHITE = 3, 8, 0.1, 2.5
_MOST_BLOCKS = 2000


@fork_safe()
def noise_level(
    image: Any,
    *,
    channel_axis: int | None = None,
    batch_axis: int | None = None,
    mask: Any = None,
) -> Any:
    """Estimate the standard deviation of the white noise in an image.

    Parameters
    ----------
    image : array-like
        A noisy image.
    channel_axis : int, optional
        Axis of the channels. The estimates of those that have noise are averaged.
    batch_axis : int, optional
        Axis of independent images.
    mask : array-like of bool, optional
        True where the image is data.

    Returns
    -------
    float, or ndarray of shape (B,) with a batch axis
        In the values of the image; 0 for a constant image.

    Raises
    ------
    ValueError, TypeError
        If the image or the axis is not what it must be.

    See Also
    --------
    denoise : Removes this noise, in every channel as much as there is.

    Notes
    -----
    The median of the absolute sixth differences along every axis of more than 12 pixels, relative
    to what it is for normally distributed white noise of standard deviation 1. Structures have
    little part in such high differences: for nine of ten photographs with noise of a fiftieth of
    their range the estimate is at most a quarter too large, and that by the median of the finest
    wavelet coefficients [1]_ one half. Fainter noise is read too high more often: pass `sigma` to
    `denoise` where it is known.
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
    raw = read_raw(image, channel_axis=channel_axis, batch_axis=batch_axis, mask=mask)
    channels = raw.image.flatten(0, 1).cpu().numpy()
    inside = raw.data.repeat_interleave(raw.image.shape[1], 0).cpu().numpy()
    levels = [
        level_of(c, d) if varies(c, d) else np.nan for c, d in zip(channels, inside, strict=True)
    ]
    per_item = np.reshape(levels, (*raw.axes.batch_shape, -1))
    noisy = np.isfinite(per_item)
    total = np.where(noisy, per_item, 0).sum(-1)
    means = total / np.maximum(noisy.sum(-1), 1)
    return float(means) if means.ndim == 0 else means


def varies(values: np.ndarray, data: np.ndarray) -> bool:
    """
    Tell whether an image has more than one value.

    Parameters
    ----------
    values : ndarray
        The image.
    data : ndarray of bool
        Where it is data.

    Returns
    -------
    bool
        Whether it varies.
    """
    inside = values[data]
    return bool(inside.size and inside.max() > inside.min())


def level_of(values: np.ndarray, data: np.ndarray) -> float:
    """
    Estimate the noise by the median of high differences, away from where there is none.

    Parameters
    ----------
    values : ndarray
        The image, which varies.
    data : ndarray of bool
        Where it is data.

    Returns
    -------
    float
        The standard deviation of the noise.
    """
    # In units of the largest value, as values such as 1e308 do not even have a mean.
    largest = np.abs(values[data]).max()
    scaled = np.where(data, values, 0) / largest
    useful = data & ~_constant(values, data)
    axes = [axis for axis, n in enumerate(values.shape) if n >= SHORT]
    axes = axes or [axis for axis, n in enumerate(values.shape) if n > 1]
    for order in _ORDERS:
        orders = [min(order, n - 1) if a in axes else 0 for a, n in enumerate(values.shape)]
        detail = np.abs(_differences(scaled, orders))[_all_of(useful, orders)]
        if detail.size >= _LEAST or _all_of(data, orders).mean() > _ENOUGH:
            break
    # Rounding leaves this much of an image without noise.
    if not detail.size or detail.max() < 16 * np.finfo(values.dtype).eps:
        return 0.0
    return float(largest) * float(np.median(detail)) / _MEDIAN_OF_NORMAL


def is_empty(values: np.ndarray, data: np.ndarray) -> np.ndarray:
    """
    Find where an image is constant over many joined pixels: a border, padding, clipped values.

    Parameters
    ----------
    values : ndarray
        The image.
    data : ndarray of bool
        Where it is data.

    Returns
    -------
    ndarray of bool
        True where there is no noise.
    """
    side = _window(values.shape)
    constant = ndimage.maximum_filter(_constant(values, data), side) & data
    labels, _ = ndimage.label(constant)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= _LEAST_EMPTY)[labels]


def is_plainly_not_white(values: np.ndarray, data: np.ndarray, sigma: float) -> bool:
    """
    Tell whether distant pixels differ by much more than noise lets neighbours differ.

    Parameters
    ----------
    values : ndarray
        The image.
    data : ndarray of bool
        Where it is data.
    sigma : float
        The standard deviation of the noise, from neighbours.

    Returns
    -------
    bool
        Whether the noise is correlated: blurred, compressed or in stripes.
    """
    useful = data & ~_constant(values, data)
    for axis, n in enumerate(values.shape):
        if n < 2 * _BLOCK + 2 * _APART:
            continue
        v, u = np.moveaxis(values, axis, -1), np.moveaxis(useful, axis, -1)
        far, near = slice(2 * _APART, None), slice(None, -2 * _APART)
        middle = slice(_APART, -_APART)
        change = np.abs(v[..., near] / 2 - v[..., middle] + v[..., far] / 2) / math.sqrt(1.5)
        whole = u[..., near] & u[..., middle] & u[..., far]
        blocks = [np.median(block) for block in _blocks(change, whole)]
        if len(blocks) < 1 / _FLATTEST:
            continue
        least = np.sort(blocks)[: max(1, int(_FLATTEST * len(blocks)))]
        if float(np.median(least)) / _MEDIAN_OF_NORMAL > _NOT_WHITE * sigma:
            return True
    return False


def _blocks(change: np.ndarray, whole: np.ndarray) -> list[np.ndarray]:
    """The values in blocks of the last two axes all of whose pixels are whole."""
    rows, columns = (change.shape[-2] if change.ndim > 1 else 1), change.shape[-1]
    change, whole = (x.reshape(-1, rows, columns) for x in (change, whole))
    height = min(_BLOCK, rows)
    corners = [
        range(len(change)),
        range(0, rows - height + 1, height),
        range(0, columns - _BLOCK + 1, _BLOCK),
    ]
    # Some thousand of them tell as much as all.
    step = max(1, math.prod(map(len, corners)) // _MOST_BLOCKS)
    return [
        change[z, y : y + height, x : x + _BLOCK]
        for z, y, x in itertools.islice(itertools.product(*corners), 0, None, step)
        if whole[z, y : y + height, x : x + _BLOCK].all()
    ]


def _differences(values: np.ndarray, orders: Sequence[int]) -> np.ndarray:
    """Differences of these orders along the axes, of norm 1."""
    norm = 1.0
    for axis, order in enumerate(orders):
        values = np.diff(values, order, axis)
        norm *= math.sqrt(math.comb(2 * order, order))  # of the binomial coefficients
    return values / norm


def _all_of(useful: np.ndarray, orders: Sequence[int]) -> np.ndarray:
    """Where a difference sees useful pixels alone."""
    seen = [order + 1 for order in orders]
    near = ndimage.minimum_filter(useful, seen, mode="nearest")
    ends = [slice(k // 2, k // 2 + n - k + 1) for k, n in zip(seen, useful.shape, strict=True)]
    return near[tuple(ends)]


def _constant(values: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Where the data around a pixel, three a side, is constant.

    Masked and clipped pixels have no noise, and the edges of such places would be all there is.
    """
    side = _window(values.shape)
    high = ndimage.maximum_filter(np.where(data, values, -np.inf), side)
    low = ndimage.minimum_filter(np.where(data, values, np.inf), side)
    return high == low


def _window(shape: Sequence[int]) -> list[int]:
    return [min(3, n) for n in shape]
