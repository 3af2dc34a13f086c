"""Arrays of other libraries (CuPy, JAX, ...) in and out through DLPack."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

from skimage_tvflow.inputs.numpy_arrays import restore_numpy

__all__ = ["read_dlpack", "restorer_of"]

_DLPACK_CPU = 1  # kDLCPU of the DLPack standard


def read_dlpack(image: Any, name: str) -> np.ndarray | torch.Tensor:
    """
    Read an array of another library without a copy.

    Parameters
    ----------
    image : object with ``__dlpack__`` and ``__dlpack_device__``
        The array.
    name : str
        What the message calls it.

    Returns
    -------
    numpy.ndarray or torch.Tensor
        A view of its memory: for NumPy where it can read it, as torch knows no negative strides.

    Raises
    ------
    TypeError
        If neither NumPy nor torch can read it.
    """
    if any(stride < 0 for stride in getattr(image, "strides", None) or ()):
        image = image.copy()  # torch.from_dlpack aborts the interpreter on negative strides
    try:
        if image.__dlpack_device__()[0] == _DLPACK_CPU:
            # NumPy also reads the negative strides of a producer that does not show its strides
            with contextlib.suppress(RuntimeError, BufferError):  # bfloat16 is left to torch
                return np.from_dlpack(image)
        return from_dlpack(image)
    except Exception as error:  # every library raises a kind of its own
        raise TypeError(
            f"{name} of type {type(image).__name__} cannot be read through DLPack ({error}). The "
            f"flow needs a plain array. Pass numpy.asarray({name}) or a torch tensor."
        ) from error


def restorer_of(image: Any) -> Callable[[torch.Tensor, torch.device], Any]:
    """
    Find the way back to the library that made an array: its ``from_dlpack``.

    Parameters
    ----------
    image : object with ``__dlpack__``
        The array.

    Returns
    -------
    callable
        ``restore(result, home)`` gives an array of that library on the device of `image`, or a
        NumPy array where the library has no ``from_dlpack``.
    """
    sources = [image.__array_namespace__()] if hasattr(image, "__array_namespace__") else []
    module = type(image).__module__
    while module:  # "cupy._core.core", then "cupy._core", then "cupy"
        sources.append(sys.modules.get(module))
        module = module.rpartition(".")[0]
    for source in sources:
        from_theirs = getattr(source, "from_dlpack", None)
        if callable(from_theirs):
            device = getattr(image, "device", None)
            return lambda u, home: _to_device(from_theirs(u.to(home).contiguous()), device)
    return restore_numpy


def _to_device(array: Any, device: Any) -> Any:
    """Move to a device of the array's own library, where that has several on one of torch's."""
    if device is None or getattr(array, "device", device) == device:
        return array
    return array.to_device(device) if hasattr(array, "to_device") else array
