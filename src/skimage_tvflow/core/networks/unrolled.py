r"""A network whose every answer is an admissible trajectory of the TV flow.

An implicit Euler march with few learned dual updates in place of a solve. With steps of length
:math:`\tau` and :math:`g = u / \tau`, a layer updates the dual variable and K features,

.. math::

    r = D (g + \mathrm{div}\,z), \qquad
    o = W_2\,\mathrm{silu}(W_1 [z, \mathrm{sq}(r), h]), \qquad
    z \leftarrow P(z + \sigma r + o_z), \qquad h \leftarrow \rho h + o_h,

with :math:`P(z) = z / \max(1, |z|)` and :math:`\mathrm{sq}(d) = d / \sqrt{1 + |d|^2}`, and a step
ends with :math:`g \leftarrow g + \mathrm{div}\,z`. Whatever the weights are, :math:`|z| \le 1` and
the image moves by the divergence of z, so that the certificate holds; and as only g is looked at,
the network commutes with a change of contrast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Polish = Callable[[Tensor, Tensor], Tensor]

# Widths of the windows over which local means are taken off.
_WINDOWS = (5, 17)
# Far above what a trained network has; weights that nobody trained must not overflow.
_LARGEST_FEATURE = 1e4


@dataclass(frozen=True)
class Design:
    """What a network looks like; its weights fit no other.

    Attributes
    ----------
    n_spatial : int, 2 or 3
    features : int
        Feature maps handed on from layer to layer.
    width : int
        Maps inside a layer.
    first : tuple of int
        Dilations of the layers that only the first step has.
    shared : tuple of int
        Dilations of the layers of every step.
    """

    n_spatial: int = 2
    features: int = 8
    width: int = 16
    first: tuple[int, ...] = (1, 2, 4, 4)
    shared: tuple[int, ...] = (1, 2)


@dataclass
class NetworkState:
    """A trajectory between two steps.

    Attributes
    ----------
    g : Tensor of shape (N, 1, *spatial), the image over the length of the step
    z, before : Tensors of shape (N, n_spatial, *spatial), the dual variable and the one a step ago
    h : Tensor of shape (N, features, *spatial)
    n_steps : int, steps taken
    """

    g: Tensor
    z: Tensor
    before: Tensor
    h: Tensor
    n_steps: int = 0

    def detached(self) -> NetworkState:
        """The same without its history."""
        g, z, before, h = (x.detach() for x in (self.g, self.z, self.before, self.h))
        return NetworkState(g, z, before, h, self.n_steps)

    def of(self, items: list[int]) -> NetworkState:
        """Some of the items."""
        g, z, before, h = (x[items] for x in (self.g, self.z, self.before, self.h))
        return NetworkState(g, z, before, h, self.n_steps)

    def with_steps_longer(self, by: Tensor) -> NetworkState:
        """The same for steps ``by`` times as long, shape (N,)."""
        by = by.reshape(-1, *[1] * (self.g.ndim - 1))
        return NetworkState(self.g / by, self.z, self.before, self.h, self.n_steps)


class Layer(nn.Module):
    """One learned update of the dual variable and the features."""

    def __init__(self, design: Design, dilation: int) -> None:
        super().__init__()
        conv = nn.Conv2d if design.n_spatial == 2 else nn.Conv3d
        self._n = n = design.n_spatial
        self.look = conv(
            2 * n + design.features, design.width, 3, padding=dilation, dilation=dilation
        )
        self.say = conv(design.width, n + design.features, 1)
        self.sigma = nn.Parameter(torch.tensor(0.8 / n / 2))
        self.keep = nn.Parameter(torch.full((design.features, *[1] * n), 4.0))
        with torch.no_grad():
            self.say.weight[:n] *= 0.05

    def forward(self, g: Tensor, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The dual variable and features after the update."""
        r = grad(g + div(z))
        said = self.say(functional.silu(self.look(torch.cat([z, squashed(r), h], 1))))
        change, news = said.split([self._n, h.shape[1]], 1)
        z = projected(inside(z + self.sigma * r + change))
        h = torch.sigmoid(self.keep) * h + news
        return z, h.clamp(-_LARGEST_FEATURE, _LARGEST_FEATURE)


