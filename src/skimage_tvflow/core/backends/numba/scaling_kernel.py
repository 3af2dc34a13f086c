"""The loops over pixels of :mod:`~skimage_tvflow.core.backends.numba.scaling`, in float64."""

from __future__ import annotations

import numpy as np

from skimage_tvflow.core.backends.numba.jit import compiled

# Allow sums in any order, so that they are vectorised.
_FLAGS = {"reassoc", "nsz", "contract"}


@compiled()
def _distance(x, origin):
    """Subtract in a function without flags: else sum(x - origin) becomes sum(x) - n origin."""
    return np.float64(x) - origin


@compiled(fastmath=_FLAGS)
def sum_of_distances(pixels, origin):
    """Return the sum of ``pixels - origin``."""
    total = 0.0
    for x in pixels:
        total += _distance(x, origin)
    return total


@compiled(fastmath=_FLAGS)
def rescale(pixels, mean, factor, out):
    """Put ``factor (pixels - mean)`` into ``out`` and return the sum of its squares."""
    total = 0.0
    for i in range(pixels.size):
        x = factor * _distance(pixels[i], mean)
        out[i] = x
        total += x * x
    return total
