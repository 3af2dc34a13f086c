r"""One iteration of the dual solve of an implicit Euler step, in plain torch.

A time step of length :math:`\tau` from :math:`u` is

.. math::

    \min_v \tfrac12 \|v - u\|^2 + \tau J(v), \qquad v = u + \tau\,\mathrm{div}\,\phi, \qquad
    \phi \in \arg\min_{|\phi| \le 1} \tfrac12 \| u / \tau + \mathrm{div}\,\phi \|^2 .

These functions are the reference every compute backend is tested against. With ``f = u / tau`` the
iteration does not know the length of the step, so ``phi`` and its momentum live on across steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.operators import divergence, gradient, magnitude, norm_bound


def accelerated(
    f: Tensor, phi: Tensor, previous: Tensor, momentum: Momentum, spacing: Sequence[float]
) -> Tensor:
    r"""Projected gradient ascent with two momenta, neither ever reset.

    .. math::

        d = \phi_k - \phi_{k-1}, \qquad v = f + \mathrm{div}(\phi_k + \gamma d), \qquad
        \phi_{k+1} = P(\phi_k + \beta d + s D v), \qquad P(z) = z / \max(1, |z|) .

    Parameters
    ----------
    f : Tensor of shape (N, C, *spatial)
        The image at the start of the time step over the length of the step.
    phi, previous : Tensors of shape (N, C, n_spatial, *spatial)

    Returns
    -------
    Tensor of shape (N, C, n_spatial, *spatial)
    """
    d = phi - previous
    v = divergence(phi + momentum.gamma * d, spacing).add_(f)
    p = gradient(v, spacing).mul_(momentum.step).add_(phi).add_(d, alpha=momentum.beta)
    return p.div_(magnitude(p).clamp_(min=1)[:, None, None])


def projection(f: Tensor, phi: Tensor, spacing: Sequence[float]) -> Tensor:
    r"""Chambolle's semi-implicit iteration, JMIV 20 (2004), eq. (9), with ``tau = 2 / L``.

    .. math::

        \phi_{k+1} = (\phi_k + \tau D v) / (1 + \tau |D v|), \qquad v = f + \mathrm{div}\,\phi_k

    ``tau`` is 1/4 on a 2-D grid of unit spacing, the value used in practice; 1/4 diverges in 3-D.
    """
    tau = 2 / norm_bound(spacing, f.shape[2:])
    ascent = gradient(divergence(phi, spacing).add_(f), spacing).mul_(tau)
    return (phi + ascent).div_(magnitude(ascent).add_(1)[:, None, None])
