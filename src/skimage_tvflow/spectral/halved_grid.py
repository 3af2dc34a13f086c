r"""Images of half the size, and the way back that keeps edges sharp.

With the detail :math:`d = u - P p` that halving took away, from u to p, at the time :math:`t_s`,

.. math:: u(t) \approx P p(t) + P w(t) \, d, \qquad w(t) = \min(1, |Dp(t)| / |Dp(t_s)|),

as an edge keeps its shape while its contrast decreases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skimage_tvflow.core import operators

# Grids of fewer than twice as many pixels along an axis are not halved along it: a disc on a coarse
# grid vanishes some per cent early.
_FEWEST = 64


@dataclass(frozen=True)
class Halving:
    """
    The way back from a grid to the finer one before it, fixed at the time of the switch.

    Attributes
    ----------
    detail : torch.Tensor of shape (N, C, *spatial)
        What halving took away.
    steepness : torch.Tensor of shape (N, 1, *coarser)
        The length of the gradient on the coarser grid.
    axes : tuple of int
        Axes of the tensors that were halved.
    spacing : tuple of float
        That of the coarser grid.
    """

    detail: Tensor
    steepness: Tensor
    axes: tuple[int, ...]
    spacing: tuple[float, ...]

    @classmethod
    def of(cls, u: Tensor, spacing: Sequence[float]) -> tuple[Halving, Tensor]:
        """
        Halve images along their long and finely sampled axes.

        Parameters
        ----------
        u : torch.Tensor of shape (N, C, *spatial)
            The images.
        spacing : sequence of float
            One per spatial axis.

        Returns
        -------
        halving : Halving
            The way back; its axes are empty if there was none to halve.
        p : torch.Tensor
            The halved images.
        """
        axes = _long_axes(u, spacing)
        p = halve(u, axes)
        coarse = tuple(h * (2 if k + 2 in axes else 1) for k, h in enumerate(spacing))
        steepness = _steepness(p, coarse)
        return cls(u - _stretch_to(p, u, axes), steepness, axes, coarse), p

    def back(self, p: Tensor) -> Tensor:
        """
        Return to the finer grid.

        Parameters
        ----------
        p : torch.Tensor
            Later images on the coarser grid.

        Returns
        -------
        torch.Tensor
            About the images of which these are the means.
        """
        least = torch.finfo(p.dtype).tiny
        share = (_steepness(p, self.spacing) / self.steepness.clamp(min=least)).clamp_(max=1)
        fine = _stretch_to(share, self.detail, self.axes) * self.detail
        return fine.add_(_stretch_to(p, self.detail, self.axes))


def _long_axes(u: Tensor, spacing: Sequence[float]) -> tuple[int, ...]:
    """Axes that have pixels to spare, and whose spacing is not coarser than that of the others."""
    long = [k for k in range(len(spacing)) if u.shape[k + 2] >= 2 * _FEWEST]
    finest = min((spacing[k] for k in long), default=0.0)
    return tuple(k + 2 for k in long if spacing[k] < 1.5 * finest)


def _halve_axis(u: Tensor, axis: int) -> Tensor:
    """Means of pairs of neighbours; the last of an odd number is alone."""
    pairs = u.shape[axis] // 2
    whole = u.narrow(axis, 0, 2 * pairs).unflatten(axis, (pairs, 2)).mean(axis + 1)
    rest = u.narrow(axis, 2 * pairs, u.shape[axis] - 2 * pairs)
    return torch.cat([whole, rest], axis) if rest.shape[axis] else whole


def halve(u: Tensor, axes: tuple[int, ...]) -> Tensor:
    """
    Take the means of pairs of neighbours.

    Parameters
    ----------
    u : torch.Tensor of shape (N, C, *spatial)
        Images.
    axes : tuple of int
        Axes of the tensor.

    Returns
    -------
    torch.Tensor
        Half as large along these axes; the last of an odd number stays alone.
    """
    for axis in axes:
        u = _halve_axis(u, axis)
    return u


def _stretch_to(p: Tensor, like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Interpolate linearly between the means of pairs, to the size of ``like``."""
    for axis in axes:
        n, size = p.shape[axis], like.shape[axis]
        left = torch.cat([p.narrow(axis, 0, 1), p.narrow(axis, 0, n - 1)], axis)
        right = torch.cat([p.narrow(axis, 1, n - 1), p.narrow(axis, n - 1, 1)], axis)
        pairs = torch.stack([p.lerp(left, 0.25), p.lerp(right, 0.25)], axis + 1)
        p = pairs.flatten(axis, axis + 1).narrow(axis, 0, size)
    return p


def _steepness(p: Tensor, spacing: Sequence[float]) -> Tensor:
    """|Dp|, blurred a little so that an edge has one value on both of its sides."""
    length = operators.magnitude(operators.gradient(p, spacing))[:, None]
    for axis in range(2, p.ndim):
        n = length.shape[axis]
        left = torch.cat([length.narrow(axis, 0, 1), length.narrow(axis, 0, n - 1)], axis)
        right = torch.cat([length.narrow(axis, 1, n - 1), length.narrow(axis, n - 1, 1)], axis)
        length = length / 2 + (left + right) / 4
    return length
