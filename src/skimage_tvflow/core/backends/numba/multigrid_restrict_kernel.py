"""From a level of the multigrid cycle to the next coarser one, compiled."""

from __future__ import annotations

from numba import njit

from skimage_tvflow.core.backends.numba.multigrid_level_kernel import (
    CALLED,
    COLUMN_DIV,
    COLUMN_GRAD,
    COLUMN_MEAN,
    FACE,
    FORCE,
    HALVED,
    INLINE,
    LAG,
    LARGE,
    LEAST_LENGTH,
    MEAN,
    N_Y,
    ONE,
    PHI,
    RADIUS,
    ROOM,
    ROW_DIV,
    ROW_GRAD,
    ROW_MEAN,
    ROWS,
    SPREAD,
    START,
    STRIDE,
    SUM,
    TAU,
    TINY,
    F,
    V,
    place_of,
    step_along,
)
from skimage_tvflow.core.backends.numba.simd import (
    evens,
    larger,
    load,
    odds,
    root,
    smaller,
    splat,
    store,
    where_at_least,
)


@njit(**INLINE)
def _pair(lanes, source, at, x, stride, nothing):
    """The two vectors at ``x`` of a fine row; what lies beyond the row is ``nothing``."""
    low = high = nothing
    if x < stride:
        low = load(source, at + x)
    if x + lanes < stride:
        high = load(source, at + x + lanes)
    return low, high


@njit(**CALLED)
def _add_row(lanes, halved, kind, source, at, fine_stride, work, to, stride, weight, mean, one):
    """Add ``weight`` times a fine row to a coarse one.

    ``kind`` says how, along the row: SUM adds the two children of a cell, MEAN takes their mean
    with the weights at ``mean``, FACE takes the face between two cells, SPREAD is the transpose of
    linear interpolation between faces.
    """
    nothing = splat(one - one)
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
            share_low, share_high = _pair(lanes, work, mean, 2 * x, fine_stride, nothing)
            first = evens(share_low * low, share_high * high)
            # Reading beyond the row is harmless: it only reaches the face out of the image.
            i, j = at + 2 * x + 2, mean + 2 * x + 2
            low_beyond = (one - load(work, j)) * load(source, i)
            high_beyond = (one - load(work, j + lanes)) * load(source, i + lanes)
            value = odds(low, high) + first + evens(low_beyond, high_beyond)
            store(work, to + x, load(work, to + x) + weight * value)


@njit(**INLINE)
def _spread_weight(halved, own, d, mean, one):
    """The part of child d in the transpose of P; d = 2 is the first child of the next cell."""
    if d == halved:
        return one - mean if own else one - one
    return mean if own and d == 0 else one


@njit(**CALLED)
def _collect(
    lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, fine, row, numbers
):
    """Sum up over the children of a coarse row: START, the forces in TAU, tau in FORCE, F, ROOM."""
    one = numbers[ONE]
    n_rows, stride, count = geometry[ROWS], geometry[STRIDE], coarse[ROWS]
    halved = geometry[HALVED:]
    width, n = coarse[STRIDE], n_channels * n_axes
    share = one / (halved[0] * halved[1] * halved[2])
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
                part = _spread_weight(halved[1], axis == 1, dy, mean_y, one)
                part *= _spread_weight(halved[2], axis == 2, dz, mean_z, one)
                here = (k * n_rows + source) * stride
                there = (k * count + row) * width
                kind = SPREAD if axis == 0 else SUM
                if part > 0:
                    _add_row(
                        lanes, halved[0] > 1, kind, work, at[FORCE] + here, stride, work,
                        to[TAU] + there, width, part * share, at[COLUMN_MEAN], one)  # fmt: skip
                if part > 0 and not fine:
                    _add_row(
                        lanes, halved[0] > 1, kind, work, at[TAU] + here, stride, work,
                        to[FORCE] + there, width, part * share, at[COLUMN_MEAN], one)  # fmt: skip
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
                        a + place_of(geometry, k, source), stride, work,
                        to[START] + place_of(coarse, k, row), width, weight,
                        at[COLUMN_MEAN], one)  # fmt: skip
            if dy == halved[1] or dz == halved[2]:
                continue
            for c in range(n_channels):
                _add_row(
                    lanes, halved[0] > 1, MEAN, work,
                    at[V] + (c * (n_rows + geometry[LAG]) + source) * stride, stride, work,
                    to[F] + (c * count + row) * width, width, mean_y * mean_z,
                    at[COLUMN_MEAN], one)  # fmt: skip
            for x in range(0, width, lanes):
                least = load(work, to[ROOM] + row * width + x)
                i = at[ROOM] + source * stride
                if halved[0] > 1:
                    low, high = _pair(lanes, work, i, 2 * x, stride, least)
                    least = smaller(least, smaller(evens(low, high), odds(low, high)))
                else:
                    least = smaller(least, load(work, i + x))
                store(work, to[ROOM] + row * width + x, least)


@njit(**CALLED)
def _pose(lanes, n_channels, n_axes, coarse, to, work, numbers):
    """Finish the coarse problem: tau, the radius, f, and phi and its predecessor, both START."""
    count, width, n = coarse[ROWS], coarse[STRIDE], n_channels * n_axes
    other = n * (coarse[LAG] + count) * width
    for row in range(count):
        for x in range(0, width, lanes):
            square = force = splat(numbers[ONE] - numbers[ONE])
            for k in range(n):
                axis, i = k % n_axes, to[TAU] + (k * count + row) * width + x
                p = load(work, to[START] + place_of(coarse, k, row) + x)
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
                i = place_of(coarse, k, row) + x
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
                    j = to[START] + place_of(coarse, c * n_axes + axis, row) + x
                    change = load(work, j) - load(work, j - step_along(coarse, axis))
                    factor = load(work, to[COLUMN_DIV] + axis * width + x)
                    value = value - work[to[ROW_DIV] + axis * count + row] * (factor * change)
                store(work, i, value)


@njit(**CALLED)
def restrict(
    lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, fine, numbers
):
    """Pose the problem of the coarse level, whose solution corrects phi of the fine one."""
    count, width, n = coarse[ROWS], coarse[STRIDE], n_channels * n_axes
    nothing = splat(numbers[ONE] - numbers[ONE])
    for row in range(count):
        for x in range(0, width, lanes):
            for k in range(n):
                store(work, to[START] + place_of(coarse, k, row) + x, nothing)
                store(work, to[TAU] + (k * count + row) * width + x, nothing)
                store(work, to[FORCE] + (k * count + row) * width + x, nothing)
            for c in range(n_channels):
                store(work, to[F] + (c * count + row) * width + x, nothing)
            store(work, to[ROOM] + row * width + x, splat(numbers[LARGE]))
        _collect(
            lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, fine, row,
            numbers)  # fmt: skip
    _pose(lanes, n_channels, n_axes, coarse, to, work, numbers)
