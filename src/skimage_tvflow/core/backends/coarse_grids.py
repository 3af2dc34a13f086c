r"""The grids of the multigrid cycle, and its constants: what all backends share.

A coarse grid has half the cells along some axes. Where an axis has an odd number of cells, the last
coarse one has a single child and is not whole: :math:`w_i(x) \le 1` is the width of cell x along
axis i, in units of the spacing. The volume of a cell and the area of its face towards
:math:`x + e_i` are

.. math:: W = \prod_j w_j, \qquad A_i = \prod_{j \ne i} w_j .
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skimage_tvflow.core.operators import norm_bound

# Iterations of a coarse level before and after each visit of the next one, and those of the
# coarsest level. An axis with fewer than LEAST_PIXELS is not halved. At 512 x 512 two iterations
# make the error of a step 10 to 35 % larger and save 3 % of the time; four make it 6 to 16 %
# smaller and cost 5 %.
SWEEPS, COARSEST_SWEEPS, LEAST_PIXELS = 3, 20, 16
# The first TWICE coarse grids visit the next one twice, if it has at most a third of the cells. If
# all did, steps at 512 x 512 would have errors that are 1 to 18 % smaller, the most where they are
# longest, for five times as many iterations: a fifth more time in compiled code, but five times as
# much in torch, where an operation on a small grid takes as long as on a larger one.
TWICE = 2
# The constraint counts as active where |phi|^2 is at least SATURATED R^2: without any, or with all
# pixels, the coarse problem is not that of the image.
SATURATED = 0.998
# A coarse phi shorter than LEAST_LENGTH has no direction.
LEAST_LENGTH = 1e-10


@dataclass(frozen=True)
class Grid:
    """A grid; everything has one entry per axis.

    Attributes
    ----------
    sizes : numbers of cells
    spacing : width of a whole cell
    widths : arrays, the widths of all cells in units of the spacing: 1, less in a last one
    """

    sizes: tuple[int, ...]
    spacing: tuple[float, ...]
    widths: tuple[np.ndarray, ...]

    @property
    def halved(self) -> tuple[int, ...]:
        """2 along the axes that the next grid has half the cells of, otherwise 1.

        Those of the finest spacing are halved, and any within a factor of 2 of it: differences
        along the others are weak, so iterations alone do not smooth along them.
        """
        axes = list(zip(self.spacing, self.sizes, strict=True))
        finest = min((h for h, n in axes if n >= LEAST_PIXELS), default=0.0)
        return tuple(2 if n >= LEAST_PIXELS and h < 2 * finest else 1 for h, n in axes)

    @property
    def bound(self) -> float:
        """That of :func:`~.operators.norm_bound`."""
        return norm_bound(self.spacing, self.sizes)

    @property
    def shares(self) -> tuple[np.ndarray, ...]:
        """Per axis, the part of each cell in its coarse cell: the weights of a mean."""
        wholes = self._coarse_widths()
        return tuple(
            w / np.repeat(whole, q)[: len(w)]
            for w, whole, q in zip(self.widths, wholes, self.halved, strict=True)
        )

    def areas_and_volumes(self) -> tuple[np.ndarray, np.ndarray]:
        """A, of shape (n_axes, *sizes), and W, of shape sizes."""
        volumes = functools.reduce(np.multiply.outer, self.widths)
        return np.stack([volumes / w for w in np.meshgrid(*self.widths, indexing="ij")]), volumes

    def coarser(self) -> Grid:
        """The next grid."""
        halved, widths = self.halved, self._coarse_widths()
        return Grid(
            tuple(map(len, widths)),
            tuple(h * q for h, q in zip(self.spacing, halved, strict=True)),
            tuple(w / q for w, q in zip(widths, halved, strict=True)),
        )

    def coarser_faces(self, faces: np.ndarray) -> np.ndarray:
        """Where phi may pass in the next grid, given where it may here; (n_axes, *sizes).

        A coarse face is open if any of the faces in it is. A correction still leaves fine faces
        closed, and none raises the energy, so this is only a matter of speed: with coarse faces
        closed where any is, discs and blobs take 1.5 times the iterations, and no mask takes fewer.
        """
        parts = []
        for own, open_ in enumerate(faces):
            for axis, q in enumerate(self.halved):
                if q == 1:
                    continue
                if axis == own:  # the face of the second child; a single one lies at the edge
                    pad = [(0, open_.shape[j] % 2 * (j == axis)) for j in range(open_.ndim)]
                    open_ = np.pad(open_, pad).take(range(1, open_.shape[axis] + 1, 2), axis)
                else:
                    open_ = np.maximum.reduceat(open_, range(0, open_.shape[axis], 2), axis)
            parts.append(open_)
        return np.stack(parts)

    def _coarse_widths(self) -> list[np.ndarray]:
        """The widths of the coarse cells in units of the spacing of this grid."""
        axes = zip(self.widths, self.halved, strict=True)
        return [np.add.reduceat(w, np.arange(0, len(w), q)) for w, q in axes]


def grids_of(sizes: Sequence[int], spacing: Sequence[float]) -> list[Grid]:
    """Return the grid of an image and all coarser ones; it is alone if no axis is halved."""
    grids = [Grid(tuple(sizes), tuple(spacing), tuple(np.ones(n) for n in sizes))]
    while max(grids[-1].halved) > 1:
        grids.append(grids[-1].coarser())
    return grids


def visits_of(grids: Sequence[Grid]) -> list[int]:
    """How often each grid visits the next one: 0 for the last, 2 where that is cheap."""
    cheap = [0 < i <= TWICE and math.prod(grid.halved) > 2 for i, grid in enumerate(grids)]
    return [*(1 + twice for twice in cheap[:-1]), 0]
