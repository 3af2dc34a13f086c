"""How fast every image approaches its mean on a grid at least."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np


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
