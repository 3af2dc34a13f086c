"""`skimage-tvflow info`: what a bug report needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import Any

import typer

from ._report import print_json

PACKAGES = (
    "skimage-tvflow",
    "numpy",
    "torch",
    "numba",
    "scikit-learn",
    "scikit-image",
    "tifffile",
    "imageio",
)


def version_of(package: str) -> str:
    """Return the version of an installed package, or "not installed"."""
    if package == "skimage-tvflow":
        from skimage_tvflow import __version__

        return __version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def run(*, as_json: bool) -> None:
    """Print versions, backends, devices, threads and the cache's folder.

    Parameters
    ----------
    as_json : bool
        Print one JSON object.
    """
    record = collect()
    if as_json:
        print_json(record)
        return
    for name, value in record.items():
        entries = value if isinstance(value, list) else [str(value)]
        if isinstance(value, dict):
            entries = [f"{key} {entry}" for key, entry in value.items()]
        typer.echo(f"{name:10} " + f"\n{'':10} ".join(entries))


def collect() -> dict[str, Any]:
    """Gather what `run` prints.

    Returns
    -------
    dict
        Ready for JSON.
    """
    import torch

    return {
        "versions": {name: version_of(name) for name in PACKAGES},
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "backends": _backends(),
        "devices": _devices(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "cache": _cache_folder(),
    }


def _devices() -> list[str]:
    import torch

    devices = ["cpu"]
    for index in range(torch.cuda.device_count()):
        devices.append(f"cuda:{index} ({torch.cuda.get_device_name(index)})")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def _backends() -> dict[str, str]:
    import torch

    cuda = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    return {
        "numba": "on the CPU, for up to three spatial axes",
        "torch": f"on every device, for any number of axes; {cuda}",
    }


def _cache_folder() -> str:
    """Return where numba keeps kernels: by the sources, or in the user's cache if read-only."""
    from skimage_tvflow.core.backends.numba.sweep_kernel import make_march

    # All kernels of a file share a folder: any of them tells it, and none is compiled for that.
    return str(make_march(2, False, 4).stats.cache_path)
