"""From a coarse level of the multigrid cycle back to the finer one, compiled."""

from __future__ import annotations

from numba import njit

from skimage_tvflow.core.backends.numba.multigrid_level_kernel import (
    CALLED,
    COLUMN_GRAD,
    COLUMN_MEAN,
    FACES,
    FORCE,
    HALVED,
    INLINE,
    N_Y,
    ONE,
    RADIUS,
    ROW_GRAD,
    ROW_MEAN,
    ROWS,
    SCRATCH,
    START,
    STRIDE,
    TINY,
    place_of,
)
from skimage_tvflow.core.backends.numba.simd import (
    interleaved,
    larger,
    load,
    root,
    splat,
    store,
    where_at_least,
)


@njit(**INLINE)
def _correction(lanes, halved, along, work, at, x, shares, one):
    """A coarse row of corrections, brought to the fine one at ``x``."""
    if not halved:
        return load(work, at + x)
    half_row = load(work, at + x // 2)
    here = interleaved(half_row, half_row)
    if not along:
        return here
    before = interleaved(load(work, at + x // 2 - 1), half_row)
    return here + (one - load(work, shares + x)) * (before - here)


@njit(**CALLED)
def prolong(
    lanes, n_channels, n_axes, geometry, at, coarse, to, sizes, work, phi, a, b, found, fine,
    bounded, numbers,
):  # fmt: skip
    """Add the correction of the coarse level to phi, project, and move its predecessor as well.

    FORCE keeps phi as it was. ``found`` is where the phi of the coarse level begins.
    """
    one = numbers[ONE]
    n_rows, stride, n = geometry[ROWS], geometry[STRIDE], n_channels * n_axes
    halved = geometry[HALVED:]
    for k in range(n):
        for row in range(coarse[ROWS]):
            for x in range(0, coarse[STRIDE], lanes):
                i = place_of(coarse, k, row) + x
                difference = load(work, found + i) - load(work, to[START] + i)
                store(work, to[START] + i, difference)
    squares, tiny, shares = at[SCRATCH], numbers[TINY], at[COLUMN_MEAN]
    for row in range(n_rows):
        y, z = row % sizes[1], row // sizes[1]
        source = (z // halved[2]) * coarse[N_Y] + y // halved[1]
        for k in range(n):
            axis = k % n_axes
            # A face inside a coarse cell moves by a mean of the faces before and behind.
            weight, back = one, 0
            if axis == 1 and halved[1] > 1 and y % 2 == 0:
                weight, back = work[at[ROW_MEAN] + y], coarse[STRIDE] if y > 0 else 0
            if axis == 2 and halved[2] > 1 and z % 2 == 0:
                weight = work[at[ROW_MEAN] + sizes[1] + z]
                back = coarse[STRIDE] * coarse[N_Y] if z > 0 else 0
            rest = one - weight
            here, column = to[START] + place_of(coarse, k, source), at[COLUMN_GRAD] + axis * stride
            place, old = place_of(geometry, k, row), at[FORCE] + (k * n_rows + row) * stride
            if work[at[ROW_GRAD] + axis * n_rows + row] == 0:
                weight = rest = one - one
            faces = at[FACES] + (axis * n_rows + row) * stride
            for x in range(0, stride, lanes):
                change = weight * _correction(
                    lanes, halved[0] > 1, axis == 0, work, here, x, shares, one)  # fmt: skip
                if back:
                    change = change + rest * _correction(
                        lanes, halved[0] > 1, False, work, here - back, x, shares, one)  # fmt: skip
                # Nothing leaves the image.
                open_ = load(work, column + x)
                change = where_at_least(open_, splat(tiny), change)
                if bounded:
                    change = change * load(work, faces + x)
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
            if bounded or not fine:
                radius = load(work, radii + x)
            square = larger(load(work, squares + x), radius * radius) + tiny
            store(work, squares + x, radius / root(square))
        for k in range(n):
            place, old = place_of(geometry, k, row), at[FORCE] + (k * n_rows + row) * stride
            for x in range(0, stride, lanes):
                p = load(work, squares + x) * load(phi, a + place + x)
                moved = p - load(work, old + x)
                store(phi, a + place + x, p)
                store(phi, b + place + x, load(phi, b + place + x) + moved)
