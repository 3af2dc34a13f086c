"""The dual iteration as compiled row sweeps for one CPU core; see :mod:`.numba_cpu` for its driver.

One item is stored as rows along its last axis, the pixels of a row in columns 1 to ``width``::

    f    (C, n_rows, stride)                   the image over the length of the time step
    phi  (2, C, n_axes, lag + n_rows, stride)  the dual and its predecessor, last axis first

Two facts make the inner loops free of branches. The outgoing component of phi is zero at the end
of every row, plane and volume, so a backward difference may always reach back: to column 0, to the
last row of the plane before, or to ``lag`` rows of zeros in front. And a forward difference against
itself is zero, so the last row takes itself as its neighbour.

An iteration can work on a row once its predecessor is ``lag`` rows ahead (one row in 2-D, one plane
in 3-D), so ``depth`` iterations pass over the image together, as a wavefront, also across the ends
of time steps, and the rows between them stay in the cache.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

# No "nnan" and "ninf": the image was checked, but an overflow must not become a wrong number.
_FLAGS: dict[str, Any] = {
    "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"},
    "error_model": "numpy",
}
_INLINE: dict[str, Any] = {"forceinline": True, **_FLAGS}


@njit(**_INLINE)
def _ahead(a, b, momentum):
    return a + momentum * (a - b)


@njit(**_INLINE)
def _primal_row(n_axes, v, width, f, a, b, at, lag, gamma, h):
    """The row ``at`` of v = f + div(a + gamma (a - b))."""
    ny, nz = min(1, n_axes - 1), min(2, n_axes - 1)
    ax, bx, ay, by, az, bz = a[0, at], b[0, at], a[ny, at], b[ny, at], a[nz, at], b[nz, at]
    up_a, up_b = a[ny, at - 1], b[ny, at - 1]
    back_a, back_b = a[nz, at - lag], b[nz, at - lag]
    hx, hy, hz = h[0], h[ny], h[nz]
    for i in range(f.shape[0] - 1):
        x = i + 1
        value = f[x] + hx * (_ahead(ax[x], bx[x], gamma) - _ahead(ax[i], bx[i], gamma))
        if n_axes > 1:
            value += hy * (_ahead(ay[x], by[x], gamma) - _ahead(up_a[x], up_b[x], gamma))
        if n_axes > 2:
            value += hz * (_ahead(az[x], bz[x], gamma) - _ahead(back_a[x], back_b[x], gamma))
        v[x] = value
    for x in range(width + 1, v.shape[0]):
        v[x] = v[width]


@njit(**_INLINE)
def _dual_row(n_axes, v, below, behind, a, b, at, beta, step, one):
    """The new phi, projected, over its predecessor ``b``; one channel."""
    ny, nz = min(1, n_axes - 1), min(2, n_axes - 1)
    ax, bx, ay, by, az, bz = a[0, at], b[0, at], a[ny, at], b[ny, at], a[nz, at], b[nz, at]
    sx, sy, sz = step[0], step[ny], step[nz]
    for i in range(ax.shape[0] - 1):
        x = i + 1
        px = _ahead(ax[x], bx[x], beta) + sx * (v[x + 1] - v[x])
        square = px * px
        if n_axes > 1:
            py = _ahead(ay[x], by[x], beta) + sy * (below[x] - v[x])
            square += py * py
        if n_axes > 2:
            pz = _ahead(az[x], bz[x], beta) + sz * (behind[x] - v[x])
            square += pz * pz
        shrink = one / np.sqrt(max(square, one))
        bx[x] = px * shrink
        if n_axes > 1:
            by[x] = py * shrink
        if n_axes > 2:
            bz[x] = pz * shrink


@njit(**_INLINE)
def _coupled_row(n_axes, v, below, behind, a, b, at, beta, step, square, one):
    """As :func:`_dual_row`, for channels that share their length."""
    square[:] = one - one
    for c in range(v.shape[0]):
        for axis in range(n_axes):
            there, shift = v[c], 1
            if axis == 1:
                there, shift = below[c], 0
            elif axis == 2:
                there, shift = behind[c], 0
            here, aa, bb = v[c], a[c, axis, at], b[c, axis, at]
            for i in range(aa.shape[0] - 1):
                x = i + 1
                p = _ahead(aa[x], bb[x], beta) + step[axis] * (there[x + shift] - here[x])
                bb[x] = p
                square[x] += p * p
    for x in range(square.shape[0]):
        square[x] = one / np.sqrt(max(square[x], one))
    for c in range(v.shape[0]):
        for axis in range(n_axes):
            bb = b[c, axis, at]
            for x in range(bb.shape[0]):
                bb[x] *= square[x]


@njit(**_INLINE)
def _step_row(n_axes, width, f, a, at, lag, h, frame, emit, length, rescale):
    """One row of f += div(phi), the end of a time step; the frame gets the image itself."""
    ny, nz = min(1, n_axes - 1), min(2, n_axes - 1)
    ax, ay, az = a[0, at], a[ny, at], a[nz, at]
    up, back = a[ny, at - 1], a[nz, at - lag]
    hx, hy, hz = h[0], h[ny], h[nz]
    for i in range(f.shape[0] - 1):
        x = i + 1
        value = f[x] + hx * (ax[x] - ax[i])
        if n_axes > 1:
            value += hy * (ay[x] - up[x])
        if n_axes > 2:
            value += hz * (az[x] - back[x])
        f[x] = value
    if emit:
        for x in range(width):
            frame[x] = length * f[x + 1]
    if rescale != 1:
        for x in range(f.shape[0]):
            f[x] *= rescale


@njit(**_INLINE)
def _iterate_row(
    n_axes, coupled, row, lag, width, f, a, b, ring, slot, beta, gamma, h, step, square, one,
    renew, frame, emit, length, rescale,
):  # fmt: skip
    """One row of one iteration; ``ring`` (lag + 1, C, stride + 1) holds v for rows row..row+lag.

    Where the iteration begins a time step, ``renew``, it ends the one before on its way.
    """
    n_rows = f.shape[1]
    first = 0 if row == 0 else row + lag
    for ahead in range(first, min(row + lag + 1, n_rows)):
        for c in range(f.shape[0]):
            at, ff = lag + ahead, f[c, ahead]
            if renew:
                out = frame[c, ahead]
                _step_row(n_axes, width, ff, a[c], at, lag, h, out, emit, length, rescale)
            _primal_row(n_axes, ring[slot[ahead], c], width, ff, a[c], b[c], at, lag, gamma, h)
    here = slot[row]
    below = here
    behind = here
    if n_axes == 2 and row + 1 < n_rows:
        below = slot[row + 1]
    if n_axes == 3:
        if (row + 1) % lag != 0:
            below = slot[row + 1]
        if row + lag < n_rows:
            behind = slot[row + lag]
    at = lag + row
    if coupled:
        v, down, back = ring[here], ring[below], ring[behind]
        _coupled_row(n_axes, v, down, back, a, b, at, beta, step, square, one)
    else:
        v, down, back = ring[here, 0], ring[below, 0], ring[behind, 0]
        _dual_row(n_axes, v, down, back, a[0], b[0], at, beta, step, one)


@functools.cache
def make_march(n_axes: int, coupled: bool) -> Any:
    """The march of one item over ``n_axes`` spatial axes (1 to 3), compiled at its first call.

    ``coupled`` is False for a single channel: the code for several slows its rows down by a sixth.
    """

    @njit(nogil=True, cache=True, **_FLAGS)
    def march(
        f, phi, newest, lag, width, n_steps, lengths, n_iter, frames, momentum, h, step,
        depth, ring, square, done, cancel,
    ):  # fmt: skip
        """Take ``n_steps[m]`` steps of ``lengths[m]`` for each m, ``n_iter`` iterations each.

        ``frames`` (M, C, n_rows, width) gets the image after each m, or is empty. Returns which
        buffer of phi is the newest. ``done`` counts stages; ``cancel`` stops the march.
        """
        beta, gamma, one = momentum[0], momentum[1], momentum[2]
        n_rows = f.shape[1]
        slot = np.arange(n_rows) % (lag + 1)
        # The interval whose last step a stage ends on its way, by its first row: -1 for none.
        n_stages = np.sum(n_steps) * n_iter
        ended = np.full(n_stages + 1, -1)
        s = 0
        for m in range(n_steps.shape[0]):
            s += n_steps[m] * n_iter
            ended[s] = m
        for first in range(0, n_stages, depth):
            if cancel[0]:
                break
            n = min(depth, n_stages - first)
            for r in range(n_rows + lag * (n - 1)):
                for j in range(n):
                    row = r - lag * j
                    if row < 0:
                        break
                    if row >= n_rows:
                        continue
                    s = first + j
                    source = (newest + s) % 2
                    m = ended[s]
                    emit = m >= 0 and frames.shape[0] > 0
                    rescale = lengths[m] / lengths[m + 1] if m >= 0 else one
                    _iterate_row(
                        n_axes, coupled, row, lag, width, f, phi[source], phi[1 - source], ring[j],
                        slot, beta, gamma, h, step, square, one, s > 0 and s % n_iter == 0,
                        frames[m if emit else 0], emit, lengths[m], rescale)  # fmt: skip
            done[0] += n
        newest = (newest + n_stages) % 2
        m = n_steps.shape[0] - 1
        emit = frames.shape[0] > 0
        for row in range(n_rows):
            for c in range(f.shape[0]):
                _step_row(
                    n_axes, width, f[c, row], phi[newest, c], lag + row, lag, h,
                    frames[m if emit else 0, c, row], emit, lengths[m], one)  # fmt: skip
        return newest

    return march
