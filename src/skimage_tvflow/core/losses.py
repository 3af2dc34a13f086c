r"""The terms of the loss of TVflowNET, and their weighted sum.

Grossmann, Dittmer, Korolev and Schönlieb, "Unsupervised Learning of the Total Variation Flow",
arXiv:2206.04406 (2022), eq. (9), for an image f, a flow u and a dual variable :math:`\phi`:

.. math::

    \mathcal{L}(u, \phi) = \| u_t - \mathrm{div}\,\phi \|^2
    + \| \langle u, \mathrm{div}\,\phi \rangle + J(u) \|^2
    + \int \sum_x (|\phi| - 1)_+ \, dt + \| f - u(0) \|^2 .

It is zero for the flow and for nothing else: the first term is the equation, and the second and
third are zero exactly if :math:`-\mathrm{div}\,\phi` is a subgradient of J at u.

A trajectory is a tensor of shape (T, N, C, *spatial), its dual variable one of shape (T, N, C,
n_spatial, *spatial): N images at T times. All functions can be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skimage_tvflow.core.operators import divergence, gradient


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; all are 1 in the paper."""

    pde: float = 1.0
    subgradient: float = 1.0
    constraint: float = 1.0
    initial: float = 1.0


def time_derivative(u: Tensor, times: Tensor) -> Tensor:
    """Backward differences of ``u`` in time, at the last T of T + 1 increasing ``times``.

    Parameters
    ----------
    u : Tensor of shape (T + 1, N, C, *spatial)
    times : Tensor of shape (T + 1,), or (T + 1, N) if every image has times of its own

    Returns
    -------
    Tensor of shape (T, N, C, *spatial)
    """
    lengths = times.to(u).diff(dim=0)
    shape = (*lengths.shape, *[1] * (u.ndim - lengths.ndim))
    return u.diff(dim=0) / lengths.reshape(shape)


def pde_residual(u_t: Tensor, phi: Tensor, spacing: Sequence[float]) -> Tensor:
    r""":math:`\sum_x (u_t - \mathrm{div}\,\phi)^2`; shape (T, N).

    ``u_t`` is the time derivative, for example that of :func:`time_derivative`.
    """
    slope = _at_all_times(divergence, phi, spacing)
    return (u_t - slope).square().flatten(2).sum(2)


def subgradient_residual(u: Tensor, phi: Tensor, spacing: Sequence[float]) -> Tensor:
    r""":math:`\langle u, \mathrm{div}\,\phi \rangle + J(u)`, not negative where |phi| <= 1; (T, N).

    It is summed as :math:`\sum_x |Du| - Du \cdot \phi`, where no large numbers cancel.
    """
    du = _at_all_times(gradient, u, spacing)
    return (length(du) - (du * phi).sum((2, 3))).flatten(2).sum(2)


def constraint_violation(phi: Tensor) -> Tensor:
    r""":math:`\sum_x (|\phi| - 1)_+`; shape (T, N)."""
    return (length(phi) - 1).clamp(min=0).flatten(2).sum(2)


def initial_residual(start: Tensor, image: Tensor) -> Tensor:
    r""":math:`\sum_x (f - u(0))^2` of ``start``, shape (N, C, *spatial); shape (N,)."""
    return (start - image).square().flatten(1).sum(1)


def loss(
    u: Tensor,
    phi: Tensor,
    image: Tensor,
    times: Tensor,
    spacing: Sequence[float],
    weights: LossWeights | None = None,
    u_t: Tensor | None = None,
) -> Tensor:
    """The weighted sum of the terms, per pixel, the mean over time; shape (N,).

    Parameters
    ----------
    u : Tensor of shape (T + 1, N, C, *spatial), the first at time 0
    phi : Tensor of shape (T, N, C, n_spatial, *spatial), at the last T times
    image : Tensor of shape (N, C, *spatial)
    times : Tensor of shape (T + 1,) or (T + 1, N)
    spacing : one per spatial axis
    weights : weights of the terms, by default all 1
    u_t : Tensor of shape (T, N, C, *spatial), the time derivative; by default differences of u
    """
    weights = LossWeights() if weights is None else weights
    u_t = time_derivative(u, times) if u_t is None else u_t
    at_times = (
        weights.pde * pde_residual(u_t, phi, spacing)
        + weights.subgradient * subgradient_residual(u[1:], phi, spacing).square()
        + weights.constraint * constraint_violation(phi)
    )
    total = at_times.mean(0) + weights.initial * initial_residual(u[0], image)
    return total / image[0].numel()


def length(phi: Tensor) -> Tensor:
    """Length over channels and axes, (T, N, *spatial), with derivative 0 where it is 0."""
    square = phi.square().sum((2, 3))
    positive = square > 0
    return torch.where(positive, square, 1).sqrt() * positive


def _at_all_times(
    operator: Callable[[Tensor, Sequence[float]], Tensor], x: Tensor, spacing: Sequence[float]
) -> Tensor:
    return operator(x.flatten(0, 1), spacing).unflatten(0, x.shape[:2])
