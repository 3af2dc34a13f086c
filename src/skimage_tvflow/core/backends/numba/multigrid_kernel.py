"""The multigrid cycle for the dual of an implicit Euler step, compiled."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

from skimage_tvflow.core.backends.numba.jit import compiled
from skimage_tvflow.core.backends.numba.multigrid_level_kernel import (
    COLUMN_DIV,
    FORCE,
    INLINE,
    LAG,
    ONE,
    PHI,
    ROW_DIV,
    ROWS,
    SCRATCH,
    STRIDE,
    F,
    V,
    place_of,
    put_forces,
    put_values,
    step_along,
    sweep_level,
)
from skimage_tvflow.core.backends.numba.multigrid_prolong_kernel import prolong
from skimage_tvflow.core.backends.numba.multigrid_restrict_kernel import restrict
from skimage_tvflow.core.backends.numba.simd import (
    FASTMATH,
    VECTOR_BYTES,
    load,
    splat,
    store,
)


@njit(**INLINE)
def _limit(lanes, n_channels, n_axes, geometry, at, work, f, phi, a, b, numbers, sums):
    """Shorten the correction of the image's own phi to where the dual energy is least.

    V and FORCE are v and phi before it. The energy is quadratic along the way and the way stays
    among admissible phi, so no cycle ever increases it.
    """
    n_rows, stride, n = geometry[ROWS], geometry[STRIDE], n_channels * n_axes
    slope = curvature = 0.0
    values = at[SCRATCH]
    for c in range(n_channels):
        for row in range(n_rows):
            source = (c * n_rows + row) * stride
            for axis in range(n_axes):
                row_factor = work[at[ROW_DIV] + axis * n_rows + row]
                column, back = at[COLUMN_DIV] + axis * stride, step_along(geometry, axis)
                here = a + place_of(geometry, c * n_axes + axis, row)
                for x in range(0, stride, lanes):
                    change = load(phi, here + x) - load(phi, here + x - back)
                    change = row_factor * (load(work, column + x) * change)
                    if axis == 0:
                        change = change + load(f, source + x)
                    else:
                        change = change + load(work, values + x)
                    store(work, values + x, change)
            first = second = splat(numbers[ONE] - numbers[ONE])
            before = at[V] + (c * (n_rows + geometry[LAG]) + row) * stride
            for x in range(0, stride, lanes):
                old = load(work, before + x)
                change = load(work, values + x) - old
                first = first + change * old
                second = second + change * change
            store(sums, 0, first)
            store(sums, lanes, second)
            for lane in range(lanes):
                slope += sums[lane]
                curvature += sums[lanes + lane]
    if curvature <= 0:
        return
    share = -slope / curvature
    if share >= 1:
        return
    rest = numbers[ONE] * (1 - max(share, 0.0))
    for k in range(n):
        for row in range(n_rows):
            for x in range(0, stride, lanes):
                i = place_of(geometry, k, row) + x
                p = load(phi, a + i)
                old = load(work, at[FORCE] + (k * n_rows + row) * stride + x)
                store(phi, a + i, p + rest * (old - p))
                store(phi, b + i, load(phi, b + i) + rest * (old - p))


@functools.cache
def compile_cycle(itemsize: int) -> Any:
    """Return the cycle for numbers of ``itemsize`` bytes, compiled when it is called."""
    lanes = VECTOR_BYTES // itemsize

    @compiled(fastmath=set(FASTMATH))
    def cycle(
        n_channels, n_axes, geometries, offsets, sizes, visits, work, f, phi, newest, momenta,
        n_sweeps, n_coarsest, numbers, sums,
    ):  # fmt: skip
        """One cycle for f and phi of an image; buffer ``newest`` of phi and the other are moved."""
        last = len(geometries) - 1
        n = n_channels * n_axes
        left = np.zeros(last + 1, np.int64)
        parity = np.zeros(last + 1, np.int64)
        starts, rests = np.zeros(last + 1, np.int64), np.zeros(last + 1, np.int64)
        for level in range(last + 1):
            g = geometries[level]
            size = n * (g[LAG] + g[ROWS]) * g[STRIDE]
            starts[level], rests[level] = offsets[level, PHI], offsets[level, PHI] + size
        size = rests[0] - starts[0]
        a0, b0 = newest * size, (1 - newest) * size
        left[0] = 1
        level = 0
        while level > 0 or left[0] > 0:
            g, at = geometries[level], offsets[level]
            a, b = starts[level], rests[level]
            if parity[level]:
                a, b = b, a
            if left[level] > 0:
                left[level] -= 1
                to, coarse = offsets[level + 1], geometries[level + 1]
                if level == 0:
                    put_values(
                        lanes, n_channels, n_axes, g, at, work, f, 0, phi, a0, b0,
                        numbers[ONE] - numbers[ONE])  # fmt: skip
                    put_forces(lanes, n_channels, n_axes, g, at, work, phi, a0, True, numbers)
                    restrict(
                        lanes, n_channels, n_axes, g, at, coarse, to, sizes[0], work, phi, a0,
                        True, numbers)  # fmt: skip
                else:
                    put_values(
                        lanes, n_channels, n_axes, g, at, work, work, at[F], work, a, b,
                        numbers[ONE] - numbers[ONE])  # fmt: skip
                    put_forces(lanes, n_channels, n_axes, g, at, work, work, a, False, numbers)
                    restrict(
                        lanes, n_channels, n_axes, g, at, coarse, to, sizes[level], work, work, a,
                        False, numbers)  # fmt: skip
                level += 1
                parity[level] = 0
                left[level] = visits[level]
                sweeps = n_coarsest if level == last else n_sweeps
            else:
                fine, to_fine = geometries[level - 1], offsets[level - 1]
                if level == 1:
                    prolong(
                        lanes, n_channels, n_axes, fine, to_fine, g, at, sizes[0], work, phi, a0,
                        b0, parity[1], True, numbers)  # fmt: skip
                    _limit(
                        lanes, n_channels, n_axes, fine, to_fine, work, f, phi, a0, b0, numbers,
                        sums)  # fmt: skip
                    level = 0
                    continue
                c, d = starts[level - 1], rests[level - 1]
                if parity[level - 1]:
                    c, d = d, c
                prolong(
                    lanes, n_channels, n_axes, fine, to_fine, g, at, sizes[level - 1], work, work,
                    c, d, parity[level], False, numbers)  # fmt: skip
                level -= 1
                sweeps = n_sweeps
            g, at = geometries[level], offsets[level]
            for _ in range(sweeps):
                a, b = starts[level], rests[level]
                if parity[level]:
                    a, b = b, a
                sweep_level(lanes, n_channels, n_axes, g, at, work, a, b, momenta[level], numbers)
                parity[level] = 1 - parity[level]

    return cycle
