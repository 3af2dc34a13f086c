r"""Multigrid cycles for the dual of an implicit Euler step, in plain torch.

An iteration moves information by one pixel. Where regions are wide, most of what is left to do is
smooth and cheap to find on coarse grids: this is the full approximation scheme (FAS) of Brandt,
"Multi-level adaptive solutions to boundary-value problems", Math. Comp. 31 (1977) 333-390, for a
problem with a constraint. It is the reference that every other backend is tested against.

**The problem of a level**, with cells of volume W and faces of area A (:mod:`.coarse_grids`), is

.. math::

    \min_{|\phi| \le R} \tfrac12 \|v\|_W^2 - \langle \tau, \phi \rangle, \qquad
    v = f + \mathrm{div}_A \phi, \qquad \mathrm{div}_A \phi = W^{-1} \mathrm{div}(A \phi) .

On the image :math:`W = A = R = 1` and :math:`\tau = 0`. The negative gradient is
:math:`g = A D v + \tau`, and at the solution :math:`g = \lambda \phi` with a multiplier
:math:`\lambda \ge 0` that vanishes where :math:`|\phi| < R`.

**Coarser.** The means M and faces F of :mod:`.multigrid_transfer` restrict v and :math:`\phi`, as
always in FAS: :math:`\phi_0 = F \phi` and :math:`f_c = M v - \mathrm{div}_A \phi_0`, so the coarse
v begins as the mean of the fine one. The forces :math:`\lambda \phi` of the constraint point in
many directions within a coarse cell, and are restricted as well. With P, the interpolation of
duals, and its transpose divided by the number of children,

.. math:: \lambda = \max(0, g \cdot \phi) / |\phi|^2 \ \text{where } |\phi| = R, \qquad
    \tau_c = |P^T \lambda \phi| \frac{\phi_0}{|\phi_0|} - P^T \lambda \phi + P^T \tau .

As :math:`A D M v = P^T A D v`, the coarse g begins with
:math:`P^T (g - \lambda \phi) + |P^T \lambda \phi| \phi_0 / |\phi_0|`. Where :math:`\phi` solves its
level only the last term is left; it points out of the coarse constraint, and nothing moves. A mean
of directions is shorter than they are, so the radius is not 1 but what the children leave:
:math:`R_c = |\phi_0| + \max(0, \min_\text{children} (R - |\phi|))`.

**Back.** :math:`\phi \leftarrow \Pi_R(\phi + P (\phi_c - \phi_0))` with the projection
:math:`\Pi_R` to length R; the predecessor of :math:`\phi` moves by the same, so the momentum stays
what it was. Of the correction of the image itself, d, only as much is taken as is best,

.. math:: \phi \leftarrow \phi + \theta d, \qquad
    \theta = \min\bigl(1, \max(0, -\langle v, \mathrm{div}\, d \rangle / \|\mathrm{div}\, d\|^2)
    \bigr) ,

which minimises :math:`\tfrac12 \|v\|^2` on the way and stays admissible: no cycle raises the
energy.

The first grids are visited twice, the others once, which is between a W-cycle and a V-cycle.
Everything stays on the device, for all items at once; nothing waits for a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends import coarse_grids
from skimage_tvflow.core.backends.coarse_grids import Grid, grids_of, visits_of
from skimage_tvflow.core.backends.torch.multigrid_transfer import Transfer
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.operators import divergence, gradient, inner, magnitude


@dataclass(frozen=True)
class Subproblem:
    """The problem of a level, as above.

    Attributes
    ----------
    f : Tensor of shape (N, C, *spatial)
    tau : Tensor of shape (N, C, n_spatial, *spatial), or a single zero
    radius : Tensor of shape (N, *spatial), or a single one
    faces : tuple of Tensors of shape (N, 1, n_spatial, *spatial), or None
        1 where phi may pass and 0 elsewhere: here and on all coarser grids.
    """

    f: Tensor
    tau: Tensor
    radius: Tensor
    faces: tuple[Tensor, ...] | None = None

    def leave_closed(self, change: Tensor) -> Tensor:
        """Make ``change`` of phi zero at closed faces, in place."""
        return change if self.faces is None else change.mul_(self.faces[0])


class Level:
    """The operators of a grid, and the way to the next coarser one."""

    def __init__(self, grid: Grid, like: Tensor) -> None:
        self._spacing = grid.spacing
        # All widths are 1, so W and A are.
        self._is_whole = all((w == 1).all() for w in grid.widths)
        areas, volumes = grid.areas_and_volumes()
        self._areas, self._volumes = (
            torch.as_tensor(x, dtype=like.dtype, device=like.device) for x in (areas, volumes)
        )
        self._momentum = Momentum.in_cycle(grid.bound)
        self._transfer = Transfer(grid, like)

    def divergence(self, phi: Tensor) -> Tensor:
        """``div_A phi``."""
        if self._is_whole:
            return divergence(phi, self._spacing)
        return divergence(self._areas * phi, self._spacing).div_(self._volumes)

    def ascent(self, v: Tensor) -> Tensor:
        """``A D v``."""
        slope = gradient(v, self._spacing)
        return slope if self._is_whole else slope.mul_(self._areas)

    def sweep(self, problem: Subproblem, phi: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """The iteration of :func:`.torch.sweep.accelerated`; return the new phi, and phi."""
        momentum = self._momentum
        v = problem.f + self.divergence(torch.lerp(previous, phi, 1 + momentum.gamma))
        g = problem.leave_closed(self.ascent(v).add_(problem.tau))
        moved = torch.lerp(previous, phi, 1 + momentum.beta).add_(g, alpha=momentum.step)
        return project(moved, problem.radius), phi

    def restrict(
        self, problem: Subproblem, phi: Tensor, coarse: Level
    ) -> tuple[Subproblem, Tensor]:
        """Return the problem of the coarse level, and phi_0, the restriction of phi."""
        transfer = self._transfer
        v = problem.f + self.divergence(phi)
        g = self.ascent(v) + problem.tau
        length = magnitude(phi)
        force = transfer.spread(_multiplier(g, phi, length, problem.radius)[:, None, None] * phi)
        start = transfer.faces(phi)
        start_length = magnitude(start)
        share = magnitude(force) / start_length
        share = torch.where(start_length >= coarse_grids.LEAST_LENGTH, share, 0)
        tau = share[:, None, None] * start - force
        if problem.tau.ndim:
            tau = tau + transfer.spread(problem.tau)
        room = transfer.least(problem.radius - length)
        return Subproblem(
            f=transfer.mean(v) - coarse.divergence(start),
            tau=tau,
            radius=start_length + room.clamp(min=0),
            faces=problem.faces and problem.faces[1:],
        ), start

    def correct(self, problem: Subproblem, phi: Tensor, change: Tensor) -> Tensor:
        """Return phi moved by the ``change`` of the coarse phi, and projected."""
        move = problem.leave_closed(self._transfer.interpolate(change))
        return project(phi + move, problem.radius)


class TorchMultigrid:
    """Cycles for items of one shape, for tensors like ``like``, (N, C, *spatial)."""

    def __init__(
        self, like: Tensor, spacing: Sequence[float], domain: Domain | None = None
    ) -> None:
        grids = grids_of(like.shape[2:], spacing)
        self._levels = [Level(grid, like) for grid in grids]
        self._domain, self._faces = domain, []
        if domain is not None:
            items = [f.numpy() for f in domain.faces.cpu()]
            for grid in grids:
                faces = torch.from_numpy(np.stack(items)).to(like)
                self._faces.append(faces[:, None])
                items = [grid.coarser_faces(f) for f in items]
        self._visits = visits_of(grids)

    def cycle(
        self, f: Tensor, phi: Tensor, previous: Tensor, items: np.ndarray | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take one cycle with every item; return phi and its predecessor, both moved.

        Parameters
        ----------
        f : Tensor of shape (N, C, *spatial)
        phi, previous : Tensors of shape (N, C, n_spatial, *spatial)
        items : array of shape (N,), which items of the domain they are; all if left out
        """
        image = self._levels[0]
        if len(self._levels) == 1:
            return phi, previous
        problem = Subproblem(f, tau=f.new_zeros(()), radius=f.new_ones(()))
        if self._domain is not None:
            items = np.arange(len(self._domain.rate)) if items is None else items
            radius = self._domain[items].radius.to(f)
            faces = tuple(x if len(x) == 1 else x[items] for x in self._faces)
            problem = replace(problem, radius=radius, faces=faces)
        move = self._corrected(0, problem, phi) - phi
        change = image.divergence(move)
        slope, curvature = inner(f + image.divergence(phi), change), inner(change, change)
        share = torch.where(curvature > 0, -slope / curvature, 1).clamp(0, 1).to(f.dtype)
        move *= share.reshape(-1, *[1] * (move.ndim - 1))
        return phi + move, previous + move

    def _corrected(self, i: int, problem: Subproblem, phi: Tensor) -> Tensor:
        """Return the phi of level i after one visit of the next one."""
        level, coarse = self._levels[i : i + 2]
        coarse_problem, start = level.restrict(problem, phi, coarse)
        return level.correct(problem, phi, self._solve(i + 1, coarse_problem, start) - start)

    def _solve(self, i: int, problem: Subproblem, phi: Tensor) -> Tensor:
        """Approximate the phi that solves the problem of level i, from ``phi``."""
        level, previous = self._levels[i], phi
        n_sweeps = coarse_grids.SWEEPS if self._visits[i] else coarse_grids.COARSEST_SWEEPS
        for visit in range(self._visits[i] + 1):
            if visit > 0:
                corrected = self._corrected(i, problem, phi)
                phi, previous = corrected, previous + (corrected - phi)
            for _ in range(n_sweeps):
                phi, previous = level.sweep(problem, phi, previous)
        return phi


def project(phi: Tensor, radius: Tensor) -> Tensor:
    """``phi R / max(R, |phi|)``; zero where R is."""
    square = torch.maximum((phi * phi).sum((1, 2)), radius * radius)
    # Where both are zero, 0 / 0 would not be.
    scale = square.clamp_(min=torch.finfo(square.dtype).tiny).rsqrt_().mul_(radius)
    return phi * scale[:, None, None]


def _multiplier(g: Tensor, phi: Tensor, length: Tensor, radius: Tensor) -> Tensor:
    """``max(0, g . phi) / |phi|^2`` where the constraint is active, otherwise 0."""
    square = length * length
    active = (square >= coarse_grids.SATURATED * radius * radius) & (square > 0)
    return torch.where(active, (g * phi).sum((1, 2)).clamp(min=0) / square, 0)
