"""Implicit steps of a linear diffusion by SciPy's sparse matrices and conjugate gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor

# Relative residual at which a linear solve stops: far below the error of a time step.
_RTOL = 1e-8


def implicit_step(
    u: Tensor,
    guess: Tensor,
    weight: Tensor,
    spacing: Sequence[float],
    tick: Callable[[object], None],
) -> Tensor:
    r"""Solve :math:`(I + D^T W D) v = u`, every channel for itself.

    Parameters
    ----------
    u, guess : Tensors of shape (1, C, *spatial)
    weight : Tensor of shape (1, 1, 1, *spatial), the diagonal of W > 0
    spacing : one per spatial axis
    tick : called in every iteration; what it raises ends the solve

    Returns
    -------
    Tensor of shape (1, C, *spatial)

    Raises
    ------
    ValueError
        If it cannot be solved.
    """
    diagonal = sparse.diags_array(weight.double().cpu().numpy().ravel())
    matrix = sparse.eye_array(weight.numel(), format="csr")
    for difference, adjoint in _differences(tuple(u.shape[2:]), tuple(spacing)):
        matrix = matrix + adjoint @ diagonal @ difference
    jacobi = sparse.diags_array(1 / matrix.diagonal())
    out = torch.empty_like(u)
    for c in range(u.shape[1]):
        right, start = (x[0, c].double().cpu().numpy().ravel() for x in (u, guess))
        with np.errstate(over="ignore", invalid="ignore"):
            found, failed = linalg.cg(matrix, right, start, rtol=_RTOL, M=jacobi, callback=tick)
        if failed or not np.isfinite(found).all():
            raise ValueError(
                "A step of lagged diffusivity has a linear system that conjugate gradients do not "
                "solve: eps is too small for the length of the step. Pass a larger eps, or more "
                "n_steps."
            )
        out[0, c] = torch.from_numpy(found).reshape(u.shape[2:]).to(u)
    return out


@functools.lru_cache(maxsize=4)
def _differences(
    sizes: tuple[int, ...], spacing: tuple[float, ...]
) -> list[tuple[sparse.csr_array, sparse.csr_array]]:
    """The matrix of forward differences along every axis, zero in the last entry; its transpose."""
    found = []
    for axis, (n, h) in enumerate(zip(sizes, spacing, strict=True)):
        inner = np.append(np.ones(n - 1), 0) / h
        one = sparse.diags_array([-inner, inner[:-1]], offsets=[0, 1], shape=(n, n))
        before, after = (
            sparse.eye_array(int(np.prod(s))) for s in (sizes[:axis], sizes[axis + 1 :])
        )
        difference = sparse.csr_array(sparse.kron(sparse.kron(before, one), after))
        found.append((difference, sparse.csr_array(difference.T)))
    return found
