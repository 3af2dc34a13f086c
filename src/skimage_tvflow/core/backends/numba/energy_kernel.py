"""The sums of the energy balance, compiled."""

from __future__ import annotations

import numpy as np

from skimage_tvflow.core.backends.numba.jit import compiled


@compiled(fastmath={"reassoc", "contract", "nsz"})
def sum_rows(u, v, inverse, begin, end, sums):
    """Put J(v), <v - u, v + u> and |u|^2 of rows ``begin`` to ``end`` into ``sums``, row by row."""
    channels, depth, height, width = u.shape
    square = np.empty(width)
    for row in range(begin, end):
        z, y = row // height, row % height
        square[:] = 0.0
        growth = norm = 0.0
        for c in range(channels):
            here = v[c, z, y]
            below = v[c, z, min(y + 1, height - 1)]
            beyond = v[c, min(z + 1, depth - 1), y]
            old = u[c, z, y]
            for x in range(width - 1):
                dx = inverse[2] * (np.float64(here[x + 1]) - here[x])
                square[x] += dx * dx
            for x in range(width):
                dy = inverse[1] * (np.float64(below[x]) - here[x])
                dz = inverse[0] * (np.float64(beyond[x]) - here[x])
                square[x] += dy * dy + dz * dz
                growth += (np.float64(here[x]) - old[x]) * (np.float64(here[x]) + old[x])
                norm += np.float64(old[x]) * old[x]
        sums[0, row] = np.sqrt(square).sum()
        sums[1, row] = growth
        sums[2, row] = norm