class UnrolledNet(nn.Module):
    """NetworkIntegrator implicit Euler steps.

    Parameters
    ----------
    design : Design
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        conv = nn.Conv2d if design.n_spatial == 2 else nn.Conv3d
        self.encode = conv(design.n_spatial + 1 + len(_WINDOWS), design.features, 1)
        self.first = nn.ModuleList(Layer(design, d) for d in design.first)
        self.shared = nn.ModuleList(Layer(design, d) for d in design.shared)
        self.momentum = nn.Parameter(torch.tensor(0.3))

    def n_layers(self, state: NetworkState) -> int:
        """How many layers the next step has."""
        return len(self.shared) + (len(self.first) if state.n_steps == 0 else 0)

    def start(self, g: Tensor) -> NetworkState:
        """The state of images ``g``, shape (N, 1, *spatial), over the length of the first step."""
        d = grad(g)
        steepness = torch.log1p((d * d).sum(1, keepdim=True)) / 2
        details = [torch.asinh(g - local_mean(g, width)) / 2 for width in _WINDOWS]
        z = squashed(d)
        return NetworkState(g, z, z, self.encode(torch.cat([z, steepness, *details], 1)))

    def step(self, state: NetworkState, polish: Polish | None = None) -> NetworkState:
        """One time step; ``polish`` betters the dual variable found for g."""
        g, z, h = state.g, state.z, state.h
        if state.n_steps >= 2:
            z = projected(z + self.momentum * (z - state.before))
        layers = [*self.first, *self.shared] if state.n_steps == 0 else self.shared
        for layer in layers:
            z, h = layer(g, z, h)
        if polish is not None:
            z = polish(g, z)
        return NetworkState(g + div(z), z, state.z, h, state.n_steps + 1)

    def forward(self, state: NetworkState, n_steps: int) -> Iterator[NetworkState]:
        """The states after each of ``n_steps`` steps."""
        for _ in range(n_steps):
            state = self.step(state)
            yield state


# Those of the core write into buffers, and it takes longer to go back through that history.
def grad(g: Tensor) -> Tensor:
    """The gradient of ``g``, shape (N, 1, *spatial); shape (N, n_spatial, *spatial)."""
    return torch.cat([_forward(g, axis) for axis in range(2, g.ndim)], 1)


def _forward(g: Tensor, axis: int) -> Tensor:
    """Forward differences along ``axis``, zero in the last entry."""
    n = g.shape[axis]
    last = g.narrow(axis, n - 1, 1)
    return torch.cat([g.narrow(axis, 1, n - 1), last], axis) - g


def inside(z: Tensor) -> Tensor:
    """``z`` without what leaves the image in the last entry along each axis."""
    parts = []
    for axis in range(z.ndim - 2):
        part = z[:, axis : axis + 1]
        n = part.shape[axis + 2]
        kept = part.narrow(axis + 2, 0, n - 1)
        parts.append(torch.cat([kept, torch.zeros_like(part.narrow(axis + 2, 0, 1))], axis + 2))
    return torch.cat(parts, 1)


def div(z: Tensor) -> Tensor:
    """The divergence of ``z``, whose last entry along each axis is zero."""
    changes = []
    for axis in range(z.ndim - 2):
        part = z[:, axis : axis + 1]
        n = part.shape[axis + 2]
        zero = torch.zeros_like(part.narrow(axis + 2, 0, 1))
        changes.append(part - torch.cat([zero, part.narrow(axis + 2, 0, n - 1)], axis + 2))
    return sum(changes[1:], changes[0])


def squashed(d: Tensor) -> Tensor:
    """``d``, shortened to less than 1."""
    return d * torch.rsqrt(1 + (d * d).sum(1, keepdim=True))


def projected(z: Tensor) -> Tensor:
    """``z``, shortened to 1 where it is longer."""
    return z * torch.rsqrt((z * z).sum(1, keepdim=True).clamp(min=1))


def local_mean(g: Tensor, width: int) -> Tensor:
    """Mean of ``g`` over windows, no wider than the image, without what is outside."""
    pool = functional.avg_pool2d if g.ndim == 4 else functional.avg_pool3d
    widths = [min(width, n - 1 + n % 2) for n in g.shape[2:]]
    return pool(g, widths, 1, [w // 2 for w in widths], count_include_pad=False)


def gap(g: Tensor, z: Tensor) -> Tensor:
    """What phi = z misses of the total variation of ``g``: J(g) - <Dg, z> >= 0; shape (N,)."""
    d = grad(g)
    return ((d * d).sum(1).clamp(min=1e-24).sqrt() - (d * z).sum(1)).flatten(1).sum(1)
