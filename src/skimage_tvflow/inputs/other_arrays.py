"""Arrays other than NumPy's: torch tensors, those of other libraries through DLPack, and lists."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

from skimage_tvflow.inputs.array_kinds import check_kind

__all__ = ["read_array"]

_DLPACK_CPU = 1  # kDLCPU of the DLPack standard


def read_array(
    image: Any, name: str
) -> tuple[np.ndarray | torch.Tensor, Callable[[torch.Tensor], Any]]:
    """
    Read an array of any kind without a copy where that is possible.

    Parameters
    ----------
    image : array-like
        The array.
    name : str
        What the messages call it.

    Returns
    -------
    values : numpy.ndarray or torch.Tensor
        Its values, of any dtype.
    restore : callable
        Turns a tensor on the device of `values` into an array of the caller's kind.

    Raises
    ------
    TypeError, ValueError
        If it is of a kind that is refused, see `check_kind`, or cannot be read.
    """
    check_kind(image, name)
    if isinstance(image, torch.Tensor):
        return image.detach(), lambda u: u
    # NumPy never goes through DLPack, which knows no byte order and no long double
    if hasattr(image, "__dlpack_device__") and not isinstance(image, np.ndarray | np.generic):
        return _read_dlpack(image, name), _restorer(image)
    try:
        array = np.asarray(image)
        return (array.astype(np.float64) if array.dtype.kind == "O" else array), np.asarray
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(
            f"{name} of type {type(image).__name__} cannot be read as an array of numbers "
            f"({error}). The flow needs real numbers in rows of equal length. Pass something for "
            f"which numpy.asarray({name}, dtype=float) works."
        ) from error


def _read_dlpack(image: Any, name: str) -> np.ndarray | torch.Tensor:
    """View the memory: by NumPy where it can read it, as torch knows no negative strides."""
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


def _restorer(image: Any) -> Callable[[torch.Tensor], Any]:
    """Find the ``from_dlpack`` of the library that made an array; NumPy where it has none."""
    sources = [image.__array_namespace__()] if hasattr(image, "__array_namespace__") else []
    names = type(image).__module__.split(".")  # "cupy._core.core", then "cupy._core", then "cupy"
    sources += [sys.modules.get(".".join(names[:n])) for n in range(len(names), 0, -1)]
    reader = next((s.from_dlpack for s in sources if hasattr(s, "from_dlpack")), None)
    device: Any = getattr(image, "device", None)

    def restore(u: torch.Tensor) -> Any:
        """Also move to the image's device, where its library has several on one of torch's."""
        array: Any = reader(u) if reader else u.cpu().numpy()
        elsewhere = device is not None and getattr(array, "device", device) != device
        return array.to_device(device) if elsewhere and hasattr(array, "to_device") else array

    return restore
