"""The iteration of :mod:`.torch.sweep` as sweeps over rows, compiled for one CPU core.

One item, or a block of its rows, is stored as rows along its last axis, each padded to ``stride``
numbers, which are full vectors::

    f    (C, n_rows, stride)                   the image over the length of the time step
    phi  (2, C, n_axes, lag + n_rows, stride)  the dual and its predecessor, last axis first

Two facts make the inner loops free of branches. The outgoing component of phi is zero at the end
of every row, plane and volume, so a backward difference may always reach back: to a vector of zeros
before the first, to the last row of the plane before, or to the ``lag`` rows of zeros in front. And
the difference of a row and itself is zero, so the last row takes itself as its neighbour. The
padding of a row never reaches its pixels: v is continued there as a constant.

An iteration can work on a row once the iteration before is ``lag`` rows ahead (one row in 2-D, one
plane in 3-D). So ``depth`` iterations pass over the image together, as a wavefront, also across the
ends of time steps, and the rows between them stay in the cache.
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
    ahead,
    behind,
    larger,
    load,
    root,
    shrinkage,
    splat,
    store,
)

_INLINE: dict[str, Any] = {
    "forceinline": True,
    "fastmath": set(FASTMATH),
    "error_model": "numpy",
}


@njit(**_INLINE)
def _carried_on(now, before, momentum):
    return now + momentum * (now - before)


@njit(**_INLINE)
def _primal_row(
    n_axes, lanes, f, at, phi, a, b, component, stride, lag, gamma, h, v, to, width, ends, rescale,
    emit, frames, frame, scale, offset,
):  # fmt: skip
    """Put a row of v = f + div(a + gamma (a - b)) into ``v[to:]``, continued beyond its width.

    At the end of a time step (``ends``) f += div(a) comes first. If ``emit``, a frame then receives
    ``scale * f + offset``; and f is multiplied by ``rescale``, for the length of the next step.
    """
    hx = h[0]
    hy = hz = hx
    if n_axes > 1:
        hy = h[1]
    if n_axes > 2:
        hz = h[2]
    left = left_now = splat(gamma - gamma)
    for x in range(0, stride, lanes):
        i, j = a + x, b + x
        value = load(f, at + x)
        now = load(phi, i)
        here = _carried_on(now, load(phi, j), gamma)
        change = hx * (here - behind(left, here))
        left = here
        if ends:
            value = value + hx * (now - behind(left_now, now))
            left_now = now
        if n_axes > 1:
            i, j = i + component, j + component
            now, above = load(phi, i), load(phi, i - stride)
            here = _carried_on(now, load(phi, j), gamma)
            change = change + hy * (here - _carried_on(above, load(phi, j - stride), gamma))
            if ends:
                value = value + hy * (now - above)
        if n_axes > 2:
            i, j = i + component, j + component
            now, above = load(phi, i), load(phi, i - lag * stride)
            here = _carried_on(now, load(phi, j), gamma)
            change = change + hz * (here - _carried_on(above, load(phi, j - lag * stride), gamma))
            if ends:
                value = value + hz * (now - above)
        if ends:
            if emit and x + lanes <= width:
                store(frames, frame + x, scale * value + offset)
            elif emit:
                store(v, to + x, scale * value + offset)
                for i in range(x, width):
                    frames[frame + i] = v[to + i]
            value = value * rescale
            store(f, at + x, value)
        store(v, to + x, value + change)
    store(v, to + width, splat(v[to + width - 1]))


@njit(**_INLINE)
def _shrinkage(bounded, square, radius, at, tiny):
    """What shortens phi to length 1, or to its ``radius`` if that is ``bounded``."""
    if bounded:
        most = load(radius, at)
        return most / root(larger(square, most * most) + tiny)
    return shrinkage(square)


@njit(**_INLINE)
def _dual_row(
    n_axes, lanes, bounded, v, here, below, beyond, phi, a, b, component, stride, beta, step, h,
    faces, radius, face, apart, tiny,
):  # fmt: skip
    """Put the new phi, projected, in the place of its predecessor; one channel."""
    # Read h before the loop: the compiler must assume that the stores in it change h.
    sx = step * h[0]
    sy = sz = sx
    if n_axes > 1:
        sy = step * h[1]
    if n_axes > 2:
        sz = step * h[2]
    value = load(v, here)
    for x in range(0, stride, lanes):
        i, j = a + x, b + x
        right = load(v, here + x + lanes)
        px = _carried_on(load(phi, i), load(phi, j), beta)
        slope = ahead(value, right) - value
        if bounded:
            slope = slope * load(faces, face + x)
        px = px + sx * slope
        square = px * px
        py = pz = px
        if n_axes > 1:
            i, j = i + component, j + component
            py = _carried_on(load(phi, i), load(phi, j), beta)
            slope = load(v, below + x) - value
            if bounded:
                slope = slope * load(faces, face + apart + x)
            py = py + sy * slope
            square = square + py * py
        if n_axes > 2:
            i, j = i + component, j + component
            pz = _carried_on(load(phi, i), load(phi, j), beta)
            slope = load(v, beyond + x) - value
            if bounded:
                slope = slope * load(faces, face + 2 * apart + x)
            pz = pz + sz * slope
            square = square + pz * pz
        shrink = _shrinkage(bounded, square, radius, face + x, tiny)
        j = b + x
        store(phi, j, px * shrink)
        if n_axes > 1:
            store(phi, j + component, py * shrink)
        if n_axes > 2:
            store(phi, j + 2 * component, pz * shrink)
        value = right


@njit(**_INLINE)
def _coupled_row(
    n_axes, lanes, bounded, n_channels, channel, v, here, below, beyond, phi, a, b, component,
    stride, beta, step, h, faces, radius, face, apart, tiny,
):  # fmt: skip
    """As :func:`_dual_row` for coupled channels, ``channel`` numbers apart in ``v``."""
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
                p = _carried_on(load(phi, a + i), load(phi, b + i), beta)
                slope = neighbour - value
                if bounded:
                    slope = slope * load(faces, face + axis * apart + x)
                p = p + step * h[axis] * slope
                store(phi, b + i, p)
                square = square + p * p
        shrink = _shrinkage(bounded, square, radius, face + x, tiny)
        for i in range(n_channels * n_axes):
            j = b + i * component + x
            store(phi, j, load(phi, j) * shrink)


@njit(**_INLINE)
def _primal_rows(
    n_axes, lanes, f, phi, newest, row, grid, gamma, h, ring, base, ends, rescale, frames, frame,
    apart, scale, offset,
):  # fmt: skip
    """Compute a row of v in all channels; ``frame`` is the number of the frame to emit, or -1."""
    n_channels, n_rows, stride, width, lag, first_own, last_own, rows_of_frame, origin = grid
    component = (lag + n_rows) * stride
    buffer = n_channels * n_axes * component
    channel = stride + lanes
    emit = frame >= 0 and first_own <= row < last_own
    to = base + row % (lag + 1) * n_channels * channel
    for c in range(n_channels):
        at = c * n_axes * component + (lag + row) * stride
        out = frame * apart + (c * rows_of_frame + origin + row) * width
        _primal_row(
            n_axes, lanes, f, (c * n_rows + row) * stride, phi, newest * buffer + at,
            (1 - newest) * buffer + at, component, stride, lag, gamma, h, ring,
            to + c * channel, width, ends, rescale, emit, frames, out, scale,
            offset[c])  # fmt: skip


@njit(**_INLINE)
def _dual_rows(
    n_axes, lanes, coupled, bounded, phi, newest, row, grid, beta, step, h, ring, base, faces,
    radius, tiny,
):  # fmt: skip
    """Compute a row of the new phi; ``ring[base:]`` holds v of the rows up to ``row + lag``."""
    n_channels, n_rows, stride, _, lag = grid[:5]
    component = (lag + n_rows) * stride
    buffer = n_channels * n_axes * component
    channel = stride + lanes
    slot = n_channels * channel
    a = newest * buffer + (lag + row) * stride
    b = (1 - newest) * buffer + (lag + row) * stride
    here = base + row % (lag + 1) * slot
    below = beyond = here
    face, apart = row * stride, n_rows * stride
    if n_axes == 2 and row + 1 < n_rows:
        below = base + (row + 1) % (lag + 1) * slot
    if n_axes == 3:
        if (row + 1) % lag != 0:
            below = base + (row + 1) % (lag + 1) * slot
        if row + lag < n_rows:
            beyond = base + (row + lag) % (lag + 1) * slot
    if coupled:
        _coupled_row(
            n_axes, lanes, bounded, n_channels, channel, ring, here, below, beyond, phi, a, b,
            component, stride, beta, step, h, faces, radius, face, apart, tiny)  # fmt: skip
    else:
        _dual_row(
            n_axes, lanes, bounded, ring, here, below, beyond, phi, a, b, component, stride, beta,
            step, h, faces, radius, face, apart, tiny)  # fmt: skip


@functools.cache
def compile_sweeps(n_axes: int, coupled: bool, itemsize: int, bounded: bool) -> Any:
    """Return the sweeps over one block of ``n_axes`` spatial axes (1 to 3), compiled when called.

    ``coupled`` is False for a single channel; ``itemsize`` is that of the numbers, in bytes;
    ``bounded`` if there are ``faces`` and a ``radius`` of a :class:`.Domain`, otherwise empty.
    """
    lanes = VECTOR_BYTES // itemsize

    @compiled(fastmath=set(FASTMATH))
    def sweep_steps(
        f, phi, newest, grid, n_steps, lengths, n_iter, chosen, frames, apart, scale, offset,
        momenta, h, depth, faces, radius, tiny, ring, done, cancel,
    ):  # fmt: skip
        """Take ``n_steps[m]`` steps of ``lengths[m]`` for each m, ``n_iter`` iterations each.

        Of all these iterations take those in the range ``chosen``; the last one also ends the last
        step. ``frames``, unless it is empty, receives ``scale u + offset`` after each m, as images
        (C, rows, width) that begin ``apart`` numbers after each other. The iterations of a step
        take the rows of ``momenta`` in turn. ``done`` counts iterations; ``cancel`` stops.
        """
        n_rows, lag, one = grid[1], grid[4], h[0] / h[0]
        emit = frames.shape[0] > 0
        begin, end = chosen
        # The number of iterations after which each m ends.
        last = np.cumsum(n_steps) * n_iter
        one_ring = (lag + 1) * grid[0] * (grid[2] + lanes)
        # For each iteration of the wavefront, the m whose last step ends at its start, or -1.
        ended = np.empty(depth, np.int64)
        for first in range(begin, end, depth):
            if cancel[0]:
                break
            n = min(depth, end - first)
            for j in range(n):
                m = np.searchsorted(last, first + j)
                ended[j] = m if last[m] == first + j else -1
            for r in range(n_rows + lag * (n - 1)):
                # Later iterations are behind earlier ones by the rows that they need of them.
                for j in range(max(0, (r - n_rows + lag) // lag), min(n, r // lag + 1)):
                    row, m, base = r - lag * j, ended[j], j * one_ring
                    k = (first + j) % len(momenta)
                    beta, gamma, step = momenta[k, 0], momenta[k, 1], momenta[k, 2]
                    source = (newest + first + j - begin) % 2
                    ends = first + j > 0 and (first + j) % n_iter == 0
                    length, rescale = lengths[m], one
                    if m >= 0:
                        rescale = length / lengths[m + 1]
                    frame = m if emit else -1
                    for next_row in range(0 if row == 0 else row + lag, min(row + lag + 1, n_rows)):
                        _primal_rows(
                            n_axes, lanes, f, phi, source, next_row, grid, gamma, h, ring, base,
                            ends, rescale, frames, frame, apart, scale * length,
                            offset)  # fmt: skip
                    _dual_rows(
                        n_axes, lanes, coupled, bounded, phi, source, row, grid, beta, step, h,
                        ring, base, faces, radius, tiny)  # fmt: skip
            done[0] += n
        if end == last[-1]:
            source = (newest + end - begin) % 2
            m = last.size - 1
            frame = m if emit else -1
            for row in range(n_rows):
                _primal_rows(
                    n_axes, lanes, f, phi, source, row, grid, momenta[0, 1], h, ring, 0, True, one,
                    frames, frame, apart, scale * lengths[m], offset)  # fmt: skip

    return sweep_steps
