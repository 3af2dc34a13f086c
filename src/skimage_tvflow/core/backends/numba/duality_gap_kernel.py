"""The sums of :mod:`.torch.duality_gap`, compiled for one CPU core.

Images are (C, Z, Y, X) and phi is (C, n_axes, Z, Y, X): one or two spatial axes are the last ones
of three. Everything is computed in float64, in segments of rows that stay in
the first-level cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from skimage_tvflow.core.backends.numba.jit import compiled

# Pixels of a row whose sums are kept apart: ROUNDING bounds sums in any order over this many.
SEGMENT = 256
# The sums of a segment, in this order: the total variation at the start, middle and end; <u, slope>
# at the start and end; <|u|, |slope|> at the start and end; the squares of the residual, of the
# image before, of the image after and of the slope.
N_SUMS = 11

# Sums may be taken in any order: the bound of their rounding errors holds for every order.
_FLAGS: dict[str, Any] = {"fastmath": {"reassoc", "nsz"}}
_INLINE: dict[str, Any] = {"forceinline": True, "error_model": "numpy", **_FLAGS}


@compiled()
def shorten(phi, rounding, begin, end, out):
    """Put the factor that projects phi to length 1, rounded down, into rows of ``out``."""
    n_channels, n_axes, _, n_y, n_x = phi.shape
    for row in range(begin, end):
        z, y = row // n_y, row % n_y
        square = out[row]
        square[:] = 0
        for c in range(n_channels):
            for a in range(n_axes):
                line = phi[c, a, z, y]
                for x in range(n_x):
                    square[x] += np.float64(line[x]) * np.float64(line[x])
        for x in range(n_x):
            square[x] = 1 / (np.sqrt(max(square[x], 1.0)) * (1 + rounding))


@njit(**_INLINE)
def _forward(here, there, ahead, beyond, h, n, start, middle, last):
    """Add the squares of differences at the start, in the middle and at the end of the piece."""
    for i in range(n):
        d = h * (np.float64(ahead[i]) - np.float64(here[i]))
        e = h * (np.float64(beyond[i]) - np.float64(there[i]))
        start[i] += d * d
        middle[i] += (d + e) * (d + e) / 4
        last[i] += e * e


@njit(**_INLINE)
def _outflow(line, short, h, n, slope):
    """Add the part of div phi that flows through faces to one side."""
    for i in range(n):
        slope[i] += h * (short[i] * np.float64(line[i]))


@njit(**_INLINE)
def _add_products(here, there, slope, length, n, sums):
    start = end = start_size = end_size = residual = before = after = slopes = 0.0
    for i in range(n):
        u, v, s = np.float64(here[i]), np.float64(there[i]), slope[i]
        rest = v - u - length * s
        start += u * s
        end += v * s
        start_size += abs(u * s)
        end_size += abs(v * s)
        residual += rest * rest
        before += u * u
        after += v * v
        slopes += s * s
    sums[3] += start
    sums[4] += end
    sums[5] += start_size
    sums[6] += end_size
    sums[7] += residual
    sums[8] += before
    sums[9] += after
    sums[10] += slopes


@compiled(**_FLAGS)
def sum_rows(before, after, phi, factor, length, inverse_spacing, begin, end, sums):
    """Put the sums of rows [begin, end) into ``sums``, shape (N_SUMS, Z Y, segments)."""
    n_channels, n_axes, _, n_y, n_x = phi.shape
    start, middle, last = np.empty(SEGMENT), np.empty(SEGMENT), np.empty(SEGMENT)
    slope = np.empty(SEGMENT)
    n_z = phi.shape[2]
    for row in range(begin, end):
        z, y = row // n_y, row % n_y
        for segment in range(sums.shape[2]):
            first = segment * SEGMENT
            n = min(SEGMENT, n_x - first)
            start[:n] = 0
            middle[:n] = 0
            last[:n] = 0
            here_sums = sums[:, row, segment]
            here_sums[:] = 0
            for c in range(n_channels):
                here, there = before[c, z, y, first:], after[c, z, y, first:]
                slope[:n] = 0
                for a in range(n_axes):
                    axis, h = 3 - n_axes + a, inverse_spacing[a]
                    line, short = phi[c, a, z, y, first:], factor[row, first:]
                    if axis == 2:
                        inner = n - 1 if first + n == n_x else n
                        ahead, beyond = here[1:], there[1:]
                        _forward(here, there, ahead, beyond, h, inner, start, middle, last)
                        _outflow(line, short, h, inner, slope)
                        outer = 1 if first == 0 else 0
                        line = phi[c, a, z, y, first + outer - 1 :]
                        short = factor[row, first + outer - 1 :]
                        _outflow(line, short, -h, n - outer, slope[outer:])
                        continue
                    position, size, back = (y, n_y, 1) if axis == 1 else (z, n_z, n_y)
                    down, right = int(axis == 0), int(axis == 1)
                    if position + 1 < size:
                        ahead = before[c, z + down, y + right, first:]
                        beyond = after[c, z + down, y + right, first:]
                        _forward(here, there, ahead, beyond, h, n, start, middle, last)
                        _outflow(line, short, h, n, slope)
                    if position > 0:
                        line = phi[c, a, z - down, y - right, first:]
                        _outflow(line, factor[row - back, first:], -h, n, slope)
                _add_products(here, there, slope, length, n, here_sums)
            for k, square in enumerate((start, middle, last)):
                variation = 0.0
                for i in range(n):
                    variation += np.sqrt(square[i])
                here_sums[k] = variation
