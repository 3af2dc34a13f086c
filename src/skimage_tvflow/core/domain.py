r"""The part of a grid on which an image flows, and how strongly at each pixel.

With a mask and local weights :math:`w(x) \ge 0` the flow is that of

.. math:: J_w(u) = \sum_x w(x)\,|Du(x)|_2 , \qquad |\phi(x)| \le w(x),

where the differences to masked pixels are left out of D, as those across the edge of the image are:
nothing flows through such a face. Both are constraints of the dual variable alone, so solvers
differ in their projection and in nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.decay_rate import decay_rate
from skimage_tvflow.core.pieces import Pieces


@dataclass(frozen=True)
class Domain:
    """Limits of the dual variable, for M items: as many as there are images, or one for all.

    Attributes
    ----------
    radius : Tensor of shape (M, *spatial), largest length of phi at each pixel, at most 1
    faces : Tensor of shape (M, n_spatial, *spatial), 1 where phi may pass from x to x + e_i, else 0
    rate : array of shape (M,)
        A lower bound of J(v) / |v| for all v whose mean on every piece is 0.
    """

    radius: Tensor
    faces: Tensor
    rate: np.ndarray

    @classmethod
    def of(cls, radius: Tensor, faces: Tensor, spacing: Sequence[float]) -> Domain:
        """Return the domain with these limits; ``faces`` is an array of bool."""
        rates = [
            _decay_rate(Pieces.of(f.cpu().numpy()), r.cpu().numpy(), spacing)
            for r, f in zip(radius, faces, strict=True)
        ]
        return cls(radius, faces.to(radius.dtype), np.array(rates))

    def __getitem__(self, items: np.ndarray | slice) -> Domain:
        """The limits of some items."""
        if len(self.rate) == 1:
            return self
        return Domain(self.radius[items], self.faces[items], self.rate[items])

    def to(self, u: Tensor) -> Domain:
        """The same limits in the precision and on the device of ``u``."""
        return Domain(self.radius.to(u), self.faces.to(u), self.rate)

    def rescaled(self, finest: float) -> Domain:
        """The same domain where ``finest`` is the unit of length."""
        return dataclasses.replace(self, rate=self.rate * finest)

    def confine(self, phi: Tensor, slack: float = 1.0) -> Tensor:
        """Project ``phi``, shape (N, C, n_spatial, *spatial); ``slack`` > 1 keeps it shorter."""
        phi = phi * self.faces[:, None]
        square = (phi * phi).sum((1, 2))
        square = torch.maximum(square, self.radius * self.radius)
        length = square.clamp_(min=torch.finfo(square.dtype).tiny).sqrt_()
        return phi * (self.radius / (slack * length))[:, None, None]


def faces_between(mask: Tensor, radius: Tensor) -> Tensor:
    """Where phi may pass: both pixels are in ``mask`` and ``radius`` > 0.

    Both are (M, *spatial); the result is an array of bool of shape (M, n_spatial, *spatial).
    """
    parts = []
    for axis in range(1, mask.ndim):
        n = mask.shape[axis] - 1
        open_ = torch.zeros_like(mask)
        both = mask.narrow(axis, 0, n) & mask.narrow(axis, 1, n)
        open_.narrow(axis, 0, n).copy_(both & (radius.narrow(axis, 0, n) > 0))
        parts.append(open_)
    return torch.stack(parts, 1)


def _decay_rate(pieces: Pieces, radius: np.ndarray, spacing: Sequence[float]) -> float:
    r"""A lower bound of J(v) / |v| on every piece, v without its mean there.

    A piece that fills a box has the rate of the box, see :func:`.extinction.decay_rate`, times its
    least weight. In any other of n pixels a path along open faces joins the pixels of the largest
    and the least value. It leaves a pixel through at most one face per axis, d in all, so
    :math:`\max v - \min v \le \sqrt d\,h J(v) / w` with the largest spacing and the least weight,
    and :math:`|v| \le \sqrt n (\max v - \min v) / 2`.
    """
    least = pieces.least_radius(radius)
    n_axes = sum(n > 1 for n in radius.shape)
    rates = 2 * least / (max(spacing) * np.sqrt(max(n_axes, 1) * pieces.sizes))
    for k, box in pieces.boxes():
        rates[k] = max(rates[k], least[k] * decay_rate(tuple(spacing), box))
    moving = pieces.sizes > 1
    return float(rates[moving].min()) if moving.any() else np.inf
