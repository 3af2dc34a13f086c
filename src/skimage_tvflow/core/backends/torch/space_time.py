r"""The flow of one image at all times at once, found in two ways, in plain torch.

The unknowns are the images :math:`u_1, \dots, u_N` and dual variables :math:`\phi_1, \dots, \phi_N`
on a grid of times with steps :math:`\tau_n`; both classes begin with :math:`u_n = f` and the
:math:`\phi_n = Df / (|Df| + \epsilon)` of the paper. Every other backend is tested against them.

**Primal-dual iteration for the principle of Brezis and Ekeland.** Of all :math:`u_n = f + \sum_{m
\le n} \tau_m \mathrm{div}\,\phi_m` with :math:`|\phi_m| \le 1`, implicit Euler steps minimise

.. math:: \sum_n \tau_n \bigl( J(u_n) + \langle u_n, \mathrm{div}\,\phi_n \rangle \bigr) \ge 0 ,

and its minimum is 0. Projected gradients in :math:`\phi` alone are slow, whatever their momentum:
the sum over time makes the condition number grow with N. But as the minimum is known to be 0, the
optimality conditions are a single monotone inclusion in u and :math:`\phi`,

.. math:: 0 = A u - \mathrm{div}\,\phi, \qquad D u_n \in \partial I_{|\cdot| \le 1}(\phi_n), \qquad
    (A u)_n = (u_n - u_{n-1}) / \tau_n, \quad u_0 = f ,

where A is monotone, though not symmetric, and is inverted by one sum over time. The primal-dual
iteration of Chambolle and Pock needs no more of A (Vũ) and takes the coupling in time implicitly,

.. math::

    \bar u = (I + s A)^{-1} (u + s\,\mathrm{div}\,\phi), \qquad
    \bar\phi = P(\phi + r D (2 \bar u - u)), \qquad
    (u, \phi) \leftarrow (u, \phi) + \rho\,(\bar u - u, \bar\phi - \phi) ,

and converges for :math:`s r L \le 1`, :math:`0 < \rho < 2`, at a rate that does not depend on N.

* H. Brezis, I. Ekeland, "Un principe variationnel associé à certaines équations paraboliques", C.
  R. Acad. Sci. Paris 282 (1976) 971-974.
* A. Chambolle, T. Pock, "A first-order primal-dual algorithm for convex problems", J. Math. Imaging
  Vis. 40 (2011) 120-145.
* B. C. Vũ, "A splitting algorithm for dual monotone inclusions involving cocoercive operators",
  Adv. Comput. Math. 38 (2013) 667-681.

**Adam on the loss of TVflowNET**, eq. (9): see :mod:`.losses`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from skimage_tvflow.core import losses
from skimage_tvflow.core.backends.protocol import SpaceTimeGrid
from skimage_tvflow.core.operators import divergence, gradient, magnitude

# rho above: with 1, the iteration of Chambolle and Pock, a photograph of 96 x 96 pixels at T = .2
# takes 1.7 times as many iterations; with 2 and more it diverges.
RELAXATION = 1.9

# Of Adam, from its authors and the paper.
BETAS = (0.9, 0.999)
EPSILON = 1e-8  # keeps its quotient finite


class _TorchMinimisation(ABC):
    """A :class:`~.protocol.Minimisation` of torch."""

    def __init__(self, grid: SpaceTimeGrid) -> None:
        self._grid = grid
        image, phi = grid.start()
        n = len(grid.lengths)
        self._u = image.expand(n, *image.shape).clone()
        self._phi = phi.expand(n, *phi.shape).clone()

    @abstractmethod
    def start(self) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""

    @abstractmethod
    def trajectory(self) -> Iterator[Tensor]:
        """See :class:`~.protocol.Minimisation`."""

    def gaps(self) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        u, phi = torch.stack([*self.trajectory()])[:, None], project(self._phi.detach())[:, None]
        return losses.subgradient_residual(u, phi, self._grid.spacing)[:, 0].double()

    def dual(self, n: int) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        return project(self._phi[n : n + 1].detach())[0]


class TorchPrimalDual(_TorchMinimisation):
    """The primal-dual iteration; ``step`` is s, its step length in the image."""

    def __init__(self, grid: SpaceTimeGrid, step: float) -> None:
        super().__init__(grid)
        self._step = step
        self._dual_step = 1 / (step * grid.norm_bound)

    def iterate(self, n_iter: int, cancelled: Sequence[object] = ()) -> list[float]:
        """See :class:`~.protocol.Minimisation`."""
        spacing = self._grid.spacing
        for _ in range(n_iter):
            if cancelled:
                break
            u = self._resolvent(self._u + self._step * divergence(self._phi, spacing))
            phi = project(self._phi + self._dual_step * gradient(2 * u - self._u, spacing))
            self._u.lerp_(u, RELAXATION)
            self._phi.lerp_(phi, RELAXATION)
        return []

    def _resolvent(self, r: Tensor) -> Tensor:
        """``(I + s A)^-1 r``, forward in time."""
        before = self._grid.image
        for n, length in enumerate(self._grid.lengths):
            ratio = self._step / length
            before = r[n] = (r[n] + ratio * before) / (1 + ratio)
        return r

    def start(self) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        return self._grid.image

    def trajectory(self) -> Iterator[Tensor]:
        """Yield the admissible images ``u_n = f + sum tau_m div phi_m``."""
        u = self._grid.image[None]
        for n, length in enumerate(self._grid.lengths):
            u = u + length * divergence(self.dual(n)[None], self._grid.spacing)
            yield u[0]


class TorchDescent(_TorchMinimisation):
    """Adam with the learning rate ``lr`` on the loss of TVflowNET."""

    def __init__(self, grid: SpaceTimeGrid, lr: float) -> None:
        super().__init__(grid)
        self._u = torch.cat([grid.image[None], self._u]).requires_grad_()
        self._phi.requires_grad_()
        self._times = torch.tensor([0.0, *grid.lengths], dtype=torch.float64).cumsum(0)
        self._adam = torch.optim.Adam([self._u, self._phi], lr=lr, betas=BETAS, eps=EPSILON)

    def iterate(self, n_iter: int, cancelled: Sequence[object] = ()) -> list[float]:
        """See :class:`~.protocol.Minimisation`."""
        values = []
        image, spacing = self._grid.image[None], self._grid.spacing
        for _ in range(n_iter):
            if cancelled:
                break
            self._adam.zero_grad()
            u, phi = self._u[:, None], self._phi[:, None]
            value = losses.loss(u, phi, image, self._times, spacing).sum()
            value.backward()
            self._adam.step()
            values.append(float(value.detach()))
        return values

    def start(self) -> Tensor:
        """See :class:`~.protocol.Minimisation`."""
        return self._u[0].detach()

    def trajectory(self) -> Iterator[Tensor]:
        """See :class:`~.protocol.Minimisation`."""
        yield from self._u[1:].detach()


def project(phi: Tensor) -> Tensor:
    """Shorten the vectors of ``phi``, shape (N, C, n_spatial, *spatial), to length 1 at most."""
    return phi / magnitude(phi).clamp(min=1)[:, None, None]
