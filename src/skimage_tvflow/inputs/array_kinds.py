"""Arrays other than NumPy's: how each kind is read and given back, and which are refused."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

_DLPACK_CPU = 1  # kDLCPU of the DLPack standard
_DEEPEST = 64  # NumPy's largest number of axes: deeper lists are no arrays
_FILL = (
    "the flow needs a value at every pixel. Pass {name}.filled(0), and mask=~{name}.mask where it "
    "is an image with missing pixels."
)
# Kinds of arrays that are refused, with the rest of the message: what is needed instead.
_REFUSED = {
    "is a masked array": "{if_masked}",
    "is a sparse matrix": "the flow needs a dense array. Pass {name}.toarray().",
    "is a nested tensor": "the flow needs images of one size. Pass {name}.unbind()[0], say.",
    "is a sparse tensor": "the flow needs a dense tensor. Pass {name}.to_dense().",
    "is a meta tensor": "the flow needs plain numbers. Pass a tensor made without device='meta'.",
    "is a quantized tensor": "the flow needs plain numbers. Pass {name}.dequantize().",
    "requires grad": "estimators record no gradients: they would be lost. Pass {name}.detach(), or "
    "differentiate through the torch module TVFlowNet(...).net_.",
}


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
        array: Any = reader(u) if reader else u.cpu().numpy()
        # a library may have several devices on one of torch's
        elsewhere = device is not None and getattr(array, "device", device) != device
        return array.to_device(device) if elsewhere and hasattr(array, "to_device") else array

    return restore


def check_kind(value: Any, name: str, if_masked: str = _FILL) -> None:
    """
    Refuse arrays that would lose something on the way to plain numbers.

    Masks, the zeros of sparse arrays and the history of gradients get lost in conversions, which
    say nothing. So lists are searched as well, at any depth.

    Parameters
    ----------
    value : object
        What the caller gave.
    name : str
        What the messages call it.
    if_masked : str, optional
        What is needed in place of a masked array, and what to type; by default for an image.

    Raises
    ------
    TypeError
        If an array in it is sparse, nested, quantized, or without data.
    ValueError
        If an array in it is masked, or a tensor whose gradients would be lost.
    """
    for kind in filter(None, map(_refused_kind, _entries(value, 0))):
        error = ValueError if kind in ("is a masked array", "requires grad") else TypeError
        need = _REFUSED[kind].replace("{if_masked}", if_masked).replace("{name}", name)
        raise error(f"{name} {kind}, and {need}")


def _refused_kind(x: Any) -> str | None:
    """Return the row of the table that an array is in, if any."""
    if isinstance(x, np.ma.MaskedArray | torch.masked.MaskedTensor):
        return "is a masked array"
    if isinstance(x, torch.Tensor):
        tests = {
            "is a nested tensor": x.is_nested,
            "is a sparse tensor": x.layout is not torch.strided,
            "is a meta tensor": x.is_meta,
            "is a quantized tensor": x.is_quantized,
            "requires grad": x.requires_grad and torch.is_grad_enabled(),
        }
        return next((kind for kind, holds in tests.items() if holds), None)
    # only a program that has imported scipy.sparse can hold one of its matrices
    scipy_sparse = sys.modules.get("scipy.sparse")
    return "is a sparse matrix" if scipy_sparse and scipy_sparse.issparse(x) else None


def _entries(value: Any, depth: int) -> Iterator[Any]:
    """Give the value, or all that is no plain number in nested lists and arrays of objects."""
    of_objects = type(value) is np.ndarray and value.dtype.kind == "O"
    if not (of_objects or isinstance(value, list | tuple)) or depth == _DEEPEST:
        yield value
        return
    for entry in value.flat if of_objects else value:
        if not isinstance(entry, int | float):
            yield from _entries(entry, depth + 1)
