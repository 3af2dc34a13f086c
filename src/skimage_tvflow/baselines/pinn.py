"""A physics-informed network for one image."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from skimage_tvflow.baselines.candidate import CandidateTVFlow

# Frames are evaluated in parts of this many points, which limits the memory.
_POINTS_AT_A_TIME = 2**16


class PINNTVFlow(CandidateTVFlow):
    r"""The flow of one image as a network of place and time, trained anew for every image.

    A network maps (x, t) to (u, phi) and is trained at random points by Adam on the equations of
    the continuous flow, with all derivatives by automatic differentiation [1]_,

    .. math::

        \overline{(u_t - \mathrm{div}\,\phi)^2}
        + \overline{\left| |\nabla u| - \nabla u \cdot \phi \right|}
        + \overline{(|\phi| - 1)_+} + \overline{(\phi \cdot n)^2}
        + \overline{(u(x, 0) - f(x))^2} ,

    the fourth on the boundary.

    It is here to be compared with: such networks are smooth, and images are not.

    Parameters
    ----------
    t : float or sequence of float, default=0.1
        Time or times of the flow, in the unit of value x spacing.
    width, n_layers : int, default=64 and 4
        Units in a hidden layer, and hidden layers, with tanh between them.
    max_num_iter : int, default=2000
        Updates for every image.
    n_points : int, default=2048
        Points of an update inside, and pixels of the start.
    lr : float, default=3e-3
        Learning rate of Adam.
    random_state : int, default=0
        Seed of weights and points.
    coupled_channels : bool, default=False
        Must be False: channels are separate images here.
    spacing, channel_axis, batch_axis, batch_size, device : optional
        As for `ChambolleTVFlow`; images of one, two or three spatial axes of equal spacing.

    See Also
    --------
    TVFlowNet : A network that is trained once for all images.

    Notes
    -----
    [1]_ has no experiment with the TV flow: sizes, points and rates are ours, and that the second
    term is not squared, without which the network prefers an image that stands still.

    References
    ----------
    .. [1] M. Raissi, P. Perdikaris, G. E. Karniadakis, "Physics-informed neural networks: A deep
       learning framework for solving forward and inverse problems involving nonlinear partial
       differential equations", Journal of Computational Physics 378 (2019) 686-707.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.baselines import PINNTVFlow
    >>> ramp = np.linspace(0, 1, 64).reshape(8, 8)
    >>> PINNTVFlow(max_num_iter=3).transform(ramp, [0.1, 0.2]).shape
    (2, 8, 8)
    """

    _n_spatial: ClassVar[tuple[int, ...]] = (1, 2, 3)

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CandidateTVFlow._parameter_constraints,
        "width": [Interval(Integral, 1, 4096, closed="both")],
        "n_layers": [Interval(Integral, 1, 64, closed="both")],
        "max_num_iter": [Interval(Integral, 0, None, closed="left")],
        "n_points": [Interval(Integral, 1, 2**24, closed="both")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both")],
    }

    def __init__(
        self,
        *,
        t: Any = 0.1,
        width: int = 64,
        n_layers: int = 4,
        max_num_iter: int = 2000,
        n_points: int = 2048,
        lr: float = 3e-3,
        random_state: int = 0,
        coupled_channels: bool = False,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        batch_size: int | None = None,
        device: Any = None,
    ) -> None:
        self.t = t
        self.width = width
        self.n_layers = n_layers
        self.max_num_iter = max_num_iter
        self.n_points = n_points
        self.lr = lr
        self.random_state = random_state
        self.coupled_channels = coupled_channels
        self.spacing = spacing
        self.channel_axis = channel_axis
        self.batch_axis = batch_axis
        self.batch_size = batch_size
        self.device = device

    def _candidates(self, f: np.ndarray, times: np.ndarray, device: torch.device) -> np.ndarray:
        generator = torch.Generator().manual_seed(int(self.random_state))
        image = torch.from_numpy(f).float()
        net = _draw_network(f.ndim, int(self.width), int(self.n_layers), generator).to(device)
        optimizer = torch.optim.Adam(net.parameters(), float(self.lr))
        # Lengths of the axes and of time: the network sees numbers from 0 to 1.
        sides = torch.tensor([*f.shape, times[-1]], dtype=torch.float32)
        with torch.enable_grad():
            for _ in range(int(self.max_num_iter)):
                pixels = torch.stack(
                    [torch.randint(n, (self.n_points,), generator=generator) for n in f.shape], 1
                )
                inside = torch.rand((self.n_points, f.ndim + 1), generator=generator)
                start = torch.cat([pixels + 0.5, torch.zeros(self.n_points, 1)], 1) / sides
                wanted = image[tuple(pixels.T)].to(device)
                misfit = (net(start.to(device))[:, 0] - wanted).square().mean()
                loss = misfit + _residuals(net, inside.to(device), sides.to(device))
                loss = loss + _outflow(net, inside.to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        grid = torch.from_numpy(np.indices(f.shape).reshape(f.ndim, -1).T.astype(np.float32))
        frames = []
        for t in times:
            here = torch.cat([grid + 0.5, torch.full((len(grid), 1), t)], 1) / sides
            with torch.no_grad():
                parts = [net(part.to(device))[:, 0] for part in here.split(_POINTS_AT_A_TIME)]
            frames.append(torch.cat(parts).double().cpu().numpy().reshape(f.shape))
        return np.stack(frames)


def _draw_network(
    n_spatial: int, width: int, n_layers: int, generator: torch.Generator
) -> nn.Sequential:
    """A network from (x, t) to (u, phi), with the initial weights of Glorot and Bengio."""
    sizes = [n_spatial + 1, *[width] * n_layers, n_spatial + 1]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layer = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def _outflow(net: nn.Module, points: Tensor) -> Tensor:
    """The fourth term of the loss, at the projections of points to the boundary."""
    total = points.new_zeros(())
    for axis in range(points.shape[1] - 1):
        edge = points.detach().clone()
        edge[:, axis] = edge[:, axis].round()
        total = total + net(edge)[:, 1 + axis].square().mean()
    return total


def _residuals(net: nn.Module, points: Tensor, sides: Tensor) -> Tensor:
    """The first three terms of the loss at points (n, n_spatial + 1), in parts of ``sides``."""
    points = points.requires_grad_()
    u, phi = net(points).split([1, len(sides) - 1], 1)

    def derivatives(of: Tensor) -> Tensor:
        return torch.autograd.grad(of.sum(), points, create_graph=True)[0] / sides

    slopes = derivatives(u)
    gradient, u_t = slopes[:, :-1], slopes[:, -1]
    n_axes = phi.shape[1]
    divergence = sum(derivatives(phi[:, axis])[:, axis] for axis in range(n_axes))
    # sqrt has no derivative at 0.
    length = (gradient.square().sum(1) + torch.finfo(u.dtype).tiny).sqrt()
    gap = length - (gradient * phi).sum(1)
    excess = ((phi.square().sum(1) + torch.finfo(u.dtype).tiny).sqrt() - 1).clamp(min=0)
    return (u_t - divergence).square().mean() + gap.abs().mean() + excess.mean()
