r"""The compiled multigrid cycle for the dual of an implicit Euler step.

Level l + 1 has half the cells of level l along the axes that are coarsened there. All its arrays
lie in one flat array ``work``, as rows of ``stride`` numbers like those of :mod:`.sweep_kernel`;
``offsets`` says where each begins. Level 0 is the image itself, with f and phi of the trajectory.

On every level :math:`v = f + \mathrm{div}\,\phi` and the ascent direction is
:math:`g = A D v + \tau`, where the area A of a face is below 1 next to a last cell that is not
whole; see :mod:`.multigrid` for the tables that hold these factors and for the mathematics.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

from skimage_tvflow.core.backends.numba.jit import compiled
from skimage_tvflow.core.backends.numba.simd import (
    FASTMATH,
    VECTOR_BYTES,
    evens,
    interleaved,
    larger,
    load,
    odds,
    root,
    smaller,
    splat,
    store,
    where_at_least,
)

_INLINE: dict[str, Any] = {"forceinline": True, "fastmath": set(FASTMATH), "error_model": "numpy"}
# Arrays of a level, in the order of ``offsets``.
F, PHI, START, TAU, RADIUS, V, FORCE, ROOM, SCRATCH = range(9)
COLUMN_DIV, COLUMN_GRAD, COLUMN_MEAN, COLUMN_PAD, ROW_DIV, ROW_GRAD, ROW_MEAN = range(9, 16)
N_ARRAYS = 16
# Numbers of ``geometry``: of the level, then whether each axis is halved on the way to the next.
ROWS, STRIDE, LAG, HALVED = range(4)
N_Y = HALVED + 3  # rows of a plane: LAG, but all rows of an image of two axes
# Constants in the precision of the image.
ONE, HALF, TINY, LEAST_LENGTH, LARGE, SATURATED = range(6)
LARGE_NUMBER = 1e15
# The constraint counts as active where |phi|^2 is at least .998 R^2; .64 to .998 make no difference.
NUMBERS = (1.0, 0.5, 1e-30, 1e-10, LARGE_NUMBER, 0.998)
# What :func:`_add_row` does.
SUM, MEAN, FACE, SPREAD = range(4)


@njit(**_INLINE)
def _step(geometry, axis):
    """Numbers from a pixel to its neighbour along ``axis``, the last axis first."""
    if axis == 0:
        return 1
    return geometry[STRIDE] * (geometry[LAG] if axis == 2 else 1)


@njit(**_INLINE)
def _place(geometry, k, row):
    """Where row ``row`` of the k-th component of phi begins."""
    return (k * (geometry[LAG] + geometry[ROWS]) + geometry[LAG] + row) * geometry[STRIDE]


@njit(**_INLINE)
def _values(lanes, n_channels, n_axes, geometry, at, work, f, f_at, phi, a, b, gamma):
    """V = f + div(a + gamma (a - b))."""
    n_rows, stride, lag = geometry[ROWS], geometry[STRIDE], geometry[LAG]
    for c in range(n_channels):
        for row in range(n_rows):
            to = at[V] + (c * (n_rows + lag) + row) * stride
            for axis in range(n_axes):
                row_factor = work[at[ROW_DIV] + axis * n_rows + row]
                column, back = at[COLUMN_DIV] + axis * stride, _step(geometry, axis)
                here = _place(geometry, c * n_axes + axis, row)
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


@njit(**_INLINE)
def _ascent_row(n_axes, geometry, at, work, k, row):
    """What :func:`_ascent` needs for component k of a row: its numbers are found only once."""
    n_rows, stride = geometry[ROWS], geometry[STRIDE]
    c, axis = k // n_axes, k % n_axes
    here = at[V] + (c * (n_rows + geometry[LAG]) + row) * stride
    column = at[COLUMN_GRAD] + axis * stride
    return here, _step(geometry, axis), column, work[at[ROW_GRAD] + axis * n_rows + row]


@njit(**_INLINE)
def _ascent(work, here, step, column, row_factor, x):
    """A D v: the area times the difference of V."""
    difference = load(work, here + step + x) - load(work, here + x)
    return row_factor * (load(work, column + x) * difference)


@njit(**_INLINE)
def _sweep(lanes, n_channels, n_axes, geometry, at, work, a, b, momentum, numbers):
    """One iteration of a coarse level: the new phi replaces its predecessor at ``b``."""
    n_rows, stride = geometry[ROWS], geometry[STRIDE]
    beta, gamma, step, tiny = momentum[0], momentum[1], momentum[2], numbers[TINY]
    squares, n = at[SCRATCH], n_channels * n_axes
    _values(lanes, n_channels, n_axes, geometry, at, work, work, at[F], work, a, b, gamma)
    for row in range(n_rows):
        for k in range(n):
            here, ahead, column, factor = _ascent_row(n_axes, geometry, at, work, k, row)
            place, tau = _place(geometry, k, row), at[TAU] + (k * n_rows + row) * stride
            for x in range(0, stride, lanes):
                g = _ascent(work, here, ahead, column, factor, x) + load(work, tau + x)
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
            place = b + _place(geometry, k, row)
            for x in range(0, stride, lanes):
                store(work, place + x, load(work, place + x) * load(work, squares + x))


@njit(**_INLINE)
def _forces(lanes, n_channels, n_axes, geometry, at, work, phi, a, fine, numbers):
    """The force lambda phi of the constraint, and the room R - |phi| that it leaves."""
    n_rows, stride, n = geometry[ROWS], geometry[STRIDE], n_channels * n_axes
    one, tiny, saturated = numbers[ONE], numbers[TINY], numbers[SATURATED]
    squares, products, pad = at[SCRATCH], at[SCRATCH] + stride, at[COLUMN_PAD]
    for row in range(n_rows):
        for k in range(n):
            here, ahead, column, factor = _ascent_row(n_axes, geometry, at, work, k, row)
            place, tau = _place(geometry, k, row), at[TAU] + (k * n_rows + row) * stride
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
            if not fine:
                radius = load(work, radii + x)
            square, along = load(work, squares + x), load(work, products + x)
            multiplier = larger(along, radius - radius) / (square + tiny)
            multiplier = where_at_least(square, saturated * (radius * radius), multiplier)
            store(work, products + x, multiplier)
            store(work, rooms + x, radius - root(square) + load(work, pad + x))
        for k in range(n):
            place, force = a + _place(geometry, k, row), at[FORCE] + (k * n_rows + row) * stride
            for x in range(0, stride, lanes):
                store(work, force + x, load(work, products + x) * load(phi, place + x))


@njit(**_INLINE)
def _pair(lanes, source, at, x, stride, nothing):
    """The two vectors at ``x`` of a fine row; what lies beyond the row is ``nothing``."""
    low = high = nothing
    if x < stride:
        low = load(source, at + x)
    if x + lanes < stride:
        high = load(source, at + x + lanes)
    return low, high


@njit(fastmath=set(FASTMATH), error_model="numpy")
def _add_row(lanes, halved, kind, source, at, fine_stride, work, to, stride, weight, mean, half):
    """Add ``weight`` times a fine row to a coarse one.

    ``kind`` says how, along the row: SUM adds the two children of a cell, MEAN takes their mean
    with the weights at ``mean``, FACE the face between two cells, SPREAD is the transpose of linear
    interpolation between faces.
    """
    nothing = splat(half - half)
    if not halved:
        for x in range(0, stride, lanes):
            value = load(source, at + x)
            if kind == MEAN:
                value = value * load(work, mean + x)
            store(work, to + x, load(work, to + x) + weight * value)
    elif kind == FACE:
        for x in range(0, stride, lanes):
            low, high = _pair(lanes, source, at, 2 * x, fine_stride, nothing)
            store(work, to + x, load(work, to + x) + weight * odds(low, high))
    elif kind == SUM:
        for x in range(0, stride, lanes):
            low, high = _pair(lanes, source, at, 2 * x, fine_stride, nothing)
            store(work, to + x, load(work, to + x) + weight * (evens(low, high) + odds(low, high)))
    elif kind == MEAN:
        for x in range(0, stride, lanes):
            low, high = _pair(lanes, source, at, 2 * x, fine_stride, nothing)
            weight_low, weight_high = _pair(lanes, work, mean, 2 * x, fine_stride, nothing)
            low, high = low * weight_low, high * weight_high
            store(work, to + x, load(work, to + x) + weight * (evens(low, high) + odds(low, high)))
    else:
        for x in range(0, stride, lanes):
            low, high = _pair(lanes, source, at, 2 * x, fine_stride, nothing)
            # Reading beyond the row is harmless: it only reaches the face out of the image.
            i = at + 2 * x + 2
            beyond = evens(load(source, i), load(source, i + lanes))
            value = odds(low, high) + half * (evens(low, high) + beyond)
            store(work, to + x, load(work, to + x) + weight * value)


@njit(**_INLINE)
def _transfer_weight(halved, own, d):
    """The part of child d in the sum over a coarse cell, or, along its ``own`` axis, in a face."""
    if halved == 1:
        return 0 if d else 2
    if own:
        return 2 if d == 1 else 1
    return 2 if d < 2 else 0  # in halves


@njit(**_INLINE)
def _collect(
    lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, fine, row, numbers
):
    """Sum up over the children of a coarse row: START, the forces in TAU, tau in FORCE, F, ROOM."""
    one, half = numbers[ONE], numbers[HALF]
    n_rows, stride, count = geometry[ROWS], geometry[STRIDE], coarse[ROWS]
    halved = geometry[HALVED:]
    width, n = coarse[STRIDE], n_channels * n_axes
    share = one / (halved[0] * halved[1] * halved[2] * 4)  # weights are counted in halves
    share = numbers[ONE] * share
    row_y, row_z = row % coarse[N_Y], row // coarse[N_Y]
    for dz in range(halved[2] + 1):
        for dy in range(halved[1] + 1):
            y, z = halved[1] * row_y + dy, halved[2] * row_z + dz
            if y >= sizes[1] or z >= sizes[2]:
                continue
            source = z * sizes[1] + y
            mean_y, mean_z = work[at[ROW_MEAN] + y], work[at[ROW_MEAN] + sizes[1] + z]
            for k in range(n):
                axis = k % n_axes
                part = _transfer_weight(halved[1], axis == 1, dy)
                part *= _transfer_weight(halved[2], axis == 2, dz)
                here = (k * n_rows + source) * stride
                there = (k * count + row) * width
                kind = SPREAD if axis == 0 else SUM
                if part:
                    _add_row(
                        lanes, halved[0] > 1, kind, work, at[FORCE] + here, stride, work,
                        to[TAU] + there, width, part * share, at[COLUMN_MEAN], half)  # fmt: skip
                if part and not fine:
                    _add_row(
                        lanes, halved[0] > 1, kind, work, at[TAU] + here, stride, work,
                        to[FORCE] + there, width, part * share, at[COLUMN_MEAN], half)  # fmt: skip
                weight = one
                if axis == 1:
                    weight *= dy == halved[1] - 1
                else:
                    weight *= mean_y * (dy < halved[1])
                if axis == 2:
                    weight *= dz == halved[2] - 1
                else:
                    weight *= mean_z * (dz < halved[2])
                if weight > 0:
                    _add_row(
                        lanes, halved[0] > 1, FACE if axis == 0 else MEAN, phi,
                        a + _place(geometry, k, source), stride, work,
                        to[START] + _place(coarse, k, row), width, one * weight,
                        at[COLUMN_MEAN], half)  # fmt: skip
            if dy == halved[1] or dz == halved[2]:
                continue
            for c in range(n_channels):
                _add_row(
                    lanes, halved[0] > 1, MEAN, work,
                    at[V] + (c * (n_rows + geometry[LAG]) + source) * stride, stride, work,
                    to[F] + (c * count + row) * width, width, mean_y * mean_z,
                    at[COLUMN_MEAN], half)  # fmt: skip
            for x in range(0, width, lanes):
                least = load(work, to[ROOM] + row * width + x)
                i = at[ROOM] + source * stride
                if halved[0] > 1:
                    low, high = _pair(lanes, work, i, 2 * x, stride, least)
                    least = smaller(least, smaller(evens(low, high), odds(low, high)))
                else:
                    least = smaller(least, load(work, i + x))
                store(work, to[ROOM] + row * width + x, least)


@njit(**_INLINE)
def _pose(lanes, n_channels, n_axes, coarse, to, work, newest, numbers):
    """Finish the coarse problem: tau, the radius, f, and phi and its predecessor, both START."""
    count, width, n = coarse[ROWS], coarse[STRIDE], n_channels * n_axes
    other = n * (coarse[LAG] + count) * width
    for row in range(count):
        for x in range(0, width, lanes):
            square = force = splat(numbers[ONE] - numbers[ONE])
            for k in range(n):
                axis, i = k % n_axes, to[TAU] + (k * count + row) * width + x
                p = load(work, to[START] + _place(coarse, k, row) + x)
                # Nothing leaves the image.
                open_ = load(work, to[COLUMN_GRAD] + axis * width + x)
                open_ = work[to[ROW_GRAD] + axis * count + row] * open_
                whole = where_at_least(open_, splat(numbers[TINY]), load(work, i))
                store(work, i, whole)
                j = to[FORCE] + (k * count + row) * width + x
                store(work, j, where_at_least(open_, splat(numbers[TINY]), load(work, j)))
                square = square + p * p
                force = force + whole * whole
            length = root(square)
            ratio = root(force) / (length + numbers[TINY])
            ratio = where_at_least(length, splat(numbers[LEAST_LENGTH]), ratio)
            for k in range(n):
                i = _place(coarse, k, row) + x
                p = load(work, to[START] + i)
                j = (k * count + row) * width + x
                tau = ratio * p - load(work, to[TAU] + j) + load(work, to[FORCE] + j)
                store(work, to[TAU] + j, tau)
                store(work, to[PHI] + i, p)
                store(work, to[PHI] + other + i, p)
            room = larger(load(work, to[ROOM] + row * width + x), length - length)
            store(work, to[RADIUS] + row * width + x, length + room)
    for c in range(n_channels):
        for row in range(count):
            for x in range(0, width, lanes):
                i = to[F] + (c * count + row) * width + x
                value = load(work, i)
                for axis in range(n_axes):
                    j = to[START] + _place(coarse, c * n_axes + axis, row) + x
                    change = load(work, j) - load(work, j - _step(coarse, axis))
                    factor = load(work, to[COLUMN_DIV] + axis * width + x)
                    value = value - work[to[ROW_DIV] + axis * count + row] * (factor * change)
                store(work, i, value)


@njit(**_INLINE)
def _restrict(
    lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, fine, numbers
):
    """Pose the problem of the coarse level, whose solution corrects phi of the fine one."""
    count, width, n = coarse[ROWS], coarse[STRIDE], n_channels * n_axes
    nothing = splat(numbers[ONE] - numbers[ONE])
    for row in range(count):
        for x in range(0, width, lanes):
            for k in range(n):
                store(work, to[START] + _place(coarse, k, row) + x, nothing)
                store(work, to[TAU] + (k * count + row) * width + x, nothing)
                store(work, to[FORCE] + (k * count + row) * width + x, nothing)
            for c in range(n_channels):
                store(work, to[F] + (c * count + row) * width + x, nothing)
            store(work, to[ROOM] + row * width + x, splat(numbers[LARGE]))
        _collect(
            lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, fine, row,
            numbers)  # fmt: skip
    _pose(lanes, n_channels, n_axes, coarse, to, work, 0, numbers)


@njit(**_INLINE)
def _correction(lanes, halved, along, work, at, x, half):
    """A coarse row of corrections, brought to the fine one at ``x``."""
    if not halved:
        return load(work, at + x)
    here = load(work, at + x // 2)
    if not along:
        return interleaved(here, here)
    return interleaved(half * (here + load(work, at + x // 2 - 1)), here)


@njit(**_INLINE)
def _prolong(
    lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, b, newest, fine,
    numbers,
):  # fmt: skip
    """Add the correction of the coarse level to phi, project, and move its predecessor as well.

    FORCE keeps phi as it was.
    """
    one, half = numbers[ONE], numbers[HALF]
    n_rows, stride, n = geometry[ROWS], geometry[STRIDE], n_channels * n_axes
    halved = geometry[HALVED:]
    found = to[PHI] + newest * n * (coarse[LAG] + coarse[ROWS]) * coarse[STRIDE]
    for k in range(n):
        for row in range(coarse[ROWS]):
            for x in range(0, coarse[STRIDE], lanes):
                i = _place(coarse, k, row) + x
                difference = load(work, found + i) - load(work, to[START] + i)
                store(work, to[START] + i, difference)
    squares, tiny = at[SCRATCH], numbers[TINY]
    for row in range(n_rows):
        y, z = row % sizes[1], row // sizes[1]
        source = (z // halved[2]) * coarse[N_Y] + y // halved[1]
        for k in range(n):
            axis = k % n_axes
            # A face inside a coarse cell moves by the mean of the faces before and behind.
            weight, back = one, 0
            if axis == 1 and halved[1] > 1 and y % 2 == 0:
                weight, back = half, coarse[STRIDE] if y > 0 else 0
            if axis == 2 and halved[2] > 1 and z % 2 == 0:
                weight, back = half, coarse[STRIDE] * coarse[N_Y] if z > 0 else 0
            here, column = to[START] + _place(coarse, k, source), at[COLUMN_GRAD] + axis * stride
            place, old = _place(geometry, k, row), at[FORCE] + (k * n_rows + row) * stride
            if work[at[ROW_GRAD] + axis * n_rows + row] == 0:
                weight = one - one
            for x in range(0, stride, lanes):
                change = _correction(lanes, halved[0] > 1, axis == 0, work, here, x, half)
                if back:
                    before = _correction(lanes, halved[0] > 1, False, work, here - back, x, half)
                    change = change + before
                # Nothing leaves the image.
                open_ = load(work, column + x)
                change = where_at_least(open_, splat(tiny), weight * change)
                p = load(phi, a + place + x)
                store(work, old + x, p)
                p = p + change
                store(phi, a + place + x, p)
                square = p * p
                if k > 0:
                    square = square + load(work, squares + x)
                store(work, squares + x, square)
        radii = at[RADIUS] + row * stride
        for x in range(0, stride, lanes):
            radius = splat(one)
            if not fine:
                radius = load(work, radii + x)
            square = larger(load(work, squares + x), radius * radius) + tiny
            store(work, squares + x, radius / root(square))
        for k in range(n):
            place, old = _place(geometry, k, row), at[FORCE] + (k * n_rows + row) * stride
            for x in range(0, stride, lanes):
                p = load(work, squares + x) * load(phi, a + place + x)
                moved = p - load(work, old + x)
                store(phi, a + place + x, p)
                store(phi, b + place + x, load(phi, b + place + x) + moved)


@njit(**_INLINE)
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
                column, back = at[COLUMN_DIV] + axis * stride, _step(geometry, axis)
                here = a + _place(geometry, c * n_axes + axis, row)
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
                i = _place(geometry, k, row) + x
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
                    _values(
                        lanes, n_channels, n_axes, g, at, work, f, 0, phi, a0, b0,
                        numbers[ONE] - numbers[ONE])  # fmt: skip
                    _forces(lanes, n_channels, n_axes, g, at, work, phi, a0, True, numbers)
                    _restrict(
                        lanes, n_channels, n_axes, g, at, coarse, to, sizes[0], work, phi, a0,
                        True, numbers)  # fmt: skip
                else:
                    _values(
                        lanes, n_channels, n_axes, g, at, work, work, at[F], work, a, b,
                        numbers[ONE] - numbers[ONE])  # fmt: skip
                    _forces(lanes, n_channels, n_axes, g, at, work, work, a, False, numbers)
                    _restrict(
                        lanes, n_channels, n_axes, g, at, coarse, to, sizes[level], work, work, a,
                        False, numbers)  # fmt: skip
                level += 1
                parity[level] = 0
                left[level] = visits[level]
                sweeps = n_coarsest if level == last else n_sweeps
            else:
                fine, to_fine = geometries[level - 1], offsets[level - 1]
                if level == 1:
                    _prolong(
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
                _prolong(
                    lanes, n_channels, n_axes, fine, to_fine, g, at, sizes[level - 1], work, work,
                    c, d, parity[level], False, numbers)  # fmt: skip
                level -= 1
                sweeps = n_sweeps
            g, at = geometries[level], offsets[level]
            for _ in range(sweeps):
                a, b = starts[level], rests[level]
                if parity[level]:
                    a, b = b, a
                _sweep(lanes, n_channels, n_axes, g, at, work, a, b, momenta[level], numbers)
                parity[level] = 1 - parity[level]

    return cycle
