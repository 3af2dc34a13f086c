"""Complex images: real and imaginary part are two channels that share their edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.array_kinds import read_array


def split_parts(image: Any) -> tuple[torch.Tensor, Callable[[torch.Tensor], Any]]:
    """
    Make the two parts of a complex image a last axis.

    Parameters
    ----------
    image : array-like of complex numbers
        The image.

    Returns
    -------
    parts : torch.Tensor of shape (*image.shape, 2)
        Real and imaginary part.
    join : callable
        Turns such a tensor into a complex array of the caller's kind.
    """
    values, restore = read_array(image, "image")
    if not isinstance(values, torch.Tensor):
        narrow = values.dtype.itemsize <= np.dtype(np.complex64).itemsize
        values = torch.from_numpy(np.array(values, np.complex64 if narrow else np.complex128))
    parts = torch.view_as_real(values.resolve_conj())
    return parts, lambda u: restore(torch.view_as_complex(u.contiguous()))
