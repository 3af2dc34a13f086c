"""The iterations of :mod:`.torch.space_time`, compiled for one CPU core.

Images and dual variables are flat, (C, pixels) and (C, n_axes, pixels), so that the neighbour along
an axis is a stride away whatever the number of axes. A ``grid`` is (strides, inverse spacings,
edges); ``edges[axis]`` is the inverse spacing, or 0 in the last entry along the axis, where dual
variables are zero. Loops go over segments that stay in the first-level cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from skimage_tvflow.core.backends.numba.jit import compiled

# Pixels worked on at a time: what they need stays in the first-level cache.
SEGMENT = 1024

_FLAGS: dict[str, Any] = {"fastmath": {"contract", "nsz", "reassoc", "arcp"}}
_INLINE: dict[str, Any] = {"forceinline": True, "error_model": "numpy", **_FLAGS}


@njit(**_INLINE)
def _divergence(phi, grid, first, n, out):
    """Put the divergence of ``phi``, shape (n_axes, pixels), in a segment into ``out``."""
    strides, inverse, _ = grid
    out[:n] = 0
    for a in range(len(strides)):
        h = inverse[a]
        edge = max(0, min(n, strides[a] - first))
        here = phi[a, first:]
        for x in range(edge):
            out[x] += h * here[x]
        here, behind, inner = (
            phi[a, first + edge :],
            phi[a, first + edge - strides[a] :],
            out[edge:],
        )
        for x in range(n - edge):
            inner[x] += h * (here[x] - behind[x])


@njit(**_INLINE)
def _difference(u, a, grid, first, n, out):
    """Put the forward differences of ``u`` along axis ``a`` in a segment into ``out``."""
    strides, _, edges = grid
    here, ahead, h = u[first:], u[first + strides[a] :], edges[a, first:]
    inside = max(0, min(n, len(u) - first - strides[a]))
    for x in range(inside):
        out[x] = h[x] * (ahead[x] - here[x])
    out[inside:n] = 0


@njit(**_INLINE)
def _add_square(row, n, square):
    for x in range(n):
        square[x] += row[x] * row[x]


@njit(**_INLINE)
def _gap(u, phi, grid):
    """Sum of ``|Du| - Du . phi``."""
    n_channels, n_axes, pixels = phi.shape
    d, square = np.empty(SEGMENT, u.dtype), np.empty(SEGMENT, u.dtype)
    total = 0.0
    for first in range(0, pixels, SEGMENT):
        n = min(SEGMENT, pixels - first)
        square[:n] = 0
        paired = 0.0
        for c in range(n_channels):
            for a in range(n_axes):
                _difference(u[c], a, grid, first, n, d)
                _add_square(d, n, square)
                line = phi[c, a, first:]
                for x in range(n):
                    paired += d[x] * line[x]
        for x in range(n):
            total += np.sqrt(square[x])
        total -= paired
    return total


@compiled(**_FLAGS)
def admissible_step(u, phi, length, grid, projected):
    """Take the step ``u += length div P(phi)`` and return the gap of ``u`` and ``P(phi)`` after it.

    ``projected`` receives ``P(phi)``, whose vectors have length 1 at most.
    """
    n_channels, n_axes, pixels = phi.shape
    one = u.dtype.type(1)
    slope, size = np.empty(SEGMENT, u.dtype), np.empty(SEGMENT, u.dtype)
    for first in range(0, pixels, SEGMENT):
        n = min(SEGMENT, pixels - first)
        size[:n] = 0
        for c in range(n_channels):
            for a in range(n_axes):
                _add_square(phi[c, a, first:], n, size)
        for x in range(n):
            size[x] = one / max(one, np.sqrt(size[x]))
        for c in range(n_channels):
            for a in range(n_axes):
                line, out = phi[c, a, first:], projected[c, a, first:]
                for x in range(n):
                    out[x] = size[x] * line[x]
            _divergence(projected[c], grid, first, n, slope)
            line = u[c, first:]
            for x in range(n):
                line[x] += length * slope[x]
    return _gap(u, projected, grid)


@compiled(**_FLAGS)
def primal_dual(u, phi, before, ratio, step, dual_step, relaxation, grid, begin, end, lead):
    """Take one primal-dual iteration in time steps [begin, end).

    ``u`` is (N, C, pixels), ``phi`` (N, C, n_axes, pixels), ``before`` the resolvent in the time
    step before, (C, pixels), and ``lead`` memory for an image.
    """
    _, n_channels, n_axes, pixels = phi.shape
    one = u.dtype.type(1)
    work = np.empty((n_channels * n_axes + 2, SEGMENT), u.dtype)
    slope, size = work[-1], work[-2]
    for t in range(begin, end):
        share = one / (one + ratio[t])
        for first in range(0, pixels, SEGMENT):
            n = min(SEGMENT, pixels - first)
            for c in range(n_channels):
                _divergence(phi[t, c], grid, first, n, slope)
                old, last, ahead = u[t, c, first:], before[c, first:], lead[c, first:]
                for x in range(n):
                    new = share * (old[x] + step * slope[x] + ratio[t] * last[x])
                    ahead[x] = new + new - old[x]
                    old[x] += relaxation * (new - old[x])
                    last[x] = new
        for first in range(0, pixels, SEGMENT):
            n = min(SEGMENT, pixels - first)
            size[:n] = 0
            for c in range(n_channels):
                for a in range(n_axes):
                    z, line = work[c * n_axes + a], phi[t, c, a, first:]
                    _difference(lead[c], a, grid, first, n, z)
                    for x in range(n):
                        z[x] = line[x] + dual_step * z[x]
                    _add_square(z, n, size)
            for x in range(n):
                size[x] = relaxation / max(one, np.sqrt(size[x]))
            for c in range(n_channels):
                for a in range(n_axes):
                    z, line = work[c * n_axes + a], phi[t, c, a, first:]
                    for x in range(n):
                        line[x] += size[x] * z[x] - relaxation * line[x]


@compiled(**_FLAGS)
def residuals(u, phi, speeds, grid, begin, end, rest, gaps, terms):
    """Compute the terms of the loss in time steps [begin, end).

    ``rest[t + 1]`` receives ``u_t - div phi`` of step t, ``gaps[t]`` its <u, div phi> + J(u), and
    ``terms[t]`` the sum of the squares of the rest plus the sum of (|phi| - 1)_+.
    """
    _, n_channels, n_axes, pixels = phi.shape
    one = u.dtype.type(1)
    slope, size = np.empty(SEGMENT, u.dtype), np.empty(SEGMENT, u.dtype)
    for t in range(begin, end):
        gaps[t] = _gap(u[t + 1], phi[t], grid)
        total = 0.0
        for first in range(0, pixels, SEGMENT):
            n = min(SEGMENT, pixels - first)
            size[:n] = 0
            for c in range(n_channels):
                _divergence(phi[t, c], grid, first, n, slope)
                now, last, r = u[t + 1, c, first:], u[t, c, first:], rest[t + 1, c, first:]
                for x in range(n):
                    r[x] = speeds[t + 1] * (now[x] - last[x]) - slope[x]
                    total += r[x] * r[x]
                for a in range(n_axes):
                    _add_square(phi[t, c, a, first:], n, size)
            for x in range(n):
                total += max(np.sqrt(size[x]) - one, one - one)
        terms[t] = total


@njit(**_INLINE)
def _adam(x, g, mean, square, n, adam):
    """Move a segment of ``x`` against its gradient ``g``, of moments ``mean`` and ``square``."""
    rate, news, news2, epsilon, scale2 = adam
    for i in range(n):
        mean[i] += news * (g[i] - mean[i])
        square[i] += news2 * (g[i] * g[i] - square[i])
        x[i] -= rate * mean[i] / (np.sqrt(scale2 * square[i]) + epsilon)


@njit(**_INLINE)
def _dual_step(u, phi, weight, gap, rest, grid, mean, square, adam, normal):
    """Move phi of one time step; ``normal`` receives ``Du / |Du| - phi`` from before it."""
    n_channels, n_axes, pixels = phi.shape
    one, zero, two = u.dtype.type(1), u.dtype.type(0), u.dtype.type(2)
    d = np.empty((n_channels * n_axes, SEGMENT), u.dtype)
    size, long, g = np.empty_like(d[0]), np.empty_like(d[0]), np.empty_like(d[0])
    for first in range(0, pixels, SEGMENT):
        n = min(SEGMENT, pixels - first)
        size[:n] = 0
        long[:n] = 0
        for c in range(n_channels):
            for a in range(n_axes):
                _difference(u[c], a, grid, first, n, d[c * n_axes + a])
                _add_square(d[c * n_axes + a], n, size)
                _add_square(phi[c, a, first:], n, long)
        for x in range(n):
            size[x] = one / np.sqrt(size[x]) if size[x] > zero else zero
            long[x] = weight / np.sqrt(long[x]) if long[x] > one else zero
        for c in range(n_channels):
            for a in range(n_axes):
                row, line, out = d[c * n_axes + a], phi[c, a, first:], normal[c, a, first:]
                _difference(rest[c], a, grid, first, n, g)
                for x in range(n):
                    out[x] = size[x] * row[x] - line[x]
                    g[x] = two * weight * (g[x] - gap * row[x]) + long[x] * line[x]
                _adam(line, g, mean[c, a, first:], square[c, a, first:], n, adam)


@njit(**_INLINE)
def _primal_step(
    u, weight, gap, rest, speed, rest_ahead, speed_ahead, grid, mean, square, adam, normal
):
    """Move the image at the end of one time step; ``rest_ahead`` is that of the next one."""
    n_channels, pixels = u.shape
    two = u.dtype.type(2)
    g = np.empty(SEGMENT, u.dtype)
    for c in range(n_channels):
        for first in range(0, pixels, SEGMENT):
            n = min(SEGMENT, pixels - first)
            _divergence(normal[c], grid, first, n, g)
            now, ahead = rest[c, first:], rest_ahead[c, first:]
            for x in range(n):
                g[x] = two * weight * (speed * now[x] - speed_ahead * ahead[x] - gap * g[x])
            _adam(u[c, first:], g, mean[c, first:], square[c, first:], n, adam)


@compiled(**_FLAGS)
def descend(u, phi, speeds, grid, begin, end, rest, gaps, moments, adam, normal):
    """Take a step of Adam in time steps [begin, end), after :func:`residuals` in all of them.

    ``speeds[0]`` is N, ``speeds[1:N + 1]`` are the inverse lengths of the steps, the last is 0;
    ``rest`` is ``u_0 - f``, that of the N steps, and 0. ``moments`` are the means of
    gradients and of their squares, for u, then for phi; ``adam`` is the rate without bias, the part
    of each moment that is new, epsilon, and the inverse bias of the second. ``normal`` is memory
    for one phi.
    """
    n_steps, n_channels, _, pixels = phi.shape
    number = u.dtype.type
    weight = number(1) / number(n_steps * n_channels * pixels)
    u_mean, u_square, phi_mean, phi_square = moments
    for t in range(begin + 1 if begin > 0 else 0, end + 1):
        gap = number(0)
        if t > 0:
            gap = gaps[t - 1]
            _dual_step(
                *(u[t], phi[t - 1], weight, gap, rest[t], grid),
                *(phi_mean[t - 1], phi_square[t - 1], adam, normal),
            )
        _primal_step(
            *(u[t], weight, gap, rest[t], speeds[t], rest[t + 1], speeds[t + 1], grid),
            *(u_mean[t], u_square[t], adam, normal),
        )
