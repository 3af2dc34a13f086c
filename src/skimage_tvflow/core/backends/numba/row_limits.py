"""The limits of a domain in padded rows, as the compiled code reads them."""

from __future__ import annotations

import numpy as np

from skimage_tvflow.core.backends.numba.row_blocks import RowStorage
from skimage_tvflow.core.domain import Domain


class RowLimits:
    """Where phi may flow, and how long it may be.

    Parameters
    ----------
    storage : RowStorage
    domain : Domain, of M items

    Attributes
    ----------
    faces : array of shape (M, n_axes, n_rows, stride), the last axis first
    radius : array of shape (M, n_rows, stride)
    """

    def __init__(self, storage: RowStorage, domain: Domain) -> None:
        m, rows, width = len(domain.radius), storage.n_rows, storage.width
        self.faces = storage.aligned(m, len(storage.axes), rows, storage.stride)
        self.radius = storage.aligned(m, rows, storage.stride)
        self.radius[..., :width] = domain.radius.numpy().reshape(m, rows, width)
        faces = domain.faces.numpy()
        for i, axis in enumerate(reversed(storage.axes)):
            self.faces[:, i, :, :width] = faces[:, axis].reshape(m, rows, width)

    def of(self, item: int, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Faces and radius of an item in some of its rows, both flat."""
        m = item if len(self.radius) > 1 else 0
        return self.faces[m][:, rows].reshape(-1), self.radius[m][rows].reshape(-1)
