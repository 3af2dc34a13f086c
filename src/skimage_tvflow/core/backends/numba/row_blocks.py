"""How the numba backend stores images: in padded rows, which may be divided into blocks.

Blocks let several threads work on one image. Each keeps its own rows and, next to them, a halo: a
private copy of its neighbours' rows. An iteration reaches over ``lag`` rows, so errors
from the outer edge of a halo of ``(m + 1) lag`` rows do not reach the block's own rows in
``m`` iterations; then the halos are copied again. The result does not depend on the blocks, not
even in its last bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skimage_tvflow.core.backends.numba.simd import VECTOR_BYTES
from skimage_tvflow.core.operators import norm_bound

# Smaller images are not divided: one thread is done before others have woken up.
_LEAST_PIXELS = 2**18
# A block has at least _OWN_PER_HALO times the rows of its halo, and _LEAST_LINES rows (planes in
# 3-D): with less, threads spend their time on halos and on waiting for each other.
_OWN_PER_HALO = 16
_LEAST_LINES = 64
# Iterations between two copies of the halos, at most: larger halos cost more work than copies.
_MOST_ITERATIONS = 16


@dataclass(frozen=True)
class RowStorage:
    """How the pixels of an item are stored: in rows along its last axis, padded to full vectors.

    Attributes
    ----------
    channels : int
    axes : the spatial axes of more than one pixel: the others have no differences
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
    def of(cls, shape: Sequence[int], spacing: Sequence[float], dtype: np.dtype) -> RowStorage:
        """Return the storage of items of ``shape`` (C, *spatial)."""
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
        """Numbers from the start of one row to that of the next."""
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
        """Rows to the farthest neighbour of a pixel: one, or in 3-D those of a plane."""
        return self.sizes[-2] if len(self.sizes) == 3 else 1

    def aligned(self, *shape: int) -> np.ndarray:
        """Return an array of zeros that starts at a cache line."""
        count = math.prod(shape)
        room = np.zeros(count + self.lanes, self.dtype)
        first = -room.ctypes.data % VECTOR_BYTES // self.dtype.itemsize
        return room[first : first + count].reshape(shape)


class RowBlock:
    """The state of all items in a range of rows: the image over the step, and two duals.

    Parameters
    ----------
    storage : RowStorage
    n_items : int
    own : the rows whose results count
    halo : rows of each neighbour that it keeps copies of
    """

    def __init__(self, storage: RowStorage, n_items: int, own: range, halo: int) -> None:
        self.own = own
        self.first = max(0, own.start - halo)
        n_rows = min(storage.n_rows, own.stop + halo) - self.first
        self._storage = storage
        self.f = storage.aligned(n_items, storage.channels, n_rows, storage.stride)
        duals = (n_items, 2, storage.channels, len(storage.axes))
        self.phi = storage.aligned(*duals, storage.lag + n_rows, storage.stride)

    @property
    def n_rows(self) -> int:
        """Rows of the block with its halo."""
        return self.f.shape[2]

    @property
    def inner(self) -> slice:
        """Own rows, counted from the first row of the halo."""
        return slice(self.own.start - self.first, self.own.stop - self.first)

    def grid(self) -> tuple[int, ...]:
        """Return the numbers that the compiled code needs; see :mod:`.sweep_kernel`."""
        s, own = self._storage, self.inner
        rows = (self.n_rows, s.stride, s.width, s.lag)
        return (s.channels, *rows, own.start, own.stop, s.n_rows, self.first)

    def reset(self, items: np.ndarray, images: np.ndarray, lengths: np.ndarray) -> None:
        """Set f of ``items`` to ``images / lengths``; images are (n, C, all rows, width)."""
        rows = slice(self.first, self.first + self.n_rows)
        for item, image, length in zip(items, images, lengths, strict=True):
            pixels = self.f[item, :, :, : self._storage.width]
            np.divide(image[:, rows], self.f.dtype.type(length), out=pixels)

    def copy_halo(self, items: np.ndarray, other: RowBlock) -> None:
        """Copy the rows of a neighbour that are in the halo here."""
        begin = max(self.first, other.own.start)
        end = min(self.first + self.n_rows, other.own.stop)
        here = slice(begin - self.first, end - self.first)
        there = slice(begin - other.first, end - other.first)
        self.f[items, :, here] = other.f[items, :, there]
        lag = self._storage.lag
        mine, theirs = (slice(lag + s.start, lag + s.stop) for s in (here, there))
        self.phi[items, ..., mine, :] = other.phi[items, ..., theirs, :]

    @classmethod
    def joined(cls, storage: RowStorage, blocks: Sequence[RowBlock], item: int) -> RowBlock:
        """Return a single block with the state of an item."""
        whole = cls(storage, 1, range(storage.n_rows), 0)
        for block in blocks:
            here, there = block.inner, slice(block.own.start, block.own.stop)
            whole.f[0, :, there] = block.f[item, :, here]
            lag = storage.lag
            mine, theirs = (slice(lag + s.start, lag + s.stop) for s in (there, here))
            whole.phi[0, ..., mine, :] = block.phi[item, ..., theirs, :]
        return whole

    def copy_dual(self, item: int, whole: RowBlock) -> None:
        """Take the duals of an item, and those of the halo, from a block with all rows."""
        lag = self._storage.lag
        rows = slice(lag + self.first, lag + self.first + self.n_rows)
        self.phi[item, ..., lag:, :] = whole.phi[0, ..., rows, :]


def make_row_blocks(
    storage: RowStorage, n_items: int, n_threads: int
) -> tuple[list[RowBlock], int]:
    """Return the blocks for ``n_threads``, and how many iterations their halos last."""
    lines = storage.n_rows // storage.lag
    n_blocks = 1
    if n_items < n_threads and storage.n_rows * storage.width >= _LEAST_PIXELS:
        n_blocks = max(1, min(n_threads // n_items, lines // _LEAST_LINES))
    ends = [lines * i // n_blocks * storage.lag for i in range(n_blocks + 1)]
    lasting = min(max(1, lines // n_blocks // _OWN_PER_HALO - 1), _MOST_ITERATIONS)
    halo = (lasting + 1) * storage.lag
    blocks = [RowBlock(storage, n_items, range(a, b), halo) for a, b in itertools.pairwise(ends)]
    return blocks, lasting
