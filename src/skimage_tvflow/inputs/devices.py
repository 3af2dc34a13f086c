"""The device that does the work, and every message about devices."""

from __future__ import annotations

import torch


def resolve_device(
    device: str | torch.device, *, home: torch.device, dtype: torch.dtype
) -> torch.device:
    """
    Choose the device where the work is done.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` for the best device that has the dtype (CUDA before MPS before CPU), or a device
        by name.
    home : torch.device
        Where the data is.
    dtype : torch.dtype
        The dtype of the work.

    Returns
    -------
    torch.device
        The device; ``home`` itself when the requested name says no more than ``home.type``.

    Raises
    ------
    TypeError
        If `device` is neither a string nor a torch.device.
    ValueError
        If it is unknown, not available here, or lacks the dtype.
    """
    available = available_devices()
    names = " or ".join(repr(str(d)) for d in reversed(available))
    advice = f"Needed is a device that this machine has. Pass device={names} or 'auto'."
    if not isinstance(device, str | torch.device):
        raise TypeError(
            f"device must be a string, a torch.device or None, got {device!r}. {advice}"
        )
    # Apple's GPUs have no double precision.
    lacking = {"mps"} if dtype == torch.float64 else set()
    if device == "auto":
        # data that already lives on the best kind of device is not moved to its neighbour
        best = next(d for d in available if d.type not in lacking)
        return home if home.type == best.type else best
    try:
        wanted = torch.device(device)
    except RuntimeError:
        message = f"device={device!r} is not a device that torch knows. {advice}"
        raise ValueError(message) from None
    any_index = wanted.index is None or wanted.type == "cpu"
    same = (d for d in (home, *available) if d == wanted or (any_index and d.type == wanted.type))
    chosen = next(same, None)
    if chosen is None:
        raise ValueError(f"device={str(device)!r} is not available here. {advice}")
    if wanted.type in lacking:
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
    cuda = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    mps = [torch.device("mps")] * torch.backends.mps.is_available()
    return [*cuda, *mps, torch.device("cpu")]
