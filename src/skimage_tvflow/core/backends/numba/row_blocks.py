"""How the numba backend stores images: in padded rows, of which a thread may have a block.

Bands let several threads work on one image. Each keeps its own rows and, next to them, a halo: a
private copy of its neighbours' rows. An iteration reaches over ``lag`` rows, so what is wrong at
the outer edge of a halo of ``m + 1`` times ``lag`` rows has not come through after ``m``
iterations; then the halos are copied anew. Not a bit of the result depends on the blocks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skimage_tvflow.core.backends.numba.simd import VECTOR_BYTES
from skimage_tvflow.core.operators import norm_bound

# Less than this is done by one thread before several have been woken up.
_LEAST_PIXELS = 2**18
# A block has at least _OWN_PER_HALO times the rows of its halo, and at least _LEAST_LINES rows
# (planes in 3-D): with less, the threads wait for each other more than they work.
_OWN_PER_HALO = 16
_LEAST_LINES = 64
# Iterations between two copies of the halos, at most: larger halos cost more than copies.
_MOST_ITERATIONS = 16


@dataclass(frozen=True)
class RowLayout:
    """Where the pixels of an item are: in rows along its last axis, padded to full vectors.

    Attributes
    ----------
    channels : int
    axes : which spatial axes have more than one pixel: the others have no differences
    sizes, spacing : along these axes
    bound : that of :func:`~.operators.norm_bound`
    dtype : of the numbers
    """

    channels: int
    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    spacing: tuple[float, ...]
    bound: float
    dtype: np.dtype

    @classmethod
    def of(cls, shape: Sequence[int], spacing: Sequence[float], dtype: np.dtype) -> RowLayout:
        """The layout for items of ``shape`` (C, *spatial)."""
        channels, *sizes = shape
        # Without axes of one pixel a column is as fast as a row.
        axes = [i for i, n in enumerate(sizes) if n > 1] or [len(sizes) - 1]
        return cls(
            channels,
            tuple(axes),
            tuple(sizes[i] for i in axes),
            tuple(spacing[i] for i in axes),
            norm_bound(spacing, sizes),
            dtype,
        )

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return self.sizes[-1]

    @property
    def stride(self) -> int:
        """From one row to the next."""
        return -(-self.width // self.lanes) * self.lanes

    @property
    def lanes(self) -> int:
        """Numbers in a vector."""
        return VECTOR_BYTES // self.dtype.itemsize

    @property
    def n_rows(self) -> int:
        """Rows of an item."""
        return math.prod(self.sizes[:-1])

    @property
    def lag(self) -> int:
        """How far away the farthest row is that an iteration looks at: a row, or a plane."""
        return self.sizes[-2] if len(self.sizes) == 3 else 1

    def aligned(self, *shape: int) -> np.ndarray:
        """Zeros that start where a cache line does."""
        count = math.prod(shape)
        room = np.zeros(count + self.lanes, self.dtype)
        first = -room.ctypes.data % VECTOR_BYTES // self.dtype.itemsize
        return room[first : first + count].reshape(shape)


class RowBlock:
    """The state of all items in a range of rows: the image over the step, and two duals.

    Parameters
    ----------
    layout : RowLayout
    n_items : int
    own : the rows it answers for
    halo : how many rows of its neighbours it has copies of
    """

    def __init__(self, layout: RowLayout, n_items: int, own: range, halo: int) -> None:
        self.own = own
        self.first = max(0, own.start - halo)
        n_rows = min(layout.n_rows, own.stop + halo) - self.first
        self._layout = layout
        self.f = layout.aligned(n_items, layout.channels, n_rows, layout.stride)
        duals = (n_items, 2, layout.channels, len(layout.axes))
        self.phi = layout.aligned(*duals, layout.lag + n_rows, layout.stride)

    @property
    def n_rows(self) -> int:
        """Rows it has, with those of the halo."""
        return self.f.shape[2]

    @property
    def inner(self) -> slice:
        """Its own rows among those it has."""
        return slice(self.own.start - self.first, self.own.stop - self.first)

    def grid(self) -> tuple[int, ...]:
        """What the compiled march needs to know."""
        lay, own = self._layout, self.inner
        rows = (self.n_rows, lay.stride, lay.width, lay.lag)
        return (lay.channels, *rows, own.start, own.stop, lay.n_rows, self.first)

    def reset(self, items: np.ndarray, images: np.ndarray, lengths: np.ndarray) -> None:
        """Take ``images`` (n, C, all rows, width) over ``lengths`` as the new f of ``items``."""
        rows = slice(self.first, self.first + self.n_rows)
        for item, image, length in zip(items, images, lengths, strict=True):
            pixels = self.f[item, :, :, : self._layout.width]
            np.divide(image[:, rows], self.f.dtype.type(length), out=pixels)

    def copy_halo(self, items: np.ndarray, other: RowBlock) -> None:
        """Copy what a neighbour owns of the rows here."""
        begin = max(self.first, other.own.start)
        end = min(self.first + self.n_rows, other.own.stop)
        here = slice(begin - self.first, end - self.first)
        there = slice(begin - other.first, end - other.first)
        self.f[items, :, here] = other.f[items, :, there]
        lag = self._layout.lag
        mine, theirs = (slice(lag + s.start, lag + s.stop) for s in (here, there))
        self.phi[items, ..., mine, :] = other.phi[items, ..., theirs, :]


def make_row_blocks(layout: RowLayout, n_items: int, n_threads: int) -> tuple[list[RowBlock], int]:
    """The blocks of ``n_items`` for ``n_threads``, and how many iterations their halos last."""
    lines = layout.n_rows // layout.lag
    n_blocks = 1
    if n_items < n_threads and layout.n_rows * layout.width >= _LEAST_PIXELS:
        n_blocks = max(1, min(n_threads // n_items, lines // _LEAST_LINES))
    ends = [lines * i // n_blocks * layout.lag for i in range(n_blocks + 1)]
    lasting = min(max(1, lines // n_blocks // _OWN_PER_HALO - 1), _MOST_ITERATIONS)
    halo = (lasting + 1) * layout.lag
    blocks = [RowBlock(layout, n_items, range(a, b), halo) for a, b in itertools.pairwise(ends)]
    return blocks, lasting
