"""The multigrid cycle for the dual of an implicit Euler step, compiled."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

from skimage_tvflow.core.backends.numba.jit import compiled
from skimage_tvflow.core.backends.numba.multigrid_level_kernel import (
    CALLED,
    COLUMN_DIV,
    FORCE,
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


@njit(**CALLED)
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
        n_channels, n_axes, geometries, offsets, sizes, visits, work, f, phi, newest, bounded,
        momenta, n_sweeps, n_coarsest, numbers, sums,
    ):  # fmt: skip
        """One cycle for f and phi of an image; buffer ``newest`` of phi and the other are moved."""
        last, n = len(geometries) - 1, n_channels * n_axes
        # Of every level: visits left, size of phi, where phi begins and where its predecessor.
        left = np.zeros(last + 1, np.int64)
        size, newer, older = np.empty_like(left), np.empty_like(left), np.empty_like(left)
        for level in range(last + 1):
            g = geometries[level]
            size[level] = n * (g[LAG] + g[ROWS]) * g[STRIDE]
        newer[0], older[0] = newest * size[0], (1 - newest) * size[0]
        left[0] = 1
        level = 0
        while level > 0 or left[0] > 0:
            down = left[level] > 0
            if not down:
                level -= 1
            g, at, is_image = geometries[level], offsets[level], level == 0
            coarse, to = geometries[level + 1], offsets[level + 1]
            a, b = newer[level], older[level]
            own_f, f_at, own_phi = work, at[F], work
            if is_image:
                own_f, f_at, own_phi = f, 0, phi
            if down:
                left[level] -= 1
                put_values(
                    lanes, n_channels, n_axes, g, at, work, own_f, f_at, own_phi, a, b,
                    numbers[ONE] - numbers[ONE])  # fmt: skip
                put_forces(
                    lanes, n_channels, n_axes, g, at, work, own_phi, a, is_image, bounded,
                    numbers)  # fmt: skip
                restrict(
                    lanes, n_channels, n_axes, g, at, coarse, to, sizes[level], work, own_phi, a,
                    is_image, numbers)  # fmt: skip
                level += 1
                left[level] = visits[level]
                newer[level], older[level] = to[PHI], to[PHI] + size[level]
                sweeps = n_coarsest if level == last else n_sweeps
            else:
                prolong(
                    lanes, n_channels, n_axes, g, at, coarse, to, sizes[level], work, own_phi, a,
                    b, newer[level + 1], is_image, bounded, numbers)  # fmt: skip
                sweeps = n_sweeps
                if is_image:
                    sweeps = 0
                    _limit(
                        lanes, n_channels, n_axes, g, at, work, f, phi, a, b, numbers,
                        sums)  # fmt: skip
            g, at = geometries[level], offsets[level]
            for _ in range(sweeps):
                a, b = newer[level], older[level]
                sweep_level(
                    lanes, n_channels, n_axes, g, at, work, a, b, momenta[level], bounded,
                    numbers)  # fmt: skip
                newer[level], older[level] = b, a

    return cycle
