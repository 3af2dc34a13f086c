r"""The implicit Euler steps of the flow by a solver that shares nothing with the package.

One step from u solves :math:`\min_v \tfrac12 \|v - u\|^2 + \tau J(v)`. Its dual is
:math:`\min_{|\phi| \le 1} \tfrac12 \|u / \tau - D^T \phi\|^2` with :math:`v = u - \tau D^T \phi`,
solved here by FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2, 2009) that is restarted when its
momentum points uphill (O'Donoghue and Candes, Found. Comput. Math. 15, 2015). D is a sparse matrix.
"""

import functools
import itertools

import numpy as np
from scipy import sparse


def euler_flow(
    image, t, n_steps, *, spacing=None, channels=False, mask=None, weight=1.0, gap=1e-14
):
    """Return the image after ``n_steps`` equal implicit Euler steps up to the time ``t``.

    ``channels=True``: the last axis holds channels, coupled by the norm. Every step is solved until
    its duality gap, which bounds half the squared error, is at most ``gap`` times the squared norm
    of the image without its mean. Differences to pixels outside ``mask`` are left out; ``weight``,
    of the shape of the pixels, is the largest length of phi.
    """
    n_channels = image.shape[-1] if channels else 1
    sizes = image.shape[:-1] if channels else image.shape
    u = image.reshape(-1, n_channels).astype(np.float64)
    allowed = gap * np.sum((u - u.mean(0)) ** 2)
    matrix = gradient_matrix(sizes, spacing or (1.0,) * len(sizes))
    if mask is not None:
        outside = ~mask.ravel()
        crossing = abs(matrix) @ outside.astype(float) > 0
        matrix = sparse.csr_matrix(sparse.diags((~crossing).astype(float)) @ matrix)
    radius = np.broadcast_to(weight, sizes).reshape(-1, 1)
    phi = np.zeros((len(sizes), len(u), n_channels))
    for _ in range(n_steps):
        u, phi = one_step(u, t / n_steps, matrix, phi, allowed, radius)
    return u.reshape(image.shape)


def gradient_matrix(sizes, spacing):
    """Return D: forward differences along every axis, zero in the last entry, axis after axis."""
    blocks = []
    for axis, (n, h) in enumerate(zip(sizes, spacing, strict=True)):
        difference = sparse.diags([[-1.0] * (n - 1) + [0.0], [1.0] * (n - 1)], [0, 1]) / h
        factors = [sparse.eye(m) for m in sizes]
        factors[axis] = difference
        blocks.append(functools.reduce(sparse.kron, factors))
    return sparse.csr_matrix(sparse.vstack(blocks))


def one_step(u, tau, matrix, phi, allowed, radius=1.0):
    """Return v and phi of one step of length ``tau``, from the dual variable ``phi``."""
    size = 1 / squared_norm(matrix)
    ahead, momentum = phi, 1.0
    for k in itertools.count():
        slope = -gradient(matrix, u / tau - adjoint(matrix, ahead))
        new = ahead - size * slope
        new = new * (radius / np.maximum(np.maximum(radius, length(new)), 1e-300))
        if np.sum((ahead - new) * (new - phi)) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * (new - phi)
        phi, momentum = new, following
        if k % 20 == 0:
            v = u - tau * adjoint(matrix, phi)
            du = gradient(matrix, v)
            if tau * ((radius * length(du)).sum() - np.sum(du * phi)) <= allowed:
                return v, phi


def gradient(matrix, u):
    """Return Du, shape (axes, pixels, channels)."""
    return (matrix @ u).reshape(-1, *u.shape)


def adjoint(matrix, phi):
    """Return D^T phi, shape (pixels, channels)."""
    return matrix.T @ phi.reshape(-1, phi.shape[-1])


def length(phi):
    """Return the Euclidean length of every pixel's vector over axes and channels."""
    return np.sqrt(np.sum(phi**2, axis=(0, 2)))[:, None]


def squared_norm(matrix):
    """Return an upper bound of the squared norm of a matrix, by Gershgorin's circles of D^T D."""
    return float(abs(matrix.T @ matrix).sum(1).max())
