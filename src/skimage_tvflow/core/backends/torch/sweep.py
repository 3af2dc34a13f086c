r"""Implicit Euler steps in plain torch: any device, any number of axes, both algorithms.

A time step of length :math:`\tau` from :math:`u` is

.. math::

    \min_v \tfrac12 \|v - u\|^2 + \tau J(v), \qquad v = u + \tau\,\mathrm{div}\,\phi, \qquad
    \phi \in \arg\min_{|\phi| \le 1} \tfrac12 \| u / \tau + \mathrm{div}\,\phi \|^2 .

With ``f = u / tau`` the iteration does not depend on the length of the step, so ``phi`` and its
momentum live on across steps. Multigrid cycles (:mod:`.multigrid`) may come between iterations.
This is the reference that every other backend is tested against.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import FrameBuffer, representable
from skimage_tvflow.core.backends.torch.multigrid import TorchMultigrid
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.operators import divergence, gradient, magnitude, norm_bound
from skimage_tvflow.core.progress import Report


def accelerated(
    f: Tensor,
    phi: Tensor,
    previous: Tensor,
    momentum: Momentum,
    spacing: Sequence[float],
    domain: Domain | None = None,
) -> Tensor:
    r"""Projected gradient ascent with two momenta, neither ever reset.

    .. math::

        d = \phi_k - \phi_{k-1}, \qquad v = f + \mathrm{div}(\phi_k + \gamma d), \qquad
        \phi_{k+1} = P(\phi_k + \beta d + s D v), \qquad P(z) = z / \max(1, |z|) .

    Parameters
    ----------
    f : Tensor of shape (N, C, *spatial)
        The image at the start of the time step, divided by the length of the step.
    phi, previous : Tensors of shape (N, C, n_spatial, *spatial)
    domain : Domain, optional
        Then P projects to its limits.

    Returns
    -------
    Tensor of shape (N, C, n_spatial, *spatial)
    """
    d = phi - previous
    v = divergence(phi + momentum.gamma * d, spacing).add_(f)
    p = gradient(v, spacing).mul_(momentum.step).add_(phi).add_(d, alpha=momentum.beta)
    if domain is not None:
        return domain.confine(p)
    return p.div_(magnitude(p).clamp_(min=1)[:, None, None])


def projection(
    f: Tensor, phi: Tensor, spacing: Sequence[float], domain: Domain | None = None
) -> Tensor:
    r"""Chambolle's semi-implicit iteration, JMIV 20 (2004), eq. (9), with ``tau = 2 / L``.

    .. math::

        \phi_{k+1} = (\phi_k + \tau D v) / (1 + \tau |D v|), \qquad v = f + \mathrm{div}\,\phi_k

    ``tau`` is 1/4 on a 2-D grid of unit spacing, the value used in practice; 1/4 diverges in 3-D.
    With the radius R of a ``domain`` the denominator is :math:`1 + \tau |D v| / R`.
    """
    tau = 2 / norm_bound(spacing, f.shape[2:])
    ascent = gradient(divergence(phi, spacing).add_(f), spacing).mul_(tau)
    if domain is not None:
        ascent *= domain.faces[:, None]
        radius = domain.radius
        longer = (radius + magnitude(ascent)).clamp_(min=torch.finfo(f.dtype).tiny)
        return (phi + ascent) * (radius / longer)[:, None, None]
    return (phi + ascent).div_(magnitude(ascent).add_(1)[:, None, None])


class TorchTrajectory:
    """The :class:`~.protocol.Trajectory` of torch."""

    def __init__(
        self,
        u: Tensor,
        spacing: Sequence[float],
        algorithm: str = "accelerated",
        domain: Domain | None = None,
    ) -> None:
        self._spacing = tuple(spacing)
        self._domain = None if domain is None else domain.to(u)
        self._algorithm = algorithm
        self._bound = norm_bound(spacing, u.shape[2:])
        self._f = u.clone()
        shape = (*u.shape[:2], len(self._spacing), *u.shape[2:])
        self._phi = u.new_zeros(shape)
        self._previous = u.new_zeros(shape)
        self._length = np.ones(u.shape[0])

    def advance(
        self,
        items: np.ndarray,
        n_steps: Sequence[int],
        lengths: np.ndarray,
        n_iter: int,
        frames: FrameBuffer | None = None,
        report: Report | None = None,
        n_cycles: int = 0,
    ) -> None:
        """See :class:`~.protocol.Trajectory`."""
        lengths = representable(lengths, self._f.dtype)
        f, phi, previous = (self._take(x, items) for x in (self._f, self._phi, self._previous))
        if n_cycles:
            momenta: tuple[Momentum, ...] = (Momentum.after_cycle(self._bound),)
        else:
            momenta = Momentum.planned(n_iter, self._bound)
        # Iterations before which a cycle is taken; with fewer of them than cycles, several.
        cycles = [n_iter * j // n_cycles for j in range(n_cycles)]
        done, total = 0, sum(n_steps) * n_iter
        length = self._length[items]
        domain = None if self._domain is None else self._domain[items]
        for m, count in enumerate(n_steps):
            f = f * self._column(length / lengths[m])
            length = lengths[m]
            for _ in range(count):
                for j in range(n_iter):
                    if report is not None:
                        report(done / total)
                    done += 1
                    for _ in range(cycles.count(j)):
                        phi, previous = self._multigrid.cycle(f, phi, previous, items)
                    if self._algorithm == "projection":
                        after = projection(f, phi, self._spacing, domain)
                    else:
                        momentum = momenta[j % len(momenta)]
                        after = accelerated(f, phi, previous, momentum, self._spacing, domain)
                    phi, previous = after, phi
                f = f + divergence(phi, self._spacing)
            if frames is not None:
                frames.put(m, f * self._column(length))
        # After a single iteration `previous` is the tensor that `phi` would overwrite.
        kept = previous.clone() if previous is self._phi else previous
        for state, value in ((self._f, f), (self._phi, phi), (self._previous, kept)):
            state[items] = value
        self._length[items] = length

    @functools.cached_property
    def _multigrid(self) -> TorchMultigrid:
        return TorchMultigrid(self._f, self._spacing, self._domain)

    def primal(self, items: np.ndarray) -> Tensor:
        """See :class:`~.protocol.Trajectory`."""
        return self._take(self._f, items) * self._column(self._length[items])

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """See :class:`~.protocol.Trajectory`."""
        self._f[items] = u / self._column(self._length[items])

    def dual(self, items: np.ndarray, slab: slice | None = None) -> Tensor:
        """See :class:`~.protocol.Trajectory`."""
        return self._phi[:, :, :, slab or slice(None)][items]

    def _take(self, state: Tensor, items: np.ndarray) -> Tensor:
        return state if len(items) == len(state) else state[items]

    def _column(self, values: np.ndarray) -> Tensor:
        column = torch.as_tensor(values, dtype=self._f.dtype, device=self._f.device)
        return column.reshape(-1, *[1] * (self._f.ndim - 1))
