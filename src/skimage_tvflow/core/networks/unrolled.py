r"""A network all of whose outputs are admissible trajectories of the TV flow.

It takes implicit Euler steps, and replaces the solve in each step by a few learned updates of the
dual variable. With steps of length :math:`\tau` and :math:`g = u / \tau`, a layer updates the dual
variable z and the feature maps h,

.. math::

    r = D (g + \mathrm{div}\,z), \qquad
    o = W_2\,\mathrm{silu}(W_1 [z, \mathrm{sq}(r), h]), \qquad
    z \leftarrow P(z + \sigma r + o_z), \qquad h \leftarrow \rho h + o_h,

with :math:`P(z) = z / \max(1, |z|)` and :math:`\mathrm{sq}(d) = d / \sqrt{1 + |d|^2}`. A step ends
with :math:`g \leftarrow g + \mathrm{div}\,z`. For any weights, :math:`|z| \le 1` and the image
changes by the divergence of z, so the error bound of the flow holds. The network sees only g, so it
commutes with a change of contrast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from skimage_tvflow.core.networks.convolutions import convolution, draw_convolution
from skimage_tvflow.core.networks.operators import (
    divergence,
    gradient,
    local_mean,
    project,
    squash,
    zero_outgoing,
)

__all__ = [
    "LARGEST_WEIGHT",
    "DualUpdateLayer",
    "NetworkDesign",
    "NetworkState",
    "UnrolledNet",
    "find_unusable_weight",
]

Polish = Callable[[Tensor, Tensor], Tensor]

# The first features contain g minus its mean over windows of these widths: fine and coarse detail.
_DETAIL_WIDTHS = (5, 17)
# Features are clamped to [-1e4, 1e4]. Trained networks stay below 100; with untrained weights the
# features would grow from layer to layer until they overflow.
_LARGEST_FEATURE = 1e4
# With |weight| <= 1e4 nothing overflows in float32. In the widest network that a file may hold (256
# maps, 3-D) the first features are below 1e4 * 6 * 50 = 3e6, the maps inside a layer below
# 1e4 * 27 * 262 * 3e6 = 2e14 and the output of a layer below 1e4 * 256 * 2e14 = 6e20; float32 ends
# at 3e38. The shipped networks have weights up to 4.3.
LARGEST_WEIGHT = 1e4

# Values before training. sigma = .8 / (2 n) is 4/5 of the step 1 / (2 n) = 2 / |div|^2 of dual
# gradient descent in n dimensions, for which it converges.
_SIGMA_TIMES_2N = 0.8
# Of the step z - z_before of the last time step, the next one starts with this part.
_MOMENTUM = 0.3
# rho = sigmoid(4) = .98: features are handed on almost unchanged.
_KEEP = 4.0
# The learned part of the update of z starts small beside the gradient step.
_LEARNED_PART = 0.05


@dataclass(frozen=True)
class NetworkDesign:
    """Sizes of a network; weights fit only the design they were trained for.

    Attributes
    ----------
    n_spatial : int, 2 or 3
        Spatial axes of the images.
    features : int
        Feature maps handed from layer to layer.
    width : int
        Maps inside a layer.
    first : tuple of int
        Dilations of the layers that only the first time step has.
    shared : tuple of int
        Dilations of the layers that every time step has.
    """

    n_spatial: int = 2
    features: int = 8
    width: int = 16
    first: tuple[int, ...] = (1, 2, 4, 4)
    shared: tuple[int, ...] = (1, 2)


@dataclass
class NetworkState:
    """A trajectory between two time steps.

    Attributes
    ----------
    g : Tensor of shape (N, 1, *spatial)
        The image divided by the length of the step.
    z : Tensor of shape (N, n_spatial, *spatial)
        The dual variable of the last step.
    before : Tensor of shape (N, n_spatial, *spatial)
        The dual variable of the step before that.
    h : Tensor of shape (N, features, *spatial)
        Features.
    n_steps : int
        Steps taken.
    """

    g: Tensor
    z: Tensor
    before: Tensor
    h: Tensor
    n_steps: int = 0

    def detached(self) -> NetworkState:
        """Return the same state without the history for backpropagation."""
        g, z, before, h = (x.detach() for x in (self.g, self.z, self.before, self.h))
        return NetworkState(g, z, before, h, self.n_steps)

    def of(self, items: list[int]) -> NetworkState:
        """Return the state of some of the items."""
        g, z, before, h = (x[items] for x in (self.g, self.z, self.before, self.h))
        return NetworkState(g, z, before, h, self.n_steps)

    def with_steps_longer(self, by: Tensor) -> NetworkState:
        """Return the same images for steps ``by`` times as long, shape (N,)."""
        by = by.reshape(-1, *[1] * (self.g.ndim - 1))
        return NetworkState(self.g / by, self.z, self.before, self.h, self.n_steps)


class DualUpdateLayer(nn.Module):
    """One learned update of the dual variable and the features."""

    def __init__(self, design: NetworkDesign, dilation: int) -> None:
        super().__init__()
        self._n = n = design.n_spatial
        self.look = convolution(2 * n + design.features, design.width, 3, n, dilation)
        self.say = convolution(design.width, n + design.features, 1, n)
        self.sigma = _parameter(())
        self.keep = _parameter((design.features, *[1] * n))

    def draw_weights(self, generator: torch.Generator) -> None:
        """Fill the weights with their values before training."""
        draw_convolution(self.look, generator)
        draw_convolution(self.say, generator)
        with torch.no_grad():
            self.say.weight[: self._n] *= _LEARNED_PART
            self.sigma.fill_(_SIGMA_TIMES_2N / self._n / 2)
            self.keep.fill_(_KEEP)

    def forward(self, g: Tensor, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the dual variable and the features after the update."""
        r = gradient(g + divergence(z))
        said = self.say(functional.silu(self.look(torch.cat([z, squash(r), h], 1))))
        o_z, o_h = said.split([self._n, h.shape[1]], 1)
        z = project(zero_outgoing(z + self.sigma * r + o_z))
        h = torch.sigmoid(self.keep) * h + o_h
        return z, h.clamp(-_LARGEST_FEATURE, _LARGEST_FEATURE)


