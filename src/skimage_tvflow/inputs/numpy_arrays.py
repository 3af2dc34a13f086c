"""What numpy.asarray reads: a private copy in float32 or float64, and the dtype policy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.array_checks import complex_error

__all__ = ["copy_to_numpy", "restore_numpy"]


def copy_to_numpy(image: Any, name: str) -> np.ndarray:
    """
    Copy to float32 or float64, native, contiguous and writable, whatever the image is.

    float16, bfloat16 and float32 become float32, all other real numbers float64.

    Parameters
    ----------
    image : array-like
        What ``numpy.asarray`` reads.
    name : str
        What the messages call it.

    Returns
    -------
    numpy.ndarray
        The copy.

    Raises
    ------
    TypeError
        If it holds no numbers.
    ValueError
        If its numbers are complex, or its rows of different lengths.
    """
    array = _as_array(image, name)
    dtype = array.dtype
    if dtype.kind == "c":
        raise complex_error(name, dtype)
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


def _as_array(image: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(image)
        return array.astype(np.float64) if array.dtype.kind == "O" else array
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{name} of type {type(image).__name__} cannot be read as an array of numbers "
            f"({error}). The flow needs real numbers in rows of equal length. Pass something for "
            f"which numpy.asarray({name}, dtype=float) works."
        ) from error


def restore_numpy(u: torch.Tensor, home: torch.device) -> np.ndarray:
    """
    Give a result to a caller who works with NumPy.

    Parameters
    ----------
    u : torch.Tensor
        The result.
    home : torch.device
        Device of the caller's image; NumPy has only one.

    Returns
    -------
    numpy.ndarray
        The same values.
    """
    return u.cpu().contiguous().numpy()
