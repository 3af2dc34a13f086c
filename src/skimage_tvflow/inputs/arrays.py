"""Any image to a tensor and back: its dtype, its shape and its values are checked here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.array_kinds import read_array
from skimage_tvflow.inputs.devices import resolve_device

# J(u) is a sum over pixels of at most 2 sqrt(n) times the largest value, n axes.
_HEADROOM = 8
# ml_dtypes registers bfloat16 and the floats of 8 bits with NumPy, as void types.
_NUMBERS, _SINGLE = re.compile("b?float|u?int|bool"), re.compile("b?float(8|16|32)")


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
    given : torch.Tensor or None
        Where only a part of the image is data, the tensor as it was; elsewhere `tensor` is 0 then.
    """

    tensor: torch.Tensor
    restore: Callable[[torch.Tensor], Any]
    given: torch.Tensor | None = None


def ingest(
    image: Any,
    *,
    device: str | torch.device | None = None,
    name: str = "image",
    data_in: Callable[[tuple[int, ...]], torch.Tensor | None] = lambda shape: None,
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
    data_in : callable
        Given the shape, tells where the image is data; only these values need to be finite.

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
    values: np.ndarray | torch.Tensor = image
    restore: Callable[[torch.Tensor], Any] = np.asarray
    if type(image) is not np.ndarray or image.dtype.kind not in "fiub":
        values, restore = read_array(image, name)
    dtype = _working_dtype(values, name)
    _check_shape(tuple(values.shape), name)
    copied = values.clone() if isinstance(values, torch.Tensor) else _copy(values, dtype)
    home = copied.device
    target = home if device is None else resolve_device(device, home=home, dtype=dtype)
    tensor, given = copied.to(target, dtype).contiguous(), None
    data = data_in(tuple(tensor.shape))
    if data is not None:
        given = tensor
        tensor = torch.where(data.to(target), tensor, 0)
    _check_values(tensor, name)
    return Ingested(tensor, lambda u: restore(u.detach().to(home).contiguous()), given)


def is_complex(image: Any) -> bool:
    """
    Tell whether an image holds complex numbers.

    Parameters
    ----------
    image : array-like
        The image.

    Returns
    -------
    bool
        Whether it does.
    """
    dtype = getattr(image, "dtype", None)
    if dtype is None:
        return isinstance(image, list | tuple | complex) and _holds_complex(image)
    return "complex" in str(dtype)


def _holds_complex(image: Any) -> bool:
    try:
        return bool(np.iscomplexobj(image))
    except ValueError:  # ragged lists are refused later
        return False


def _copy(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Copy by NumPy, as torch reads neither foreign byte orders nor negative strides."""
    with np.errstate(all="ignore"):  # what becomes infinite is reported with the values
        return torch.from_numpy(np.array(array, str(dtype)[6:], order="C"))


def _working_dtype(values: np.ndarray | torch.Tensor, name: str) -> torch.dtype:
    """Choose the dtype of the work by the name of the dtype, which NumPy and torch share."""
    dtype = str(getattr(values.dtype, "name", values.dtype)).removeprefix("torch.")
    if dtype.startswith("complex"):
        raise ValueError(  # the first words are those that scikit-learn's checks know
            f"Complex data not supported: {name} has dtype {dtype}, and the flow needs real "
            f"numbers. Pass abs({name}), or {name}.real and {name}.imag one after the other."
        )
    if not _NUMBERS.match(dtype):
        raise TypeError(
            f"{name} holds values of type {values.dtype}, and the flow needs real numbers. Pass "
            f"{name}=skimage.io.imread('file.png') for a file, {name}.astype(float) for text."
        )
    on_mps = isinstance(values, torch.Tensor) and values.device.type == "mps"  # has no float64
    return torch.float32 if on_mps or _SINGLE.match(dtype) else torch.float64


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    """Refuse arrays without an axis or with an empty one."""
    if not shape:
        raise ValueError(
            f"{name} is a single value (a 0-d array), and the flow needs at least one axis. Pass "
            f"an array, e.g. {name}=numpy.zeros((64, 64))."
        )
    if 0 in shape:
        axis = shape.index(0)
        # scikit-learn's words, which its users and its checks know
        what = "sample" if axis == 0 else "feature" if len(shape) == 2 else "value"
        raise ValueError(
            f"Found array with 0 {what}(s) (shape={shape}) while a minimum of 1 is required. Axis "
            f"{axis} of {name} is empty: pass an array without an axis of length 0."
        )


def _check_values(tensor: torch.Tensor, name: str) -> None:
    """Refuse NaN and infinity, and values so large that sums of them are infinite."""
    low, high = (float(end) for end in torch.aminmax(tensor))
    half_range, count = high / 2 - low / 2, tensor.numel()
    if not math.isfinite(half_range):  # NaN spreads to both ends
        bad = torch.nonzero(~torch.isfinite(tensor))
        first = tuple(bad[0].tolist())
        raise ValueError(
            f"{name} contains NaN or infinity: {len(bad)} of {count} values, the first "
            f"({tensor[first].item()}) at {first}. The flow needs finite values. Where they are "
            f"missing pass mask=numpy.isfinite({name}); or replace them, e.g. by "
            f"nan_to_num({name}, nan=0.0, posinf=1.0, neginf=0.0) of numpy or torch."
        )
    # differences are taken in the dtype of the image, sums over pixels in float64
    largest = torch.finfo(tensor.dtype).max
    largest_sum = torch.finfo(torch.float64).max / _HEADROOM
    if half_range > largest / 2 or max(-low, high) > largest_sum / count:
        raise ValueError(
            f"{name} has values from {low:.3g} to {high:.3g}, and sums or differences of its "
            f"{count} values are beyond the largest {str(tensor.dtype)[6:]} number. Divide {name} "
            f"by its largest value, and t as well: then the flow is divided by it, too."
        )
