r"""From the grid of a multigrid level to the next coarser one and back, in plain torch.

Along an axis that is halved, the coarse cell J has the children 2J and 2J + 1, at the end of an odd
axis only the first; its face is that of the second child. With the shares :math:`s` of the children
in their coarse cell, the operators along one axis are

.. math::

    (M u)_J = s_{2J} u_{2J} + s_{2J+1} u_{2J+1} , \qquad (F \phi)_J = \phi_{2J+1} , \qquad
    (P \phi)_{2J} = (1 - s_{2J}) \phi_{J-1} + s_{2J} \phi_J , \quad (P \phi)_{2J+1} = \phi_J .

Images are restricted by the mean M along all axes. The component i of the dual is restricted by F
along its own axis i and by M along the others, and interpolated by P along its own axis and as a
constant along the others. The operators of the grids commute with these,

.. math:: M\,\mathrm{div}_A \phi = \mathrm{div}_A F \phi, \qquad P^T A D v = A D M v ,

so a coarse problem is the fine one for all coarse :math:`\phi`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from skimage_tvflow.core.backends.coarse_grids import Grid


class Transfer:
    """The operators between the arrays of ``fine`` and those of the next grid.

    Images are (N, C, *spatial) and duals (N, C, n_spatial, *spatial), on the device of ``like`` and
    with its precision.
    """

    def __init__(self, fine: Grid, like: Tensor) -> None:
        self._sizes, n = fine.sizes, len(fine.sizes)
        # Axes count from the last one, so that they are the same in images and components.
        self._axes = [i - n for i in range(n) if fine.halved[i] > 1]
        shares = fine.shares
        self._shares = {
            i: torch.as_tensor(shares[i], dtype=like.dtype, device=like.device).reshape(
                -1, *[1] * (-i - 1)
            )
            for i in self._axes
        }
        self._first_shares = {i: _children(s, i)[0] for i, s in self._shares.items()}
        self._n_children = math.prod(fine.halved)

    def mean(self, u: Tensor) -> Tensor:
        """The mean M over the children of every cell."""
        for axis in self._axes:
            u = self._mean_along(u, axis)
        return u

    def least(self, room: Tensor) -> Tensor:
        """The least of the children of every cell; shape (N, *spatial)."""
        for axis in self._axes:
            room = torch.minimum(*_children(room, axis, math.inf))
        return room

    def faces(self, phi: Tensor) -> Tensor:
        """The dual phi on the faces of the coarse cells: F, and M along the other axes."""

        def restrict(x: Tensor, own: int) -> Tensor:
            for axis in self._axes:
                x = _children(x, axis)[1] if axis == own else self._mean_along(x, axis)
            return x

        return _each_component(restrict, phi)

    def interpolate(self, phi: Tensor) -> Tensor:
        """The dual phi of the coarse grid on all faces of the fine one: P."""

        def prolong(x: Tensor, own: int) -> Tensor:
            for axis in self._axes:
                first = x
                if axis == own:
                    first = torch.lerp(_shifted(x, axis, 1), x, self._first_shares[axis])
                pairs = torch.stack((first, x), axis).flatten(axis - 1, axis)
                x = pairs.narrow(axis, 0, self._sizes[axis])
            return x

        return closed(_each_component(prolong, phi))

    def spread(self, force: Tensor) -> Tensor:
        """The transpose of P, divided by the number of children: forces on the coarse faces."""

        def collect(x: Tensor, own: int) -> Tensor:
            for axis in self._axes:
                first, second = _children(x, axis)
                if axis == own:
                    share = self._first_shares[axis]
                    first = share * first + _shifted((1 - share) * first, axis, -1)
                x = first + second
            return x

        return closed(_each_component(collect, force)).div_(self._n_children)

    def _mean_along(self, x: Tensor, axis: int) -> Tensor:
        first, second = _children(self._shares[axis] * x, axis)
        return first + second


def closed(phi: Tensor) -> Tensor:
    """Set the faces out of the image to zero, in place: nothing leaves it."""
    for i in range(phi.shape[2]):
        phi.select(2, i).select(2 + i, -1).zero_()
    return phi


def _each_component(along: Callable[[Tensor, int], Tensor], phi: Tensor) -> Tensor:
    """Apply ``along`` to every component and its own axis, counted from the last one."""
    n = phi.shape[2]
    return torch.stack([along(phi.select(2, i), i - n) for i in range(n)], 2)


def _children(x: Tensor, axis: int, missing: float = 0.0) -> tuple[Tensor, Tensor]:
    """The first and the second children of all cells; ``missing`` where there is no second."""
    if x.shape[axis] % 2:
        last = torch.full_like(x.narrow(axis, 0, 1), missing)
        x = torch.cat((x, last), axis)
    first, second = x.unflatten(axis, (-1, 2)).unbind(axis)
    return first, second


def _shifted(x: Tensor, axis: int, by: int) -> Tensor:
    """Move x by one cell along ``axis``: forwards or backwards, zero where nothing comes from."""
    nothing = torch.zeros_like(x.narrow(axis, 0, 1))
    rest = x.shape[axis] - 1
    if by > 0:
        return torch.cat((nothing, x.narrow(axis, 0, rest)), axis)
    return torch.cat((x.narrow(axis, 1, rest), nothing), axis)
