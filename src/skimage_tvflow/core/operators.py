r"""Discrete gradient, its negative adjoint, and the total variation.

For an image :math:`u` on a grid with spacing :math:`h_i`,

.. math::

    (D_i u)(x) = (u(x + e_i) - u(x)) / h_i \quad (0 \text{ in the last entry along } i), \qquad
    \mathrm{div} = -D^T, \qquad J(u) = \sum_x |Du(x)|_2,

with the norm over the spatial axes and the channels. This is the discretisation of Chambolle,
"An algorithm for total variation minimization and applications", JMIV 20 (2004), eq. (2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.domain import Domain

# The first spatial axis of a tensor of shape (N, C, *spatial).
_FIRST_SPATIAL = 2
# Pixels that are worked on at a time. On a CPU they fit the cache and are too few for torch to use
# several threads, which on a busy machine wait for each other much longer than they work.
_SLAB = {"cpu": 2**13}
# On other devices the number only limits the memory.
_SLAB_ELSEWHERE = 2**22


def gradient(u: Tensor, spacing: Sequence[float]) -> Tensor:
    """Forward differences of ``u``, zero in the last entry along each axis.

    Parameters
    ----------
    u : Tensor of shape (N, C, *spatial)
    spacing : one grid spacing per spatial axis

    Returns
    -------
    Tensor of shape (N, C, n_spatial, *spatial)
    """
    out = u.new_zeros((*u.shape[:2], len(spacing), *u.shape[2:]))
    for axis, h in enumerate(spacing):
        n = u.shape[_FIRST_SPATIAL + axis] - 1
        inner = out.select(2, axis).narrow(_FIRST_SPATIAL + axis, 0, n)
        ahead, here = (u.narrow(_FIRST_SPATIAL + axis, first, n) for first in (1, 0))
        # In place, and still differentiable: autograd follows add_ and sub_.
        inner.add_(ahead).sub_(here)
        if h != 1:
            inner.div_(h)
    return out


def divergence(phi: Tensor, spacing: Sequence[float]) -> Tensor:
    """Minus the adjoint of :func:`gradient`: backward differences of ``phi``.

    The last entry of ``phi`` along each axis is the flux out of the image; it is taken as zero.

    Parameters
    ----------
    phi : Tensor of shape (N, C, n_spatial, *spatial)
    spacing : one grid spacing per spatial axis

    Returns
    -------
    Tensor of shape (N, C, *spatial)
    """
    out = phi.new_zeros((*phi.shape[:2], *phi.shape[3:]))
    for axis, h in enumerate(spacing):
        n = out.shape[_FIRST_SPATIAL + axis] - 1
        flux = phi.select(2, axis).narrow(_FIRST_SPATIAL + axis, 0, n)
        out.narrow(_FIRST_SPATIAL + axis, 0, n).add_(flux, alpha=1 / h)
        out.narrow(_FIRST_SPATIAL + axis, 1, n).sub_(flux, alpha=1 / h)
    return out


def magnitude(phi: Tensor) -> Tensor:
    """Euclidean length over channels and axes: (N, C, n_spatial, *spatial) to (N, *spatial)."""
    # torch.linalg.vector_norm over two outer axes takes ten times as long, and sqrt() on a CPU
    # wakes up threads for arrays of any size. rsqrt() does not; a Newton step gives the last digit.
    square = (phi * phi).sum((1, 2))
    inverse = square.clamp(min=torch.finfo(square.dtype).tiny).rsqrt_()
    length = square * inverse
    return length + (square - length * length) * (inverse / 2)


def total_variation(u: Tensor, spacing: Sequence[float], domain: Domain | None = None) -> Tensor:
    """The isotropic total variation J(u) of every item, summed in float64; shape (N,)."""
    parts = []
    for slab, du in _gradient_slabs(u, spacing):
        if domain is None:
            parts.append(_total(magnitude(du)))
        else:
            du *= domain.faces[:, None, :, slab].to(du.dtype)
            parts.append(_total(magnitude(du) * domain.radius[:, slab].to(du.dtype)))
    return sum(parts[1:], parts[0])


def pairing(u: Tensor, phi: Callable[[slice], Tensor], spacing: Sequence[float]) -> Tensor:
    r"""Return :math:`\langle Du, \phi \rangle`, at most :math:`J(u)` where |phi| <= 1; shape (N,).

    ``phi(slab)`` returns the dual variable in a slab of the first spatial axis.
    """
    parts = [_total(du.mul_(phi(slab))) for slab, du in _gradient_slabs(u, spacing)]
    return sum(parts[1:], parts[0])


def inner(u: Tensor, v: Tensor) -> Tensor:
    """Return the inner product of each item of ``u`` and ``v``, summed in float64; shape (N,)."""
    parts = [_total(u[:, :, slab] * v[:, :, slab]) for slab in _slabs(u)]
    return sum(parts[1:], parts[0])


def rms(u: Tensor) -> Tensor:
    """Root mean square of every item, summed in float64; shape (N,)."""
    return (inner(u, u) / u[0].numel()).sqrt()


def distance(u: Tensor, v: Tensor) -> Tensor:
    """Root mean square of the difference of each item of ``u`` and ``v``; shape (N,)."""
    parts = [_total((u[:, :, slab] - v[:, :, slab]).square_()) for slab in _slabs(u)]
    return (sum(parts[1:], parts[0]) / u[0].numel()).sqrt()


def exact_dtype(u: Tensor) -> torch.dtype:
    """Return the precision of sums: float64, but float32 on Apple's GPUs, which have no other."""
    return torch.float32 if u.device.type == "mps" else torch.float64


def norm_bound(spacing: Sequence[float], sizes: Sequence[int]) -> float:
    """Return ``L = 4 sum_i 1 / h_i^2 >= |D|^2``, summed over the axes of more than one pixel."""
    differing = [h for h, n in zip(spacing, sizes, strict=True) if n > 1]
    return 4 * sum((1 / h) ** 2 for h in differing or spacing[-1:])


def _slabs(u: Tensor) -> Iterator[slice]:
    """Ranges along the first spatial axis, so that temporary arrays stay small."""
    n = u.shape[_FIRST_SPATIAL]
    pixels = _SLAB.get(u.device.type, _SLAB_ELSEWHERE)
    rows = max(1, pixels * n // u.numel())
    return (slice(begin, min(begin + rows, n)) for begin in range(0, n, rows))


def _gradient_slabs(u: Tensor, spacing: Sequence[float]) -> Iterator[tuple[slice, Tensor]]:
    for slab in _slabs(u):
        # One row more, as the last row of a slab needs its neighbour.
        du = gradient(u[:, :, slab.start : slab.stop + 1], spacing)
        yield slab, du[:, :, :, : slab.stop - slab.start]


def _total(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1, dtype=exact_dtype(x))


def column(values: np.ndarray, like: Tensor) -> Tensor:
    """One value per item, ready to multiply a tensor whose first axis is the items."""
    factors = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return factors.reshape(-1, *[1] * (like.ndim - 1))


def take(u: Tensor, items: np.ndarray) -> Tensor:
    """``u[items]``, without a copy where that is everything."""
    return u if len(items) == len(u) else u[items]
