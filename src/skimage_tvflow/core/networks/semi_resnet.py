r"""The network of TVflowNET: image and time go in, the flow and its dual variable come out.

Grossmann, Dittmer, Korolev and Schönlieb, "Unsupervised Learning of the Total Variation Flow",
arXiv:2206.04406 (2022), section 3: convolutions map an image f and a time t to

.. math::

    u(t) = f + o(f, t), \qquad \phi(t) = m\,q(f, t),

with the maps o and q of the last convolution, and m = 0 on the whole boundary ring, 1 elsewhere. It
is called a semi-ResNet because only u has a residual connection. Nothing keeps :math:`|\phi| \le 1`
or :math:`u_t = \mathrm{div}\,\phi` but the loss it was trained on,
:mod:`skimage_tvflow.core.losses`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from skimage_tvflow.core.networks.convolutions import convolution, draw_convolution

__all__ = ["ACTIVATIONS", "SemiResNet", "SemiResNetDesign"]

# Kinds of networks: the activation after the first convolution, and that after the inner ones.
# The paper found ReLU then softplus to be the best.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "mixed": (functional.relu, functional.softplus),
    "relu": (functional.relu, functional.relu),
    "softplus": (functional.softplus, functional.softplus),
}


@dataclass(frozen=True)
class SemiResNetDesign:
    """Sizes of a network; weights fit only the design they were trained for.

    Attributes
    ----------
    n_spatial : int, 2 or 3
        Spatial axes of the images.
    width : int
        Maps between the convolutions.
    n_layers : int
        Convolutions, at least 2.
    activation : str
        A key of ACTIVATIONS.
    """

    n_spatial: int = 2
    width: int = 16
    n_layers: int = 8
    activation: str = "mixed"


class SemiResNet(nn.Module):
    """Convolutions of width 3 from (f, t) to (u, phi).

    A new network has shapes and no numbers, as
    :class:`~skimage_tvflow.core.networks.unrolled.UnrolledNet`.

    Parameters
    ----------
    design : SemiResNetDesign
    """

    def __init__(self, design: SemiResNetDesign) -> None:
        super().__init__()
        self.design = design
        maps = [2, *[design.width] * (design.n_layers - 1), 1 + design.n_spatial]
        self.layers = nn.ModuleList(
            convolution(before, after, 3, design.n_spatial) for before, after in pairwise(maps)
        )

    @classmethod
    def untrained(cls, design: SemiResNetDesign, seed: int) -> SemiResNet:
        """Return a network on the CPU with random weights that only ``seed`` determines."""
        generator = torch.Generator("cpu").manual_seed(seed)
        net = cls(design).to_empty(device="cpu")
        for layer in net.layers:
            draw_convolution(layer, generator)
        return net.eval()

    def forward(self, f: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return u, (N, 1, *spatial), and phi, (N, n_spatial, *spatial), at times t, (N,)."""
        first, inner = ACTIVATIONS[self.design.activation]
        t = t.reshape(-1, *[1] * (f.ndim - 1)).expand_as(f)
        maps = first(self.layers[0](torch.cat([f, t], 1)))
        for layer in self.layers[1:-1]:
            maps = inner(layer(maps))
        offset, phi = self.layers[-1](maps).split([1, self.design.n_spatial], 1)
        return f + offset, _zero_ring(phi)


def _zero_ring(phi: Tensor) -> Tensor:
    """Return phi with zeros in the first and last entries along every axis longer than 1."""
    mask = phi.new_ones(phi.shape[2:])
    for axis, n in enumerate(mask.shape):
        if n > 1:
            mask.select(axis, 0).zero_()
            mask.select(axis, n - 1).zero_()
    return phi * mask
