"""The kinds of arrays that are refused, each with its message: masked, sparse, quantized, ..."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

__all__ = ["check_kind"]

_DEEPEST = 64  # NumPy's largest number of axes: deeper lists are no arrays
_FILL = (
    "the flow needs a value at every pixel. Fill the masked ones, e.g. {name}.filled({name}.mean()"
    "), and pass the result."
)
# What an array must not be, and what is needed instead.
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
