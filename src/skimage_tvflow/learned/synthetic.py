"""Training images that anyone may use: dead leaves with shading, texture and noise.

Opaque shapes fall on each other, with radii distributed as r^-3, which makes the image scale
invariant as photographs are: A. B. Lee, D. Mumford, J. Huang, "Occlusion models for natural
images", International Journal of Computer Vision 41 (2001) 35-59.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

# Radii of leaves: the smallest in pixels, the largest as a fraction of the longest axis.
_SMALLEST_RADIUS, _LARGEST_RADIUS = 1.5, 0.6
# Leaves fall until this fraction of the image is covered; the rest takes ever more leaves, and gets
# the mean value.
_COVERED = 0.995


def dead_leaves(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """
    Make an image of dead leaves.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    shape : sequence of int
        Two or three sizes.

    Returns
    -------
    ndarray of that shape, float32
        Values in about [0, 1].
    """
    grid = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))
    image: np.ndarray = np.zeros(shape, np.float32)
    bare = np.ones(shape, bool)
    # Leaves are drawn from the top one down: each fills what is still bare.
    while bare.mean() > 1 - _COVERED:
        _drop_leaf(rng, grid, image, bare)
    image[bare] = image[~bare].mean()
    image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.0))
    if rng.random() < 0.5:
        image = image + _shading(rng, grid, 0.3)
    image = _tone(rng, image)
    if rng.random() < 0.5:
        image = image + rng.standard_normal(shape) * 10 ** rng.uniform(-2.5, -1)
    return image.astype(np.float32)


def _drop_leaf(
    rng: np.random.Generator, grid: np.ndarray, image: np.ndarray, bare: np.ndarray
) -> None:
    n_axes = len(grid)
    longest = max(image.shape)
    # The inverse of the cumulative distribution of r^-3 between the two radii.
    low, high = _SMALLEST_RADIUS**-2, (_LARGEST_RADIUS * longest) ** -2
    radius = (low - rng.random() * (low - high)) ** -0.5
    centre = rng.uniform(-0.2, 1.2, n_axes) * image.shape
    near = tuple(
        slice(max(0, int(c - 2 * radius)), max(0, int(c + 2 * radius) + 2)) for c in centre
    )
    offset = grid[(slice(None), *near)] - centre.reshape(-1, *[1] * n_axes)
    if not offset.size:
        return
    turned = np.tensordot(_rotation(rng, n_axes), offset, 1).astype(np.float32)
    turned /= radius * np.exp(rng.uniform(-0.6, 0.4, n_axes)).reshape(-1, *[1] * n_axes)
    power = rng.choice([1, 2, 2, 2, 8])
    leaf = (np.abs(turned) ** power).sum(0) <= 1
    leaf &= bare[near]
    value = rng.random() + _shading(rng, turned, 0.2)
    if rng.random() < 0.25:
        value = value + _texture(rng, turned * radius)
    image[near][leaf] = np.broadcast_to(value, leaf.shape)[leaf]
    bare[near][leaf] = False


def _shading(rng: np.random.Generator, grid: np.ndarray, most: float) -> np.ndarray:
    """Return a linear ramp that changes by at most ``most`` along the longest axis."""
    span = np.abs(grid).max() + 1
    slopes = rng.uniform(-most, most, len(grid)) / span / len(grid)
    return np.tensordot(slopes.astype(np.float32), grid, 1)


def _texture(rng: np.random.Generator, grid: np.ndarray) -> np.ndarray:
    """Return waves, or smoothed noise, of random scale."""
    size = rng.uniform(0.03, 0.25)
    if rng.random() < 0.5:
        wave = rng.standard_normal(len(grid)) * rng.uniform(0.2, 1.5)
        return size * np.sin(np.tensordot(wave.astype(np.float32), grid, 1))
    noise = ndimage.gaussian_filter(rng.standard_normal(grid.shape[1:]), rng.uniform(0, 1.5))
    return size * noise / (noise.std() + 1e-6)


def _rotation(rng: np.random.Generator, n_axes: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((n_axes, n_axes)))[0]


def _tone(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Scale the values to [0, 1] and apply a random power to them."""
    low, high = image.min(), image.max()
    return ((image - low) / max(high - low, 1e-6)) ** np.exp(rng.uniform(-0.7, 0.7))
