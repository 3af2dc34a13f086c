"""Total variation and change of the norm on the CPU, compiled by numba, for up to three axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba.jit import compiled
from skimage_tvflow.core.backends.protocol import EnergyChange
from skimage_tvflow.core.parallel import run_pieces

# Pixels per task, about 0.1 ms of work: smaller tasks end before another thread has woken up.
_PIXELS_PER_TASK = 2**16


@compiled(fastmath={"reassoc", "contract", "nsz"})
def _sum_rows(u, v, inverse, begin, end, sums):
    """Put J(v), <v - u, v + u> and |u|^2 of rows ``begin`` to ``end`` into ``sums``, row by row."""
    channels, depth, height, width = u.shape
    square = np.empty(width)
    for row in range(begin, end):
        z, y = row // height, row % height
        square[:] = 0.0
        growth = norm = 0.0
        for c in range(channels):
            here = v[c, z, y]
            below = v[c, z, min(y + 1, height - 1)]
            beyond = v[c, min(z + 1, depth - 1), y]
            old = u[c, z, y]
            for x in range(width - 1):
                dx = inverse[2] * (np.float64(here[x + 1]) - here[x])
                square[x] += dx * dx
            for x in range(width):
                dy = inverse[1] * (np.float64(below[x]) - here[x])
                dz = inverse[0] * (np.float64(beyond[x]) - here[x])
                square[x] += dy * dy + dz * dz
                growth += (np.float64(here[x]) - old[x]) * (np.float64(here[x]) + old[x])
                norm += np.float64(old[x]) * old[x]
        sums[0, row] = np.sqrt(square).sum()
        sums[1, row] = growth
        sums[2, row] = norm


def energy_change(before: Tensor, after: Tensor, spacing: Sequence[float]) -> EnergyChange:
    """See :func:`.torch.energy.energy_change`."""
    sums = np.stack([_item(u, v, spacing) for u, v in zip(before, after, strict=True)], 1)
    return EnergyChange(*sums)


def _item(u: Tensor, v: Tensor, spacing: Sequence[float]) -> np.ndarray:
    channels, *sizes = u.shape
    volume = (*[1] * (3 - len(sizes)), *sizes)
    before, after = (x.contiguous().numpy().reshape(channels, *volume) for x in (u, v))
    inverse = np.ones(3)
    inverse[3 - len(sizes) :] = 1 / np.array(spacing, np.float64)
    n_rows = volume[0] * volume[1]
    sums = np.empty((3, n_rows))
    run_pieces(
        lambda begin, end: _sum_rows(before, after, inverse, begin, end, sums),
        n_rows,
        max(1, _PIXELS_PER_TASK // volume[2]),
        torch.get_num_threads(),
    )
    # NumPy adds up pairwise along the last axis.
    return sums.sum(1)
