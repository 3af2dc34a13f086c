"""The device that does the work, and every message about devices."""

from __future__ import annotations

import torch

__all__ = ["available_devices", "lacks", "resolve_device"]


def resolve_device(
    device: str | torch.device | None, *, home: torch.device, dtype: torch.dtype
) -> torch.device:
    """
    Choose the device where the work is done.

    Parameters
    ----------
    device : str, torch.device or None
        None for where the data is, ``"auto"`` for the best device that has the dtype (CUDA before
        MPS before CPU), or a device by name.
    home : torch.device
        Where the data is.
    dtype : torch.dtype
        The dtype of the work.

    Returns
    -------
    torch.device
        The device; ``home`` itself when the name asked for says no more than ``home.type``.

    Raises
    ------
    TypeError
        If `device` is neither a string nor a torch.device.
    ValueError
        If it is unknown, not available here, or lacks the dtype.
    """
    if device is None:
        return home
    if not isinstance(device, str | torch.device):
        raise TypeError(
            f"device must be a string, a torch.device or None, got {device!r}. {_choices()}"
        )
    available = available_devices()
    if device == "auto":
        # data that already lives on the best kind of device is not moved to its neighbour
        best = next(d for d in available if not lacks(d, dtype))
        return home if home.type == best.type else best
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"device={device!r} is not a device that torch knows. {_choices()}"
        ) from None
    any_index = wanted.index is None or wanted.type == "cpu"
    for chosen in (home, *available):
        if chosen == wanted or (any_index and chosen.type == wanted.type):
            break
    else:
        raise ValueError(f"device={str(device)!r} is not available here. {_choices()}")
    if lacks(chosen, dtype):
        raise ValueError(
            f"device={str(device)!r} has no float64, in which integers and float64 are computed. "
            "Pass device='cpu', or the image in float32, e.g. image.astype('float32')."
        )
    return chosen


def available_devices() -> list[torch.device]:
    """
    List the devices of this machine.

    Returns
    -------
    list of torch.device
        The best first, the CPU last.
    """
    devices = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append(torch.device("mps"))
    return [*devices, torch.device("cpu")]


def _choices() -> str:
    names = [repr(str(d)) for d in reversed(available_devices())]
    return f"Needed is a device that this machine has. Pass device={' or '.join(names)} or 'auto'."


def lacks(device: torch.device, dtype: torch.dtype) -> bool:
    """
    Tell whether a device cannot hold a dtype: Apple's GPUs have no double precision.

    Parameters
    ----------
    device : torch.device
        The device.
    dtype : torch.dtype
        The dtype.

    Returns
    -------
    bool
        True if it cannot.
    """
    return dtype == torch.float64 and device.type == "mps"
