"""The sums of the energy balance, compiled.

Everything is computed in float64, in segments of rows, as in :mod:`.duality_gap_kernel`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from skimage_tvflow.core.backends.numba.duality_gap_kernel import SEGMENT
from skimage_tvflow.core.backends.numba.jit import compiled

# The sums of a segment: J(v), J((u + v) / 2), <v - u, v + u> and |u|^2.
N_SUMS = 4


@njit(forceinline=True, error_model="numpy", fastmath={"contract", "nsz"})
def _add_squares(old, new, old_ahead, new_ahead, h, n, half, square):
    for i in range(n):
        d = h * (np.float64(old_ahead[i]) - np.float64(old[i]))
        e = h * (np.float64(new_ahead[i]) - np.float64(new[i]))
        half[i] += (d + e) * (d + e) / 4
        square[i] += e * e


@compiled(fastmath={"reassoc", "contract", "nsz"})
def sum_rows(u, v, inverse, begin, end, sums):
    """Put the sums of rows ``begin`` to ``end`` into ``sums``, shape (N_SUMS, rows, segments)."""
    channels, depth, height, width = u.shape
    half, square = np.empty(SEGMENT), np.empty(SEGMENT)
    for row in range(begin, end):
        z, y = row // height, row % height
        for segment in range(sums.shape[2]):
            first = segment * SEGMENT
            n = min(SEGMENT, width - first)
            half[:n] = 0.0
            square[:n] = 0.0
            growth = norm = 0.0
            for c in range(channels):
                old, new = u[c, z, y, first:], v[c, z, y, first:]
                inner = n - 1 if first + n == width else n
                _add_squares(old, new, old[1:], new[1:], inverse[2], inner, half, square)
                if y + 1 < height:
                    ahead, beyond = u[c, z, y + 1, first:], v[c, z, y + 1, first:]
                    _add_squares(old, new, ahead, beyond, inverse[1], n, half, square)
                if z + 1 < depth:
                    ahead, beyond = u[c, z + 1, y, first:], v[c, z + 1, y, first:]
                    _add_squares(old, new, ahead, beyond, inverse[0], n, half, square)
                for i in range(n):
                    a, b = np.float64(old[i]), np.float64(new[i])
                    growth += (b - a) * (b + a)
                    norm += a * a
            variation = halfway = 0.0
            for i in range(n):
                variation += np.sqrt(square[i])
                halfway += np.sqrt(half[i])
            sums[0, row, segment] = variation
            sums[1, row, segment] = halfway
            sums[2, row, segment] = growth
            sums[3, row, segment] = norm
