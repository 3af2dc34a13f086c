"""Arrays of any kind in and out: NumPy, torch and DLPack, and the dtype policy."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

from skimage_tvflow.inputs.devices import lacks, resolve_device

__all__ = ["Ingested", "ingest"]

_Device = str | torch.device | None
_Restore = Callable[[torch.Tensor, torch.device], Any]  # (result, home of the image) -> array

_CPU = torch.device("cpu")
_DLPACK_CPU = 1  # kDLCPU of the DLPack standard


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
        If it is complex, masked, empty or 0-d, if it holds NaN or infinity, or if the device is
        unknown, not available, or lacks the dtype.

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
    _refuse_sparse_and_masked(image, name)
    if isinstance(image, torch.Tensor):
        return _ingest_tensor(image, _to_tensor, device, name)
    # NumPy never goes through DLPack, which knows no byte order and no long double
    if hasattr(image, "__dlpack_device__") and not isinstance(image, np.ndarray | np.generic):
        return _ingest_foreign(image, device, name)
    return _ingest_numpy(image, _to_numpy, device, name)


def _refuse_sparse_and_masked(image: Any, name: str) -> None:
    # only a program that has imported scipy.sparse can hold one of its matrices
    scipy_sparse = sys.modules.get("scipy.sparse")
    if scipy_sparse is not None and scipy_sparse.issparse(image):
        raise TypeError(
            f"{name} is a sparse matrix, and sparse input is not supported: the flow needs a "
            f"dense array. Pass {name}.toarray()."
        )
    if isinstance(image, torch.Tensor) and image.is_nested:
        raise TypeError(
            f"{name} is a nested tensor, and the flow needs images of one size. Pass one of "
            f"{name}.unbind() after the other."
        )
    if isinstance(image, torch.Tensor) and image.layout is not torch.strided:
        raise TypeError(
            f"{name} is a sparse tensor, and sparse input is not supported: the flow needs a "
            f"dense tensor. Pass {name}.to_dense()."
        )
    if isinstance(image, torch.Tensor) and (image.is_meta or image.is_quantized):
        kind = "meta" if image.is_meta else "quantized"
        raise TypeError(
            f"{name} is a {kind} tensor, and the flow needs one that holds plain numbers. Pass "
            + ("a tensor made without device='meta'." if image.is_meta else f"{name}.dequantize().")
        )
    # numpy.asarray of a list of masked arrays would drop the masks without a word
    entries = image if isinstance(image, list | tuple) else (image,)
    if any(isinstance(entry, np.ma.MaskedArray) for entry in entries):
        raise ValueError(
            f"{name} is a masked array, and the flow needs a value at every pixel. Fill the "
            f"masked ones, e.g. {name}.filled({name}.mean()), and pass the result."
        )


def _ingest_numpy(image: Any, restore: _Restore, device: _Device, name: str) -> Ingested:
    copied = torch.from_numpy(_copy_numpy(image, name))
    return _ingest_tensor(copied, restore, device, name, copy=False)


def _ingest_tensor(
    tensor: torch.Tensor, restore: _Restore, device: _Device, name: str, *, copy: bool = True
) -> Ingested:
    _refuse_shape(tuple(tensor.shape), name)
    if tensor.is_complex():
        raise ValueError(_complex_message(name, tensor.dtype))
    home = tensor.device
    narrow = tensor.is_floating_point() and tensor.dtype != torch.float64
    dtype = torch.float32 if narrow or lacks(home, torch.float64) else torch.float64
    target = resolve_device(device, home=home, dtype=dtype)
    # first to the device, then to the dtype: the device of the data may lack it
    result = tensor.detach().to(target, copy=copy).to(dtype).contiguous()
    _refuse_non_finite(result, name)
    return Ingested(result, lambda u: restore(u.detach(), home))


def _ingest_foreign(image: Any, device: _Device, name: str) -> Ingested:
    restore = _restore_foreign(image)
    if any(stride < 0 for stride in getattr(image, "strides", None) or ()):
        image = image.copy()  # torch.from_dlpack aborts the interpreter on negative strides
    array = None
    try:
        if image.__dlpack_device__()[0] == _DLPACK_CPU:
            # NumPy also reads the negative strides of a producer that does not show its strides
            with contextlib.suppress(RuntimeError, BufferError):  # bfloat16 is left to torch
                array = np.from_dlpack(image)
        tensor = from_dlpack(image) if array is None else None
    except Exception as error:  # every library raises a kind of its own
        raise TypeError(
            f"{name} of type {type(image).__name__} cannot be read through DLPack ({error}). The "
            f"flow needs a plain array. Pass numpy.asarray({name}) or a torch tensor."
        ) from error
    if tensor is None:
        return _ingest_numpy(array, restore, device, name)
    return _ingest_tensor(tensor, restore, device, name)


def _restore_foreign(image: Any) -> _Restore:
    """Find the ``from_dlpack`` of the library that made the array; without one, NumPy."""
    sources = [image.__array_namespace__()] if hasattr(image, "__array_namespace__") else []
    module = type(image).__module__
    while module:  # "cupy._core.core", then "cupy._core", then "cupy"
        sources.append(sys.modules.get(module))
        module = module.rpartition(".")[0]
    for source in sources:
        theirs = getattr(source, "from_dlpack", None)
        if callable(theirs):
            return lambda u, home: theirs(_to_tensor(u, home))
    return _to_numpy


def _to_tensor(u: torch.Tensor, home: torch.device) -> torch.Tensor:
    return u.to(home).contiguous()


def _to_numpy(u: torch.Tensor, home: torch.device) -> np.ndarray:
    return u.cpu().contiguous().numpy()


def _copy_numpy(image: Any, name: str) -> np.ndarray:
    """Copy to float32 or float64, native, contiguous and writable, whatever the image is."""
    try:
        array = np.asarray(image)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{name} of type {type(image).__name__} cannot be read as an array of numbers "
            f"({error}). The flow needs real numbers in rows of equal length. Pass something for "
            f"which numpy.asarray({name}, dtype=float) works."
        ) from error
    dtype = array.dtype
    if dtype.kind == "c":
        raise ValueError(_complex_message(name, dtype))
    bfloat16 = dtype.name == "bfloat16"  # ml_dtypes registers it as a void type
    if dtype.kind not in "fiub" and not bfloat16:
        raise TypeError(
            f"{name} holds values of type {dtype}, and the flow needs real numbers. Pass numbers: "
            f"{name}=skimage.io.imread('file.png') for a file, {name}.astype(float) for text."
        )
    narrow = bfloat16 or (dtype.kind == "f" and dtype.itemsize <= 4)
    # long doubles out of range become infinite here, which the check of the values reports
    with np.errstate(all="ignore"):
        return np.array(array, dtype=np.float32 if narrow else np.float64, order="C")


def _complex_message(name: str, dtype: Any) -> str:
    return (
        f"Complex data not supported: {name} has dtype {dtype}, and the flow needs real numbers. "
        f"Pass abs({name}), or {name}.real and {name}.imag one after the other."
    )


def _refuse_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) == 0:
        raise ValueError(
            f"{name} is a single value (a 0-d array), and the flow needs at least one axis. Pass "
            f"an array, e.g. {name}=numpy.zeros((64, 64))."
        )
    if 0 in shape:
        axis = shape.index(0)
        # scikit-learn's words, which its users and its checks know
        what = "0 sample(s)" if axis == 0 else "0 feature(s)" if len(shape) == 2 else "0 value(s)"
        raise ValueError(
            f"Found array with {what} (shape={shape}) while a minimum of 1 is required. Axis {axis}"
            f" of {name} is empty: pass an array without an axis of length 0."
        )


def _refuse_non_finite(tensor: torch.Tensor, name: str) -> None:
    # NaN spreads to both ends.
    if all(math.isfinite(end) for end in torch.aminmax(tensor)):
        return
    bad = torch.nonzero(~torch.isfinite(tensor))
    first = tuple(bad[0].tolist())
    raise ValueError(
        f"{name} contains NaN or infinity: {len(bad)} of {tensor.numel()} values, the first "
        f"({tensor[first].item()}) at {first}. The flow needs finite values. Replace them, e.g. "
        f"by nan_to_num({name}, nan=0.0, posinf=1.0, neginf=0.0) of numpy or torch."
    )
