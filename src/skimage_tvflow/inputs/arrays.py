"""Arrays of any kind in and out: from the caller's image to a tensor, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.array_checks import (
    check_kind,
    check_shape,
    check_values,
    complex_error,
)
from skimage_tvflow.inputs.devices import lacks, resolve_device
from skimage_tvflow.inputs.dlpack_arrays import read_dlpack, restorer_of
from skimage_tvflow.inputs.numpy_arrays import copy_to_numpy, restore_numpy

__all__ = ["Ingested", "ingest"]


@dataclass(frozen=True)
class Ingested:
    """
    An image as the tensor that the numerical core works on, and the way back.

    Attributes
    ----------
    tensor : torch.Tensor
        A private copy of the image: float32 or float64, contiguous, detached, finite, of the
        image's shape, on the device where the work is done.
    restore : callable
        Turns a result tensor, of any shape, into an array of the caller's kind on the caller's
        device.
    """

    tensor: torch.Tensor
    restore: Callable[[torch.Tensor], Any]


def ingest(
    image: Any, *, device: str | torch.device | None = None, name: str = "image"
) -> Ingested:
    """
    Copy an image of any array library into a real tensor.

    float32 and float64 stay as they are, narrower floats become float32, integers, bool and long
    double become float64. (On a device without float64, integers that live there become float32.)

    Parameters
    ----------
    image : array-like
        A NumPy array or anything that ``numpy.asarray`` understands, a torch tensor, or an array
        of another library with ``__dlpack__``. It is never written to.
    device : str, torch.device or None
        Where to work: None for where the data is, a device such as ``"cuda"``, or ``"auto"`` for
        the best one.
    name : str
        What the error messages call the image.

    Returns
    -------
    Ingested
        The tensor and the function that restores the caller's kind of array.

    Raises
    ------
    TypeError
        If the image is sparse, text, an object array without numbers, or no array at all.
    ValueError
        If it is complex, masked, empty or 0-d, if it holds NaN or infinity or values whose sum is
        infinite, if it is a tensor that requires grad while gradients are recorded, or if the
        device is unknown, not available, or lacks the dtype.

    Notes
    -----
    What goes in comes out: NumPy and whatever ``numpy.asarray`` reads give NumPy arrays, tensors
    give tensors on their own device, and other libraries get their array back through their own
    ``from_dlpack``: that of ``image.__array_namespace__()``, otherwise that of the module or
    package which defines the array's class. Where neither exists the result is a NumPy array.
    (JAX without 64-bit types makes float32 of a float64 result.)

    Examples
    --------
    >>> ingested = ingest([[0, 1], [2, 3]])
    >>> ingested.tensor.dtype
    torch.float64
    >>> ingested.restore(2 * ingested.tensor)
    array([[0., 2.],
           [4., 6.]])
    """
    check_kind(image, name)
    restore: Callable[[torch.Tensor, torch.device], Any] = restore_numpy
    values = image
    if isinstance(image, torch.Tensor):
        restore = _restore_tensor
    # NumPy never goes through DLPack, which knows no byte order and no long double
    elif hasattr(image, "__dlpack_device__") and not isinstance(image, np.ndarray | np.generic):
        restore = restorer_of(image)
        values = read_dlpack(image, name)
    if isinstance(values, torch.Tensor):
        tensor, copy = values.detach(), True
    else:
        tensor, copy = torch.from_numpy(copy_to_numpy(values, name)), False
    home = tensor.device
    result = _to_work(tensor, device, name, copy=copy)
    return Ingested(result, lambda u: restore(u.detach(), home))


def _to_work(
    tensor: torch.Tensor, device: str | torch.device | None, name: str, *, copy: bool
) -> torch.Tensor:
    """Check a tensor and bring it to the device and the dtype of the work."""
    check_shape(tuple(tensor.shape), name)
    if tensor.is_complex():
        raise complex_error(name, tensor.dtype)
    home = tensor.device
    narrow = tensor.is_floating_point() and tensor.dtype != torch.float64
    dtype = torch.float32 if narrow or lacks(home, torch.float64) else torch.float64
    target = resolve_device(device, home=home, dtype=dtype)
    # first to the device, then to the dtype: the device of the data may lack it
    result = tensor.to(target, copy=copy).to(dtype).contiguous()
    check_values(result, name)
    return result


def _restore_tensor(u: torch.Tensor, home: torch.device) -> torch.Tensor:
    return u.to(home).contiguous()
