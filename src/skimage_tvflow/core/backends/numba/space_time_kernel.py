"""The iterations of :mod:`~skimage_tvflow.core.backends.torch.space_time` compiled for one CPU core.

Images are flat, so that any number of axes is one loop per axis: the neighbour along an axis is a
stride away. A ``grid`` is (strides, inverse spacings, edges, pad), where the edges of an axis are
its inverse spacing, or 0 in the last entry along it. Images have ``pad`` entries of room behind
them, dual variables as many zeros in front of them, so that neighbours outside the image are never
outside the array. Loops go over segments that stay in the first-level cache.
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
    """Put the divergence of ``phi``, shape (n_axes, pad + pixels), in a segment into ``out``."""
    strides, inverse, _, pad = grid
    out[:n] = 0
    for a in range(len(strides)):
        # What is behind the first entry along an axis is a last one, and zero.
        here, behind, h = phi[a, pad + first :], phi[a, pad + first - strides[a] :], inverse[a]
        for x in range(n):
            out[x] += h * (here[x] - behind[x])


@njit(**_INLINE)
def _difference(u, a, grid, first, n, out):
    """Put the forward differences of ``u`` along axis ``a`` in a segment into ``out``."""
    strides, _, edges, _ = grid
    here, ahead, h = u[first:], u[first + strides[a] :], edges[a, first:]
    for x in range(n):
        out[x] = h[x] * (ahead[x] - here[x])


@compiled(**_FLAGS)
def primal_dual(u, phi, before, ratio, step, dual_step, relaxation, grid, begin, end, lead):
    """Take one iteration in time steps [begin, end); ``before`` is the resolvent at the last one.

    ``u`` is (N, C, pixels), ``phi`` (N, C, n_axes, pad + pixels), ``before`` (C, pixels), and
    ``lead`` room for an image with what is behind it, (C, pixels + pad).
    """
    _, n_channels, n_axes, _ = phi.shape
    pixels, pad = u.shape[2], grid[3]
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
                    z, line = work[c * n_axes + a], phi[t, c, a, pad + first :]
                    _difference(lead[c], a, grid, first, n, z)
                    for x in range(n):
                        z[x] = line[x] + dual_step * z[x]
                        size[x] += z[x] * z[x]
            for x in range(n):
                size[x] = relaxation / max(one, np.sqrt(size[x]))
            for c in range(n_channels):
                for a in range(n_axes):
                    z, line = work[c * n_axes + a], phi[t, c, a, pad + first :]
                    for x in range(n):
                        line[x] += size[x] * z[x] - relaxation * line[x]


@compiled(**_FLAGS)
def shorten(phi, factor):
    """Put what shortens ``phi``, shape (C, n_axes, entries), to 1 into ``factor``, (entries,)."""
    n_channels, n_axes, entries = phi.shape
    one = phi.dtype.type(1)
    factor[:] = 0
    for c in range(n_channels):
        for a in range(n_axes):
            line = phi[c, a]
            for x in range(entries):
                factor[x] += line[x] * line[x]
    for x in range(entries):
        factor[x] = one / max(one, np.sqrt(factor[x]))


@compiled(**_FLAGS)
def gap(u, phi, factor, grid):
    """Sum of ``|Du| - Du . phi`` for ``u``, shape (C, pixels + pad), and the shortened ``phi``."""
    n_channels, n_axes, _ = phi.shape
    pad = grid[3]
    pixels = u.shape[1] - pad
    d, size = np.empty(SEGMENT, u.dtype), np.empty(SEGMENT, u.dtype)
    total = 0.0
    for first in range(0, pixels, SEGMENT):
        n = min(SEGMENT, pixels - first)
        size[:n] = 0
        paired = 0.0
        for c in range(n_channels):
            for a in range(n_axes):
                _difference(u[c], a, grid, first, n, d)
                line, short = phi[c, a, pad + first :], factor[pad + first :]
                for x in range(n):
                    size[x] += d[x] * d[x]
                    paired += d[x] * short[x] * line[x]
        for x in range(n):
            total += np.sqrt(size[x])
        total -= paired
    return total


@compiled(**_FLAGS)
def advance(u, phi, factor, length, grid):
    """Add ``length`` times the divergence of the shortened ``phi`` to ``u``, (C, pixels + pad)."""
    n_channels, n_axes, _ = phi.shape
    strides, inverse, _, pad = grid
    pixels = u.shape[1] - pad
    for c in range(n_channels):
        line = u[c]
        for a in range(n_axes):
            h, s = length * inverse[a], strides[a]
            for x in range(pixels):
                here, behind = pad + x, pad + x - s
                line[x] += h * (factor[here] * phi[c, a, here] - factor[behind] * phi[c, a, behind])


@compiled(**_FLAGS)
def residuals(u, phi, speeds, grid, begin, end, rest, gaps, terms):
    """The terms of the loss in time steps [begin, end), before a step of descent.

    Puts ``u_t - div phi`` into ``rest``, (N, C, pixels + pad), the subgradient residual into
    ``gaps``, (N,), and the sums of squares of the first and of ``(|phi| - 1)_+`` into ``terms``,
    (N, 2). ``u`` is (N + 1, C, pixels + pad).
    """
    _, n_channels, n_axes, _ = phi.shape
    pad = grid[3]
    pixels = u.shape[2] - pad
    one = u.dtype.type(1)
    d, size = np.empty(SEGMENT, u.dtype), np.empty(SEGMENT, u.dtype)
    long, slope = np.empty(SEGMENT, u.dtype), np.empty(SEGMENT, u.dtype)
    for t in range(begin, end):
        squares = variation = paired = excess = 0.0
        for first in range(0, pixels, SEGMENT):
            n = min(SEGMENT, pixels - first)
            size[:n] = 0
            long[:n] = 0
            for c in range(n_channels):
                _divergence(phi[t, c], grid, first, n, slope)
                now, last, r = u[t + 1, c, first:], u[t, c, first:], rest[t, c, first:]
                for x in range(n):
                    r[x] = speeds[t] * (now[x] - last[x]) - slope[x]
                    squares += r[x] * r[x]
                for a in range(n_axes):
                    _difference(u[t + 1, c], a, grid, first, n, d)
                    line = phi[t, c, a, pad + first :]
                    for x in range(n):
                        size[x] += d[x] * d[x]
                        long[x] += line[x] * line[x]
                        paired += d[x] * line[x]
            for x in range(n):
                variation += np.sqrt(size[x])
                excess += max(np.sqrt(long[x]) - one, one - one)
        gaps[t] = variation - paired
        terms[t, 0] = squares
        terms[t, 1] = excess


@njit(**_INLINE)
def _adam(x, g, first, second, n, adam):
    """Move a segment of ``x`` against the gradient ``g``."""
    rate, news, news2, epsilon, scale2 = adam
    for i in range(n):
        first[i] += news * (g[i] - first[i])
        second[i] += news2 * (g[i] * g[i] - second[i])
        x[i] -= rate * first[i] / (np.sqrt(scale2 * second[i]) + epsilon)


@njit(**_INLINE)
def _dual_step(u, phi, weight, gap, rest, grid, first_moment, second_moment, adam, normal):
    """Move phi of one time step, and keep ``Du / |Du| - phi`` as it was before."""
    n_channels, n_axes, _ = phi.shape
    pad = grid[3]
    pixels = u.shape[1] - pad
    one, zero, two = u.dtype.type(1), u.dtype.type(0), u.dtype.type(2)
    d = np.empty((n_channels * n_axes, SEGMENT), u.dtype)
    size, long, g = np.empty_like(d[0]), np.empty_like(d[0]), np.empty_like(d[0])
    for first in range(0, pixels, SEGMENT):
        n, start = min(SEGMENT, pixels - first), pad + first
        size[:n] = 0
        long[:n] = 0
        for c in range(n_channels):
            for a in range(n_axes):
                row, line = d[c * n_axes + a], phi[c, a, start:]
                _difference(u[c], a, grid, first, n, row)
                for x in range(n):
                    size[x] += row[x] * row[x]
                    long[x] += line[x] * line[x]
        for x in range(n):
            size[x] = one / np.sqrt(size[x]) if size[x] > zero else zero
            long[x] = weight / np.sqrt(long[x]) if long[x] > one else zero
        for c in range(n_channels):
            for a in range(n_axes):
                row, line, out = d[c * n_axes + a], phi[c, a, start:], normal[c, a, start:]
                _difference(rest[c], a, grid, first, n, g)
                for x in range(n):
                    out[x] = size[x] * row[x] - line[x]
                    g[x] = two * weight * (g[x] - gap * row[x]) + long[x] * line[x]
                _adam(line, g, first_moment[c, a, start:], second_moment[c, a, start:], n, adam)


@njit(**_INLINE)
def _primal_step(u, weight, gap, rest, speed, ahead, speed_ahead, grid, moments, adam, normal):
    """Move the image at the end of one time step; ``ahead`` is the rest in the next one."""
    pixels = u.shape[1] - grid[3]
    two = u.dtype.type(2)
    g = np.empty(SEGMENT, u.dtype)
    for c in range(u.shape[0]):
        for first in range(0, pixels, SEGMENT):
            n = min(SEGMENT, pixels - first)
            _divergence(normal[c], grid, first, n, g)
            now, after = rest[c, first:], ahead[c, first:]
            for x in range(n):
                g[x] = two * weight * (speed * now[x] - speed_ahead * after[x] - gap * g[x])
            _adam(u[c, first:], g, moments[0][c, first:], moments[1][c, first:], n, adam)


@njit(**_INLINE)
def _start_step(u, image, weight, n_steps, ahead, speed_ahead, moments, adam):
    """Move the image at time 0."""
    two = u.dtype.type(2)
    g = np.empty(SEGMENT, u.dtype)
    for c in range(u.shape[0]):
        pixels = image.shape[1]
        for first in range(0, pixels, SEGMENT):
            n = min(SEGMENT, pixels - first)
            here, given, after = u[c, first:], image[c, first:], ahead[c, first:]
            for x in range(n):
                g[x] = two * weight * (n_steps * (here[x] - given[x]) - speed_ahead * after[x])
            _adam(here, g, moments[0][c, first:], moments[1][c, first:], n, adam)


@compiled(**_FLAGS)
def descend(u, phi, image, speeds, grid, begin, end, rest, gaps, moments, adam, normal):
    """Take a step of Adam in time steps [begin, end), after :func:`residuals` in all of them.

    ``speeds`` are the inverse lengths of the steps and, behind the last, 0; ``rest`` has room for
    one step more. ``moments`` are the first and second of u, then of phi, in their shapes;
    ``adam`` is the rate without bias, what is new in each moment, epsilon, and the inverse bias of
    the second. ``normal`` is room for one phi, (C, n_axes, pad + pixels), zeros in front.
    """
    n_steps, n_channels = phi.shape[:2]
    number = u.dtype.type
    weight = number(1) / number(n_steps * n_channels * image.shape[1])
    u_first, u_second, phi_first, phi_second = moments
    if begin == 0:
        start_moments = (u_first[0], u_second[0])
        _start_step(u[0], image, weight, number(n_steps), rest[0], speeds[0], start_moments, adam)
    for t in range(begin, end):
        _dual_step(
            *(u[t + 1], phi[t], weight, gaps[t], rest[t], grid),
            *(phi_first[t], phi_second[t], adam, normal),
        )
        _primal_step(
            *(u[t + 1], weight, gaps[t], rest[t], speeds[t], rest[t + 1], speeds[t + 1], grid),
            *((u_first[t + 1], u_second[t + 1]), adam, normal),
        )
