"""The passes of :mod:`~skimage_tvflow.core.backends.torch.scaling` over pixels in a row, in float64."""

from __future__ import annotations

import numpy as np

from skimage_tvflow.core.backends.numba.jit import compiled

# Sums may be taken in any order.
_FLAGS = {"reassoc", "nsz", "contract"}


@compiled(fastmath=_FLAGS)
def excess(pixels, origin):
    """The sum of the distances from ``origin``."""
    found = 0.0
    for x in pixels:
        found += np.float64(x) - origin
    return found


@compiled(fastmath=_FLAGS)
def rescale(pixels, mean, factor, out):
    """Put ``factor (pixels - mean)`` into ``out``; the sum of its squares."""
    found = 0.0
    for i in range(pixels.size):
        x = factor * (np.float64(pixels[i]) - mean)
        out[i] = x
        found += x * x
    return found
