r"""When the flow has reached the mean: bounds from below and above.

For an image without mean, :math:`\frac{d}{dt} \|u\|^2 = -2 J(u)`, and with :math:`p \in \partial
J(u)` of least norm, :math:`J(u) = \langle p, u \rangle \le \|p\| \|u\|`. So :math:`t + \|u(t)\|^2 /
J(u(t))` never decreases along the flow, and its limit is the extinction time: a bound from below
that is sharp as soon as :math:`u` is an eigenfunction, :math:`u = \lambda p`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.operators import column, inner, magnitude, total_variation

# Blocks along an axis: with more, noise counts as structure; with fewer, structures average out.
# The best of 2, 3, 4, 6 and 8 for images, signals and volumes.
_BLOCKS = 4


def remaining_time(u: Tensor, spacing: Sequence[float]) -> np.ndarray:
    """The lower bound ``|u|^2 / J(u)`` of the time from ``u``, without mean, to extinction.

    Shape (N,); zero where u is zero.
    """
    variation = total_variation(u, spacing)
    return torch.where(variation > 0, inner(u, u) / variation, 0.0).cpu().numpy()


def pixel_time(deviation: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    r"""The same bound from a single pixel, the largest: it is at least the deviation.

    What is zero at time T is :math:`-\int \mathrm{div}\,\phi` of some :math:`|\phi| \le 1`, thus
    :math:`\langle u, w \rangle \le T J(w)` for every w: here one in this pixel, zero elsewhere.
    """
    inverse = [1 / h for h in spacing]
    return deviation / (math.hypot(*inverse) + sum(inverse))


def coarse_remaining_time(u: Tensor, spacing: Sequence[float]) -> np.ndarray:
    r"""The same bound from large blocks: noise, which hides it from the pixels, has no part there.

    As :func:`pixel_time`, where w are the means of u over blocks, a quarter of an axis long, and
    J(w) is bounded by the anisotropic variation.
    """
    starts = [range(0, n, -(-n // _BLOCKS)) for n in u.shape[2:]]
    sizes = np.ix_(*[np.diff([*start, start.stop]) for start in starts])
    volume = np.asarray(math.prod(sizes))
    # Torch is fast along the first axis, and NumPy on the few rows that are left.
    rows = [row.sum(2) for row in u.split(starts[0].step, 2)]
    total = torch.stack(rows, 2).cpu().numpy().astype(np.float64)
    for axis, start in enumerate(starts[1:], 3):
        total = np.add.reduceat(total, start, axis)
    # Rounding leaves a small mean in u. It is taken off, or it would count as a structure.
    spatial = tuple(range(2, u.ndim))
    total = total - volume * (total.sum(spatial, keepdims=True) / volume.sum())
    mean = total / volume
    variation = np.zeros(len(u))
    for axis, h in enumerate(spacing):
        edges = math.prod(sizes[:axis] + sizes[axis + 1 :]) / h
        jumps = np.abs(np.diff(mean, axis=2 + axis)) * edges
        variation += jumps.reshape(len(u), -1).sum(1)
    product = (mean * total).reshape(len(u), -1).sum(1)
    return np.divide(product, variation, out=np.zeros(len(u)), where=variation > 0)


@functools.cache
def decay_rate(spacing: tuple[float, ...], sizes: tuple[int, ...]) -> float:
    r"""A lower bound of :math:`J(v) / \|v - \bar v\|` on a grid.

    So an image loses at least this much of its distance from the mean per unit of time, and the
    flow has ended after :math:`\|u - \bar u\|` over it. Channels may be coupled.

    Proof. With :math:`J_i = \sum_x |D_i v|` is :math:`J^2 \ge \sum_i J_i^2`. Two pixels are joined
    by the path that changes their coordinates from first to last, and by that from last to first.
    The squared difference of their values is at most the product of what the two paths vary, each
    the sum over the axes of the variation of v along whole lines. Summed up over all pairs of
    pixels, of N in all,

    .. math:: \|v - \bar v\|^2 \le \sum_{ij} M_{ij} J_i J_j, \qquad
        M_{ii} = \frac{h_i^2 n_i^2}{2 N}, \quad
        M_{ij} = \frac{h_i h_j}{2 N} \prod_{k = i}^{j} n_k ,

    and the largest eigenvalue of M, for the best order of the axes, bounds the ratio. On a line a
    region takes the best half: :math:`2 / (h \sqrt n)`.
    """
    axes = [(h, n) for h, n in zip(spacing, sizes, strict=True) if n > 1]
    if not axes:
        return math.inf
    if len(axes) == 1:
        h, n = axes[0]
        return 2 / (h * math.sqrt(n))
    orders = itertools.permutations(axes) if len(axes) < 5 else [tuple(axes)]
    return max(_decay_rate_in_order(order) for order in orders)


def _decay_rate_in_order(axes: Sequence[tuple[float, int]]) -> float:
    total = math.prod(n for _, n in axes)
    matrix = np.empty((len(axes), len(axes)))
    for i, (h, n) in enumerate(axes):
        for j, (k, _) in enumerate(axes):
            between = math.prod(m for _, m in axes[min(i, j) : max(i, j) + 1])
            matrix[i, j] = h * k * (n * n if i == j else between) / (2 * total)
    return float(1 / math.sqrt(np.linalg.eigvalsh(matrix)[-1]))


@dataclass(frozen=True)
class LastStep:
    r"""The single implicit Euler step that ends in the mean.

    With :math:`\mathrm{div}\,\psi = u - \bar u` a step of length :math:`\tau` has the dual variable
    :math:`-\psi / \tau`, if that is nowhere longer than 1.

    Attributes
    ----------
    mean : Tensor of shape (N, C, *spatial), a view
    length : array of shape (N,), which the step must have at least
    psi : Tensor of shape (N, C, n_spatial, *spatial)
    """

    mean: Tensor
    length: np.ndarray
    psi: Tensor

    @classmethod
    def of(cls, u: Tensor, spacing: Sequence[float]) -> LastStep:
        """That from ``u``, shape (N, C, *spatial).

        psi sums up along the first axis what varies there, then along the next axis what is left:
        not the least one, but at the cost of a few sums.
        """
        mean = u.mean(list(range(2, u.ndim)), keepdim=True).expand_as(u)
        rest, parts = u - mean, []
        for axis in range(2, u.ndim):
            level = rest.mean(axis, keepdim=True)
            parts.append((torch.cumsum(rest - level, axis) * spacing[axis - 2]).expand(u.shape))
            rest = level
        psi = torch.stack(parts, 2)
        return cls(mean, magnitude(psi).flatten(1).amax(1).cpu().numpy(), psi)

    def dual(self, lengths: np.ndarray, items: np.ndarray | slice = slice(None)) -> Tensor:
        """The dual variable of ``items`` for steps of ``lengths``, one each."""
        return self.psi[items] / column(-lengths, self.psi)
