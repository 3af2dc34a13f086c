r"""A network's step that is never worse than as many iterations of the solver.

A time step from g has the dual problem

.. math::

    \min_{|z| \le 1} E(z), \qquad E(z) = \tfrac12 \| g + \mathrm{div}\,z \|^2, \qquad
    \tfrac12 \| \mathrm{div}\,z - \mathrm{div}\,z^* \|^2 \le E(z) - E(z^*)

with the exact solution z*, so the energy tells which of two answers is the better one. Let
:math:`z_s` come from iterations of the solver, and :math:`z_n` from the network. The answer here is
the best point between the two,

.. math::

    z_s + \theta (z_n - z_s), \qquad
    \theta = - \frac{\langle g_s, g_n - g_s \rangle}{\| g_n - g_s \|^2} \text{ within } [0, 1],
    \qquad g_s = g + \mathrm{div}\,z_s, \quad g_n = g + \mathrm{div}\,z_n .
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from skimage_tvflow.core.backends.torch.sweep import accelerated
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.networks.unrolled import NetworkState
from skimage_tvflow.core.operators import divergence, norm_bound

# Where theta is below _TRUST the network does not know the pattern: _RESCUE more iterations. Fewer
# let patterns of single pixels drift, more take time and gain little.
_TRUST, _RESCUE = 0.5, 8


def guarded(
    before: NetworkState, after: NetworkState, n_iter: int, spacing: Sequence[float]
) -> NetworkState:
    """Return the state ``after`` a step, or a better one by ``n_iter`` iterations of the solver.

    Parameters
    ----------
    before, after : NetworkState
        Where the step begins, and where the network ends it.
    n_iter : int
        Iterations to compare with.
    spacing : one per spatial axis
    """
    g, z = before.g, solved(before.g, before.z, before.before, n_iter, spacing)
    by_solver = g + divergence(z[:, None], spacing)
    change = after.g - by_solver
    # Sums of their own: with those of the core, in float64, the guard took a fifth longer.
    length, slope = ((x * change).flatten(1).sum(1) for x in (change, by_solver))
    share = torch.where(length > 0, -slope / length, 1.0).clamp(0, 1)
    weight = share.reshape(-1, *[1] * (g.ndim - 1))
    z, g_after = z.lerp(after.z, weight), by_solver.lerp(after.g, weight)
    items = (share < _TRUST).nonzero()[:, 0]
    if len(items):
        begin = z[items]
        z[items] = solved(g[items], begin, begin, _RESCUE, spacing)
        g_after[items] = g[items] + divergence(z[items][:, None], spacing)
    return dataclasses.replace(after, g=g_after, z=z)


def solved(g: Tensor, z: Tensor, previous: Tensor, n_iter: int, spacing: Sequence[float]) -> Tensor:
    """Return the dual variable after iterations of the solver from ``z`` and the one before it."""
    momenta = Momentum.planned(n_iter, norm_bound(spacing, g.shape[2:]))
    phi, last = z[:, None], previous[:, None]
    for j in range(n_iter):
        phi, last = accelerated(g, phi, last, momenta[j % len(momenta)], spacing), phi
    return phi[:, 0]
