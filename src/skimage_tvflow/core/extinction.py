r"""When the flow has reached the mean: bounds from below and above.

For an image without mean, :math:`\frac{d}{dt} \|u\|^2 = -2 J(u)`, and with :math:`p \in \partial
J(u)` of least norm, :math:`J(u) = \langle p, u \rangle \le \|p\| \|u\|`. So :math:`t + \|u(t)\|^2 /
J(u(t))` never decreases along the flow, and its limit is the extinction time: a bound from below
that is sharp as soon as :math:`u` is an eigenfunction, :math:`u = \lambda p`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.operators import column, inner, magnitude, total_variation

# Blocks along an axis: with more, noise counts as structure; with fewer, structures average out.
# The best of 2, 3, 4, 6 and 8 for images, signals and volumes.
_BLOCKS = 4


def remaining_time(u: Tensor, spacing: Sequence[float], domain: Domain | None = None) -> np.ndarray:
    """The lower bound ``|u|^2 / J(u)`` of the time from ``u``, without mean, to extinction.

    Shape (N,); zero where u is zero.
    """
    variation = total_variation(u, spacing, domain)
    return torch.where(variation > 0, inner(u, u) / variation, 0.0).cpu().numpy()


def pixel_time(deviation: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    r"""The same bound from a single pixel, the largest: it is at least the deviation.

    What is zero at time T is :math:`-\int \mathrm{div}\,\phi` of some :math:`|\phi| \le 1`, thus
    :math:`\langle u, w \rangle \le T J(w)` for every w: here one in this pixel, zero elsewhere.
    """
    inverse = [1 / h for h in spacing]
    return deviation / (math.hypot(*inverse) + sum(inverse))


def coarse_remaining_time(
    u: Tensor, spacing: Sequence[float], domain: Domain | None = None
) -> np.ndarray:
    r"""The same bound from large blocks: noise, which hides it from the pixels, has no part there.

    As :func:`pixel_time`, where w are the means of u over blocks, a quarter of an axis long, and
    J(w) is bounded by the anisotropic variation. On a ``domain`` J(w) is at most what it is on the
    whole grid.
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


class Alive:
    """Bounds of the extinction times from below.

    ``T(t) = |u|^2 / J(u)`` bounds the remaining time, and ``t + T(t)`` never falls: one look at the
    image holds for long.

    Attributes
    ----------
    until : array of shape (N,), when an item may have reached its mean at the earliest
    """

    def __init__(
        self, deviation: np.ndarray, spacing: Sequence[float], domain: Domain | None
    ) -> None:
        self.until = pixel_time(deviation, spacing)
        self._spacing, self._domain = spacing, domain

    def may_end(self, moving: np.ndarray, now: np.ndarray, u: Tensor, time: np.ndarray) -> bool:
        """Whether one of the ``moving`` items, ``u`` at ``now``, may reach its mean by ``time``."""
        for remaining in (coarse_remaining_time, remaining_time):
            if not (moving & (time >= self.until)).any():
                return False
            self.look(now, u, remaining)
        return bool((moving & (time >= self.until)).any())

    def look(
        self,
        now: np.ndarray,
        u: Tensor,
        remaining: Callable[
            [Tensor, Sequence[float], Domain | None], np.ndarray
        ] = coarse_remaining_time,
    ) -> None:
        """Raise the bounds by the images as they are now."""
        left = remaining(u, self._spacing, self._domain)
        self.until = np.maximum(self.until, now + left)
