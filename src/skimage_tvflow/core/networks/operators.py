"""Differential operators inside a network, on grids of spacing 1.

They repeat those of :mod:`skimage_tvflow.core.operators` in plain tensor expressions. The operators
of the core write into buffers, which makes backpropagation through many steps slow.

Shapes: an image g is (N, 1, *spatial), a dual variable z is (N, n_spatial, *spatial).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "divergence",
    "duality_gap",
    "gradient",
    "local_mean",
    "project",
    "squash",
    "zero_outgoing",
]

# |Dg| is differentiated as sqrt(max(|Dg|^2, floor)): its derivative stays finite where Dg = 0.
_SQUARED_LENGTH_FLOOR = 1e-24


def gradient(g: Tensor) -> Tensor:
    """Return the forward differences of g along each axis, zero in the last entry."""
    return torch.cat([_forward_difference(g, axis) for axis in range(2, g.ndim)], 1)


def _forward_difference(g: Tensor, axis: int) -> Tensor:
    n = g.shape[axis]
    last = g.narrow(axis, n - 1, 1)
    return torch.cat([g.narrow(axis, 1, n - 1), last], axis) - g


def zero_outgoing(z: Tensor) -> Tensor:
    """Return z with zero in the last entry along each axis, where it would leave the image."""
    parts = []
    for axis in range(z.ndim - 2):
        part = z[:, axis : axis + 1]
        n = part.shape[axis + 2]
        kept = part.narrow(axis + 2, 0, n - 1)
        parts.append(torch.cat([kept, torch.zeros_like(part.narrow(axis + 2, 0, 1))], axis + 2))
    return torch.cat(parts, 1)


def divergence(z: Tensor) -> Tensor:
    """Return div z = -D^T z, for z that is zero in the last entry along each axis."""
    changes = []
    for axis in range(z.ndim - 2):
        part = z[:, axis : axis + 1]
        n = part.shape[axis + 2]
        zero = torch.zeros_like(part.narrow(axis + 2, 0, 1))
        changes.append(part - torch.cat([zero, part.narrow(axis + 2, 0, n - 1)], axis + 2))
    return sum(changes[1:], changes[0])


def squash(d: Tensor) -> Tensor:
    """Return d / sqrt(1 + |d|^2), whose length is less than 1."""
    return d * torch.rsqrt(1 + (d * d).sum(1, keepdim=True))


def project(z: Tensor) -> Tensor:
    """Return z / max(1, |z|)."""
    return z * torch.rsqrt((z * z).sum(1, keepdim=True).clamp(min=1))


def local_mean(g: Tensor, width: int) -> Tensor:
    """Return the mean of g over windows of that width, over their part inside the image."""
    pool = functional.avg_pool2d if g.ndim == 4 else functional.avg_pool3d
    # A window must be odd, to have a centre, and no wider than the image.
    widths = [min(width, n - 1 + n % 2) for n in g.shape[2:]]
    return pool(g, widths, 1, [w // 2 for w in widths], count_include_pad=False)


def duality_gap(g: Tensor, z: Tensor) -> Tensor:
    """Return J(g) - <Dg, z> >= 0, shape (N,): it is zero where z is a dual variable of g."""
    d = gradient(g)
    length = (d * d).sum(1).clamp(min=_SQUARED_LENGTH_FLOOR).sqrt()
    return (length - (d * z).sum(1)).flatten(1).sum(1)
