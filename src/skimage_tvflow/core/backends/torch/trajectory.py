"""The implicit Euler march in plain torch: any device, any number of axes, both algorithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends.protocol import FrameBuffer, representable
from skimage_tvflow.core.backends.torch.sweep import accelerated, projection
from skimage_tvflow.core.momentum import Momentum
from skimage_tvflow.core.operators import divergence, norm_bound
from skimage_tvflow.core.progress import Report


class TorchTrajectory:
    """The state of implicit Euler trajectories on any torch device. See :class:`~.Trajectory`."""

    def __init__(self, u: Tensor, spacing: Sequence[float], algorithm: str = "accelerated") -> None:
        self._spacing = tuple(spacing)
        self._algorithm = algorithm
        self._bound = norm_bound(spacing, u.shape[2:])
        self._f = u.clone()
        shape = (*u.shape[:2], len(self._spacing), *u.shape[2:])
        self._phi = u.new_zeros(shape)
        self._previous = u.new_zeros(shape)
        self._length = np.ones(u.shape[0])

    def advance(
        self,
        items: np.ndarray,
        n_steps: Sequence[int],
        lengths: np.ndarray,
        n_iter: int,
        frames: FrameBuffer | None = None,
        report: Report | None = None,
    ) -> None:
        """See :meth:`.Trajectory.advance`."""
        lengths = representable(lengths, self._f.dtype)
        f, phi, previous = (self._take(x, items) for x in (self._f, self._phi, self._previous))
        momenta = Momentum.planned(n_iter, self._bound)
        done, total = 0, sum(n_steps) * n_iter
        length = self._length[items]
        for m, count in enumerate(n_steps):
            f = f * self._column(length / lengths[m])
            length = lengths[m]
            for _ in range(count):
                for j in range(n_iter):
                    if report is not None:
                        report(done / total)
                    done += 1
                    if self._algorithm == "projection":
                        phi, previous = projection(f, phi, self._spacing), phi
                    else:
                        momentum = momenta[j % len(momenta)]
                        phi, previous = accelerated(f, phi, previous, momentum, self._spacing), phi
                f = f + divergence(phi, self._spacing)
            if frames is not None:
                image = torch.mul(f, self._column(length * frames.scale), out=frames.out[:, m])
                image += frames.offset.to(f).reshape(*f.shape[:2], *[1] * (f.ndim - 2))
        # After a single iteration `previous` is the tensor that `phi` would overwrite.
        kept = previous.clone() if previous is self._phi else previous
        for state, value in ((self._f, f), (self._phi, phi), (self._previous, kept)):
            state[items] = value
        self._length[items] = length

    def primal(self, items: np.ndarray) -> Tensor:
        """See :meth:`.Trajectory.primal`."""
        return self._take(self._f, items) * self._column(self._length[items])

    def reset_primal(self, items: np.ndarray, u: Tensor) -> None:
        """See :meth:`.Trajectory.reset_primal`."""
        self._f[items] = u / self._column(self._length[items])

    def dual(self, items: np.ndarray, slab: slice | None = None) -> Tensor:
        """See :meth:`.Trajectory.dual`."""
        return self._phi[:, :, :, slab or slice(None)][items]

    def _take(self, state: Tensor, items: np.ndarray) -> Tensor:
        return state if len(items) == len(state) else state[items]

    def _column(self, values: np.ndarray) -> Tensor:
        column = torch.as_tensor(values, dtype=self._f.dtype, device=self._f.device)
        return column.reshape(-1, *[1] * (self._f.ndim - 1))