class UnrolledNet(nn.Module):
    """Implicit Euler steps whose solves are learned updates.

    A new network has shapes and no numbers: its parameters are on torch's meta device, which takes
    no memory. They come from :meth:`untrained`, or from
    ``load_state_dict(tensors, assign=True)``.

    Parameters
    ----------
    design : NetworkDesign
    """

    def __init__(self, design: NetworkDesign) -> None:
        super().__init__()
        self.design = design
        n = design.n_spatial
        self.encode = convolution(n + 1 + len(_DETAIL_WIDTHS), design.features, 1, n)
        self.first = nn.ModuleList(DualUpdateLayer(design, d) for d in design.first)
        self.shared = nn.ModuleList(DualUpdateLayer(design, d) for d in design.shared)
        self.momentum = _parameter(())

    @classmethod
    def untrained(cls, design: NetworkDesign, seed: int) -> UnrolledNet:
        """Return a network on the CPU with random weights that only ``seed`` determines.

        The random state that all of torch shares is neither used nor changed.
        """
        generator = torch.Generator("cpu").manual_seed(seed)
        net = cls(design).to_empty(device="cpu")
        draw_convolution(net.encode, generator)
        for layer in [*net.first, *net.shared]:
            layer.draw_weights(generator)
        with torch.no_grad():
            net.momentum.fill_(_MOMENTUM)
        return net.eval()

    def n_layers(self, state: NetworkState) -> int:
        """Return how many layers the next step has."""
        return len(self.shared) + (len(self.first) if state.n_steps == 0 else 0)

    def start(self, g: Tensor) -> NetworkState:
        """Return the state of images g, shape (N, 1, *spatial), divided by the first step."""
        d = gradient(g)
        steepness = torch.log1p((d * d).sum(1, keepdim=True)) / 2
        details = [torch.asinh(g - local_mean(g, width)) / 2 for width in _DETAIL_WIDTHS]
        z = squash(d)
        return NetworkState(g, z, z, self.encode(torch.cat([z, steepness, *details], 1)))

    def step(self, state: NetworkState, polish: Polish | None = None) -> NetworkState:
        """Take one time step; ``polish(g, z)`` may improve the dual variable z found for g."""
        g, z, h = state.g, state.z, state.h
        if state.n_steps >= 2:
            z = project(z + self.momentum * (z - state.before))
        layers = [*self.first, *self.shared] if state.n_steps == 0 else self.shared
        for layer in layers:
            z, h = layer(g, z, h)
        if polish is not None:
            z = polish(g, z)
        return NetworkState(g + divergence(z), z, state.z, h, state.n_steps + 1)

    def forward(self, state: NetworkState, n_steps: int) -> Iterator[NetworkState]:
        """Yield the states after each of ``n_steps`` steps."""
        for _ in range(n_steps):
            state = self.step(state)
            yield state


def find_unusable_weight(weights: Mapping[str, Tensor]) -> str | None:
    """Return the name of a tensor with NaN, or with a value beyond ``LARGEST_WEIGHT``, or None."""
    for name, values in weights.items():
        # Written so that NaN, which compares as False, counts as unusable.
        if not bool((values.detach().abs() <= LARGEST_WEIGHT).all()):
            return name
    return None


def _parameter(shape: tuple[int, ...]) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, device="meta", dtype=torch.float32))
