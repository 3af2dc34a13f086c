"""The connected pieces of a domain: each flows by itself, to a mean of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph


@dataclass(frozen=True)
class Pieces:
    """The pixels that open faces join, of one item.

    Attributes
    ----------
    labels : int array of shape spatial, the number of the piece of every pixel
    sizes : array of shape (K,), pixels of every piece
    faces : bool array of shape (n_spatial, *spatial), the open faces
    """

    labels: np.ndarray
    sizes: np.ndarray
    faces: np.ndarray

    @classmethod
    def of(cls, faces: np.ndarray) -> Pieces:
        """Find the pieces that these faces, shape (n_spatial, *spatial), join."""
        shape = faces.shape[1:]
        index = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
        here, there = [], []
        for axis, open_ in enumerate(faces):
            where = np.moveaxis(open_, axis, 0)[:-1]
            moved = np.moveaxis(index, axis, 0)
            here.append(moved[:-1][where])
            there.append(moved[1:][where])
        pairs = np.concatenate(here), np.concatenate(there)
        ones = np.ones(len(pairs[0]), np.bool_)
        graph = sparse.coo_array((ones, pairs), (index.size, index.size))
        _, labels = csgraph.connected_components(graph, directed=False)
        return cls(labels.reshape(shape), np.bincount(labels), faces)

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of ``values``, shape spatial, over the piece of every pixel, in float64."""
        # Of distances from one of its pixels, which are exactly zero where a piece is constant.
        flat, labels = values.reshape(-1).astype(np.float64), self.labels.reshape(-1)
        first = np.empty(len(self.sizes))
        first[labels[::-1]] = flat[::-1]
        sums = np.bincount(labels, flat - first[labels], len(self.sizes))
        return (first + sums / self.sizes)[labels].reshape(values.shape)

    def least_radius(self, radius: np.ndarray) -> np.ndarray:
        """The least radius at an open face of every piece; 1 where it has none, shape (K,)."""
        least = np.ones(len(self.sizes))
        leaves = self.faces.any(0)
        np.minimum.at(least, self.labels[leaves], radius[leaves].astype(np.float64))
        return least

    def boxes(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The pieces that fill a box, all faces in it open: their numbers, and its sizes."""
        for k, where in enumerate(ndimage.find_objects(self.labels + 1)):
            if self.sizes[k] == 1 or self.labels[where].size != self.sizes[k]:
                continue
            inner = self.faces[:, *where]
            inside = [np.moveaxis(f, axis, 0)[:-1].all() for axis, f in enumerate(inner)]
            if all(inside):
                yield k, self.labels[where].shape
