r"""One level of the multigrid cycle, compiled: v, iterations, and the forces of the constraint.

Level l + 1 has half the cells of level l along the axes that are halved there. All arrays of all
levels lie in one flat array ``work``, as rows of ``stride`` numbers like those of
:mod:`.sweep_kernel`; ``at`` says where those of a level begin. Level 0 is the image itself, with f
and phi of the trajectory. On every level :math:`v = f + \mathrm{div}\,\phi`, and the direction of
ascent is :math:`g = A D v + \tau`; see :mod:`.torch.multigrid` for the mathematics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from skimage_tvflow.core.backends import coarse_grids
from skimage_tvflow.core.backends.numba.simd import (
    FASTMATH,
    larger,
    load,
    root,
    splat,
    store,
    where_at_least,
)

# Whole passes over a level are called: copies of them at every place would take a minute to
# compile. Without "_nrt" numba would count references to ``work`` at every vector, which makes the
# cycle 1.6 times as long.
CALLED: dict[str, Any] = {"_nrt": False, "fastmath": set(FASTMATH), "error_model": "numpy"}
INLINE: dict[str, Any] = {"forceinline": True, **CALLED}
# Arrays of a level, in the order of ``offsets``.
F, PHI, START, TAU, RADIUS, V, FORCE, ROOM, SCRATCH, FACES = range(10)
COLUMN_DIV, COLUMN_GRAD, COLUMN_MEAN, COLUMN_PAD, ROW_DIV, ROW_GRAD, ROW_MEAN = range(10, 17)
# Numbers of ``geometry``: of the level; from HALVED on three, 2 for an axis that is halved on the
# way to the next level and 1 for others; and the rows of a plane, all rows where there are two
# axes.
ROWS, STRIDE, LAG, HALVED, _, _, N_Y = range(7)
# What :func:`_add_row` does.
SUM, MEAN, FACE, SPREAD = range(4)
# What :func:`numbers_as` returns.
ONE, TINY, LEAST_LENGTH, LARGE, SATURATED = range(5)


def numbers_as(dtype: np.dtype) -> np.ndarray:
    """The constants of the compiled code, in the precision of the image."""
    shared = coarse_grids.LEAST_LENGTH, coarse_grids.SATURATED
    return np.array((1.0, 1e-30, shared[0], 1e15, shared[1]), dtype)


@njit(**INLINE)
def step_along(geometry, axis):
    """Numbers from a pixel to its neighbour along ``axis``, the last axis first."""
    if axis == 0:
        return 1
    return geometry[STRIDE] * (geometry[LAG] if axis == 2 else 1)


@njit(**INLINE)
def place_of(geometry, k, row):
    """Where row ``row`` of the k-th component of phi begins."""
    return (k * (geometry[LAG] + geometry[ROWS]) + geometry[LAG] + row) * geometry[STRIDE]


@njit(**CALLED)
def put_values(lanes, n_channels, n_axes, geometry, at, work, f, f_at, phi, a, b, gamma):
    """V = f + div(a + gamma (a - b))."""
    n_rows, stride, lag = geometry[ROWS], geometry[STRIDE], geometry[LAG]
    for c in range(n_channels):
        for row in range(n_rows):
            to = at[V] + (c * (n_rows + lag) + row) * stride
            for axis in range(n_axes):
                row_factor = work[at[ROW_DIV] + axis * n_rows + row]
                column, back = at[COLUMN_DIV] + axis * stride, step_along(geometry, axis)
                here = place_of(geometry, c * n_axes + axis, row)
                so_far = f_at + (c * n_rows + row) * stride
                for x in range(0, stride, lanes):
                    i = a + here + x
                    change = load(phi, i) - load(phi, i - back)
                    if gamma > 0:
                        i = b + here + x
                        change = change + gamma * (change - (load(phi, i) - load(phi, i - back)))
                    change = row_factor * (load(work, column + x) * change)
                    if axis == 0:
                        store(work, to + x, load(f, so_far + x) + change)
                    else:
                        store(work, to + x, load(work, to + x) + change)


@njit(**INLINE)
def _ascent_row(n_axes, geometry, at, work, k, row):
    """What :func:`_ascent` needs for component k of a row: its numbers are found only once."""
    n_rows, stride = geometry[ROWS], geometry[STRIDE]
    c, axis = k // n_axes, k % n_axes
    here = at[V] + (c * (n_rows + geometry[LAG]) + row) * stride
    column = at[COLUMN_GRAD] + axis * stride
    return here, step_along(geometry, axis), column, work[at[ROW_GRAD] + axis * n_rows + row]


@njit(**INLINE)
def _ascent(work, here, step, column, row_factor, x):
    """A D v: the area times the difference of V."""
    difference = load(work, here + step + x) - load(work, here + x)
    return row_factor * (load(work, column + x) * difference)


@njit(**CALLED)
def sweep_level(lanes, n_channels, n_axes, geometry, at, work, a, b, momentum, bounded, numbers):
    """One iteration of a coarse level: the new phi replaces its predecessor at ``b``."""
    n_rows, stride = geometry[ROWS], geometry[STRIDE]
    beta, gamma, step, tiny = momentum[0], momentum[1], momentum[2], numbers[TINY]
    squares, n = at[SCRATCH], n_channels * n_axes
    put_values(lanes, n_channels, n_axes, geometry, at, work, work, at[F], work, a, b, gamma)
    for row in range(n_rows):
        for k in range(n):
            here, ahead, column, factor = _ascent_row(n_axes, geometry, at, work, k, row)
            place, tau = place_of(geometry, k, row), at[TAU] + (k * n_rows + row) * stride
            faces = at[FACES] + (k % n_axes * n_rows + row) * stride
            for x in range(0, stride, lanes):
                g = _ascent(work, here, ahead, column, factor, x) + load(work, tau + x)
                if bounded:
                    g = g * load(work, faces + x)
                now, j = load(work, a + place + x), b + place + x
                p = now + beta * (now - load(work, j)) + step * g
                store(work, j, p)
                square = p * p
                if k > 0:
                    square = square + load(work, squares + x)
                store(work, squares + x, square)
        radii = at[RADIUS] + row * stride
        for x in range(0, stride, lanes):
            radius = load(work, radii + x)
            square = larger(load(work, squares + x), radius * radius) + tiny
            store(work, squares + x, radius / root(square))
        for k in range(n):
            place = b + place_of(geometry, k, row)
            for x in range(0, stride, lanes):
                store(work, place + x, load(work, place + x) * load(work, squares + x))


@njit(**CALLED)
def put_forces(lanes, n_channels, n_axes, geometry, at, work, phi, a, fine, bounded, numbers):
    """The force lambda phi of the constraint, and the room R - |phi| that it leaves."""
    n_rows, stride, n = geometry[ROWS], geometry[STRIDE], n_channels * n_axes
    one, tiny, saturated = numbers[ONE], numbers[TINY], numbers[SATURATED]
    squares, products, pad = at[SCRATCH], at[SCRATCH] + stride, at[COLUMN_PAD]
    for row in range(n_rows):
        for k in range(n):
            here, ahead, column, factor = _ascent_row(n_axes, geometry, at, work, k, row)
            place, tau = place_of(geometry, k, row), at[TAU] + (k * n_rows + row) * stride
            for x in range(0, stride, lanes):
                g = _ascent(work, here, ahead, column, factor, x)
                if not fine:
                    g = g + load(work, tau + x)
                p = load(phi, a + place + x)
                square, along = p * p, g * p
                if k > 0:
                    square = square + load(work, squares + x)
                    along = along + load(work, products + x)
                store(work, squares + x, square)
                store(work, products + x, along)
        radii, rooms = at[RADIUS] + row * stride, at[ROOM] + row * stride
        for x in range(0, stride, lanes):
            radius = splat(one)
            if bounded or not fine:
                radius = load(work, radii + x)
            square, along = load(work, squares + x), load(work, products + x)
            multiplier = larger(along, radius - radius) / (square + tiny)
            multiplier = where_at_least(square, saturated * (radius * radius), multiplier)
            store(work, products + x, multiplier)
            store(work, rooms + x, radius - root(square) + load(work, pad + x))
        for k in range(n):
            place, force = a + place_of(geometry, k, row), at[FORCE] + (k * n_rows + row) * stride
            for x in range(0, stride, lanes):
                store(work, force + x, load(work, products + x) * load(phi, place + x))
