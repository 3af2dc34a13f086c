"""The dual iteration as compiled row sweeps for one CPU core; see :mod:`.numba_cpu` for its driver.

One item, or a band of its rows, is stored as rows along its last axis, each padded to ``stride``,
full vectors::

    f    (C, n_rows, stride)                   the image over the length of the time step
    phi  (2, C, n_axes, lag + n_rows, stride)  the dual and its predecessor, last axis first

Two facts make the inner loops free of branches. The outgoing component of phi is zero at the end
of every row, plane and volume, so a backward difference may always reach back: to the vector before
the first, which is zero, to the last row of the plane before, or to ``lag`` rows of zeros in front.
And a forward difference against itself is zero, so the last row takes itself as its neighbour. What
is behind the width of a row never reaches its pixels: v is continued there as a constant.

An iteration can work on a row once its predecessor is ``lag`` rows ahead (one row in 2-D, one plane
in 3-D), so ``depth`` iterations pass over the image together, as a wavefront, also across the ends
of time steps, and the rows between them stay in the cache.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

from skimage_tvflow.core.backends._simd import (
    FASTMATH,
    VECTOR_BYTES,
    ahead,
    behind,
    load,
    shrinkage,
    splat,
    store,
)

_FLAGS: dict[str, Any] = {"fastmath": set(FASTMATH), "error_model": "numpy"}
_INLINE: dict[str, Any] = {"forceinline": True, **_FLAGS}


@njit(**_INLINE)
def _extrapolated(phi, a, b, momentum):
    """The dual at ``a`` and, by ``momentum``, what it has come from its predecessor at ``b``."""
    now = load(phi, a)
    return now + momentum * (now - load(phi, b))


@njit(**_INLINE)
def _primal_row(n_axes, lanes, f, at, phi, a, b, component, stride, lag, gamma, h, v, to, width):
    """A row of v = f + div(a + gamma (a - b)) into ``v[to:]``, continued behind its width."""
    left = splat(gamma - gamma)
    for x in range(0, stride, lanes):
        value = load(f, at + x)
        i, j = a + x, b + x
        here = _extrapolated(phi, i, j, gamma)
        value = value + h[0] * (here - behind(left, here))
        left = here
        if n_axes > 1:
            i, j = i + component, j + component
            here = _extrapolated(phi, i, j, gamma)
            above = _extrapolated(phi, i - stride, j - stride, gamma)
            value = value + h[1] * (here - above)
        if n_axes > 2:
            i, j = i + component, j + component
            here = _extrapolated(phi, i, j, gamma)
            before = _extrapolated(phi, i - lag * stride, j - lag * stride, gamma)
            value = value + h[2] * (here - before)
        store(v, to + x, value)
    last = v[to + width - 1]
    for x in range(width, stride + 1):
        v[to + x] = last


@njit(**_INLINE)
def _dual_row(n_axes, lanes, v, here, below, beyond, phi, a, b, component, stride, beta, step):
    """The new phi, projected, over its predecessor; one channel."""
    value = load(v, here)
    for x in range(0, stride, lanes):
        i, j = a + x, b + x
        right = load(v, here + x + lanes)
        px = _extrapolated(phi, i, j, beta) + step[0] * (ahead(value, right) - value)
        square = px * px
        py = pz = px
        if n_axes > 1:
            i, j = i + component, j + component
            py = _extrapolated(phi, i, j, beta) + step[1] * (load(v, below + x) - value)
            square = square + py * py
        if n_axes > 2:
            i, j = i + component, j + component
            pz = _extrapolated(phi, i, j, beta) + step[2] * (load(v, beyond + x) - value)
            square = square + pz * pz
        shrink = shrinkage(square)
        j = b + x
        store(phi, j, px * shrink)
        if n_axes > 1:
            store(phi, j + component, py * shrink)
        if n_axes > 2:
            store(phi, j + 2 * component, pz * shrink)
        value = right


@njit(**_INLINE)
def _coupled_row(
    n_axes, lanes, n_channels, channel, v, here, below, beyond, phi, a, b, component, stride, beta,
    step,
):  # fmt: skip
    """As :func:`_dual_row`, for channels that share their length; theirs are ``channel`` apart."""
    for x in range(0, stride, lanes):
        square = splat(beta - beta)
        for c in range(n_channels):
            shift = c * channel + x
            value = load(v, here + shift)
            right = load(v, here + shift + lanes)
            for axis in range(n_axes):
                i = (c * n_axes + axis) * component + x
                neighbour = ahead(value, right)
                if axis == 1:
                    neighbour = load(v, below + shift)
                elif axis == 2:
                    neighbour = load(v, beyond + shift)
                p = _extrapolated(phi, a + i, b + i, beta) + step[axis] * (neighbour - value)
                store(phi, b + i, p)
                square = square + p * p
        shrink = shrinkage(square)
        for i in range(n_channels * n_axes):
            j = b + i * component + x
            store(phi, j, load(phi, j) * shrink)


@njit(**_INLINE)
def _step_row(n_axes, lanes, f, at, phi, a, component, stride, lag, h, rescale):
    """A row of f += div(phi), the end of a time step; ``rescale`` is for the length of the next."""
    left = splat(rescale - rescale)
    for x in range(0, stride, lanes):
        i = a + x
        here = load(phi, i)
        value = load(f, at + x) + h[0] * (here - behind(left, here))
        left = here
        if n_axes > 1:
            i += component
            value = value + h[1] * (load(phi, i) - load(phi, i - stride))
        if n_axes > 2:
            i += component
            value = value + h[2] * (load(phi, i) - load(phi, i - lag * stride))
        store(f, at + x, value * rescale)


@njit(**_INLINE)
def _emit_row(lanes, f, at, frames, to, width, length):
    """A row of the image itself, ``length * f``."""
    whole = width - width % lanes
    for x in range(0, whole, lanes):
        store(frames, to + x, length * load(f, at + x))
    for x in range(whole, width):
        frames[to + x] = length * f[at + x]


@functools.cache
def make_march(n_axes: int, coupled: bool, itemsize: int) -> Any:
    """The march of one band over ``n_axes`` spatial axes (1 to 3), compiled at its first call.

    ``coupled`` is False for a single channel; ``itemsize`` is that of the numbers, in bytes.
    """
    lanes = VECTOR_BYTES // itemsize

    @njit(**_INLINE)
    def end_of_step(f, phi, newest, row, grid, h, frames, frame, emit, length, rescale):
        """One row, in all channels, of the end of a time step."""
        n_channels, n_rows, stride, width, lag, first_own, last_own, rows_of_frame, origin = grid
        component = (lag + n_rows) * stride
        for c in range(n_channels):
            at = (c * n_rows + row) * stride
            a = (newest * n_channels + c) * n_axes * component + (lag + row) * stride
            _step_row(n_axes, lanes, f, at, phi, a, component, stride, lag, h, rescale)
            if emit and first_own <= row < last_own:
                to = ((frame * n_channels + c) * rows_of_frame + origin + row) * width
                _emit_row(lanes, f, at, frames, to, width, length / rescale)

    @njit(**_INLINE)
    def iterate_row(f, phi, newest, row, grid, beta, gamma, h, step, ring, base):
        """One row of one iteration; ``ring[base:]`` holds v for rows row..row+lag."""
        n_channels, n_rows, stride, width, lag = grid[:5]
        component = (lag + n_rows) * stride
        buffer = n_channels * n_axes * component
        channel = stride + lanes
        slot = n_channels * channel
        a = newest * buffer + (lag + row) * stride
        b = (1 - newest) * buffer + (lag + row) * stride
        here = base + row % (lag + 1) * slot
        below = beyond = here
        if n_axes == 2 and row + 1 < n_rows:
            below = base + (row + 1) % (lag + 1) * slot
        if n_axes == 3:
            if (row + 1) % lag != 0:
                below = base + (row + 1) % (lag + 1) * slot
            if row + lag < n_rows:
                beyond = base + (row + lag) % (lag + 1) * slot
        if coupled:
            _coupled_row(
                n_axes, lanes, n_channels, channel, ring, here, below, beyond, phi, a, b, component,
                stride, beta, step)  # fmt: skip
        else:
            _dual_row(
                n_axes, lanes, ring, here, below, beyond, phi, a, b, component, stride, beta,
                step)  # fmt: skip

    @njit(**_INLINE)
    def primal_row(f, phi, newest, row, grid, gamma, h, ring, base):
        n_channels, n_rows, stride, width, lag = grid[:5]
        component = (lag + n_rows) * stride
        buffer = n_channels * n_axes * component
        channel = stride + lanes
        to = base + row % (lag + 1) * n_channels * channel
        for c in range(n_channels):
            a = newest * buffer + c * n_axes * component + (lag + row) * stride
            b = (1 - newest) * buffer + c * n_axes * component + (lag + row) * stride
            _primal_row(
                n_axes, lanes, f, (c * n_rows + row) * stride, phi, a, b, component, stride, lag,
                gamma, h, ring, to + c * channel, width)  # fmt: skip

    @njit(nogil=True, cache=True, **_FLAGS)
    def march(
        f, phi, newest, grid, n_steps, lengths, n_iter, stages, frames, momentum, h, step, depth,
        ring, done, cancel,
    ):  # fmt: skip
        """Take ``n_steps[m]`` steps of ``lengths[m]`` for each m, ``n_iter`` iterations each.

        Of all these iterations, or stages, take those of the range ``stages``; the last one also
        ends the last step. ``frames`` (M, C, rows, width) gets the image after each m, or is empty.
        Returns which buffer of phi is the newest. ``done`` counts stages; ``cancel`` stops.
        """
        beta, gamma, one = momentum[0], momentum[1], momentum[2]
        n_rows, lag = grid[1], grid[4]
        emit = frames.shape[0] > 0
        n_stages = np.sum(n_steps) * n_iter
        begin, end = stages
        # The interval whose last step a stage ends on its way, by its first row: -1 for none.
        ended = np.full(n_stages + 1, -1)
        s = 0
        for m in range(n_steps.shape[0]):
            s += n_steps[m] * n_iter
            ended[s] = m
        one_ring = (lag + 1) * grid[0] * (grid[2] + lanes)
        for first in range(begin, end, depth):
            if cancel[0]:
                break
            n = min(depth, end - first)
            for r in range(n_rows + lag * (n - 1)):
                # Of the stages the later ones are as many rows behind as they need to be.
                for j in range(max(0, (r - n_rows + lag) // lag), min(n, r // lag + 1)):
                    row, s = r - lag * j, first + j
                    source = (newest + s - begin) % 2
                    m = ended[s]
                    renew = s > 0 and s % n_iter == 0
                    for next_row in range(0 if row == 0 else row + lag, min(row + lag + 1, n_rows)):
                        if renew:
                            rescale = lengths[m] / lengths[m + 1] if m >= 0 else one
                            end_of_step(
                                f, phi, source, next_row, grid, h, frames, m, emit and m >= 0,
                                lengths[m], rescale)  # fmt: skip
                        primal_row(f, phi, source, next_row, grid, gamma, h, ring, j * one_ring)
                    iterate_row(
                        f, phi, source, row, grid, beta, gamma, h, step, ring,
                        j * one_ring)  # fmt: skip
            done[0] += n
        newest = (newest + end - begin) % 2
        if end == n_stages:
            m = n_steps.shape[0] - 1
            for row in range(n_rows):
                end_of_step(
                    f, phi, newest, row, grid, h, frames, m, emit, lengths[m], one)  # fmt: skip
        return newest

    return march
