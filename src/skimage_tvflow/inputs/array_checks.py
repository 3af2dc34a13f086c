"""Arrays that the flow refuses: the kind of array, its shape, its values; and the messages."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

__all__ = ["check_kind", "check_shape", "check_values", "complex_error"]

_DEEPEST = 64  # NumPy's largest number of axes: deeper lists are no arrays
# J(u) is a sum over pixels of at most 2 sqrt(n) times the largest value, n axes.
_HEADROOM = 8


def check_kind(image: Any, name: str, *, if_masked: str | None = None) -> None:
    """
    Refuse arrays that would lose something on the way to plain numbers.

    Masks, the zeros of sparse arrays and the history of gradients get lost in conversions, which
    say nothing. So lists are searched as well, at any depth.

    Parameters
    ----------
    image : object
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
    if if_masked is None:
        if_masked = (
            "the flow needs a value at every pixel. Fill the masked ones, e.g. "
            f"{name}.filled({name}.mean()), and pass the result."
        )
    for entry in _entries(image, 0):
        if isinstance(entry, np.ma.MaskedArray | torch.masked.MaskedTensor):
            raise ValueError(f"{name} is a masked array, and {if_masked}")
        if isinstance(entry, torch.Tensor):
            _check_tensor(entry, name)
        # only a program that has imported scipy.sparse can hold one of its matrices
        scipy_sparse = sys.modules.get("scipy.sparse")
        if scipy_sparse is not None and scipy_sparse.issparse(entry):
            raise TypeError(
                f"{name} is a sparse matrix, and sparse input is not supported: the flow needs a "
                f"dense array. Pass {name}.toarray()."
            )


def _entries(value: Any, depth: int) -> Iterator[Any]:
    """Give the value, or all that is no plain number in nested lists and arrays of objects."""
    is_list = isinstance(value, list | tuple)
    of_objects = type(value) is np.ndarray and value.dtype.kind == "O"
    if not (is_list or of_objects) or depth == _DEEPEST:
        yield value
        return
    for entry in value if is_list else value.flat:
        if not isinstance(entry, int | float):
            yield from _entries(entry, depth + 1)


def _check_tensor(tensor: torch.Tensor, name: str) -> None:
    if tensor.is_nested:
        raise TypeError(
            f"{name} is a nested tensor, and the flow needs images of one size. Pass one of "
            f"{name}.unbind() after the other."
        )
    if tensor.layout is not torch.strided:
        raise TypeError(
            f"{name} is a sparse tensor, and sparse input is not supported: the flow needs a "
            f"dense tensor. Pass {name}.to_dense()."
        )
    if tensor.is_meta:
        raise TypeError(
            f"{name} is a meta tensor, and the flow needs one that holds plain numbers. Pass a "
            "tensor made without device='meta'."
        )
    if tensor.is_quantized:
        raise TypeError(
            f"{name} is a quantized tensor, and the flow needs one that holds plain numbers. Pass "
            f"{name}.dequantize()."
        )
    if tensor.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            f"{name} requires grad, and estimators record no gradients: they would be lost. Pass "
            f"{name}.detach(), or differentiate through the torch module TVFlowNet(...).net_."
        )


def complex_error(name: str, dtype: Any) -> ValueError:
    """
    Make the error for complex numbers, in the words that scikit-learn's checks know.

    Parameters
    ----------
    name : str
        What the message calls the image.
    dtype : dtype
        Dtype of the image.

    Returns
    -------
    ValueError
        The error to raise.
    """
    return ValueError(
        f"Complex data not supported: {name} has dtype {dtype}, and the flow needs real numbers. "
        f"Pass abs({name}), or {name}.real and {name}.imag one after the other."
    )


def check_shape(shape: tuple[int, ...], name: str) -> None:
    """
    Refuse arrays without an axis or with an empty one.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image.
    name : str
        What the messages call it.

    Raises
    ------
    ValueError
        If there is no axis, or one of length 0.
    """
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


def check_values(tensor: torch.Tensor, name: str) -> None:
    """
    Refuse NaN and infinity, and values so large that sums of them are infinite.

    Parameters
    ----------
    tensor : torch.Tensor
        The image, in float32 or float64.
    name : str
        What the messages call it.

    Raises
    ------
    ValueError
        If a value is not finite or too large.
    """
    low, high = (float(end) for end in torch.aminmax(tensor))
    # NaN spreads to both ends
    if math.isfinite(low) and math.isfinite(high):
        _check_range(low, high, tensor, name)
        return
    bad = torch.nonzero(~torch.isfinite(tensor))
    first = tuple(bad[0].tolist())
    raise ValueError(
        f"{name} contains NaN or infinity: {len(bad)} of {tensor.numel()} values, the first "
        f"({tensor[first].item()}) at {first}. The flow needs finite values. Replace them, e.g. "
        f"by nan_to_num({name}, nan=0.0, posinf=1.0, neginf=0.0) of numpy or torch."
    )


def _check_range(low: float, high: float, tensor: torch.Tensor, name: str) -> None:
    # differences are taken in the dtype of the image, sums over pixels in float64
    largest = torch.finfo(tensor.dtype).max
    largest_sum = torch.finfo(torch.float64).max / _HEADROOM
    if high / 2 - low / 2 <= largest / 2 and max(-low, high) <= largest_sum / tensor.numel():
        return
    raise ValueError(
        f"{name} has values from {low:.3g} to {high:.3g}, and differences or sums of its "
        f"{tensor.numel()} values are beyond the largest {str(tensor.dtype)[6:]} number, "
        f"{largest:.3g}. Divide {name} by its largest value and t as well: the flow of {name} / c "
        "at t / c is the flow of the image at t, divided by c."
    )
