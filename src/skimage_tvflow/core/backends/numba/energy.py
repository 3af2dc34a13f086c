"""Total variation and change of the norm on the CPU, compiled by numba, for up to three axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.numba import energy_kernel as kernel
from skimage_tvflow.core.backends.numba.duality_gap_kernel import SEGMENT
from skimage_tvflow.core.backends.protocol import EnergyChange
from skimage_tvflow.core.parallel import run_pieces

# Pixels per task, about 0.1 ms of work: smaller tasks end before another thread has woken up.
_PIXELS_PER_TASK = 2**16


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
    sums = np.empty((kernel.N_SUMS, n_rows, -(-volume[2] // SEGMENT)))
    run_pieces(
        lambda begin, end: kernel.sum_rows(before, after, inverse, begin, end, sums),
        n_rows,
        max(1, _PIXELS_PER_TASK // volume[2]),
        torch.get_num_threads(),
    )
    # NumPy adds up pairwise along the last axis.
    return sums.reshape(kernel.N_SUMS, -1).sum(1)
