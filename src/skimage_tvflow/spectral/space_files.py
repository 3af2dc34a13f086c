"""Scale spaces in files: NumPy's npz, one entry for every frame."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skimage_tvflow.atomic_write import atomic_write
from skimage_tvflow.estimators.chambolle import ChambolleTVFlow
from skimage_tvflow.estimators.confined_input import ConfinedInput, read_confined
from skimage_tvflow.spectral.frame_store import FrameStore
from skimage_tvflow.spectral.knots import Knots
from skimage_tvflow.spectral.measures import Measures
from skimage_tvflow.spectral.refinement import Growth

_FORMAT = "skimage-tvflow scale space 1"
_ARRAYS = ("times", "variation", "error", "bound", "curvature", "fine")
_ADVICE = (
    "Compute the space again with scale_space(image), and save it with space.save('name.npz')."
)


def save_space(
    path: str | PathLike[str], growth: Growth, knots: Knots, plan: np.ndarray, complete: bool
) -> None:
    """
    Write a space, frame by frame.

    Parameters
    ----------
    path : path-like
        Name of the file, which ends in ``.npz``.
    growth : Growth
        The image, and how the space grows.
    knots : Knots
        The frames.
    plan : numpy.ndarray
        Times of the fine frames.
    complete : bool
        Whether all of them are there.

    Raises
    ------
    ValueError
        If the name has another ending.
    """
    _check_name(path)
    axes, flow = growth.flow_input.axes, growth.flow
    about = {
        "format": _FORMAT,
        "spacing": growth.flow_input.spacing,
        "batch_axis": axes.batch_axis,
        "channel_axis": axes.channel_axis,
        "coupled_channels": axes.coupled_channels,
        "tol": growth.measures.tol,
        "t_max": growth.t_max,
        "unit": knots.unit,
        "complete": complete,
        "certify": growth.certify,
        "complex": growth.flow_input.is_complex,
        "flow": _parameters(flow) if type(flow) is ChambolleTVFlow else None,
    }
    arrays: dict[str, Any] = {name: getattr(knots, name) for name in _ARRAYS}
    arrays |= {f"frame{k:05}": frame.cpu().numpy() for k, frame in enumerate(knots.frames)}
    arrays |= {"about": np.array(json.dumps(about)), "plan": plan}
    if isinstance(growth.flow_input, ConfinedInput):
        arrays |= growth.flow_input.as_given()
    with atomic_write(Path(path)) as partial:
        np.savez(partial, **arrays)


def load_space(path: str | PathLike[str]) -> tuple[Growth, Knots, np.ndarray, bool]:
    """
    Read what `save_space` wrote.

    Parameters
    ----------
    path : path-like
        Name of the file.

    Returns
    -------
    growth : Growth
        The image, and how the space grows.
    knots : Knots
        The frames, in memory.
    plan : numpy.ndarray
        Times of the fine frames.
    complete : bool
        Whether all of them are there.

    Raises
    ------
    ValueError
        If the file is damaged, or no such space.
    """
    _check_name(path)
    try:
        # Opened here, as np.load leaves damaged files open.
        with open(path, "rb") as file, np.load(file) as entries:
            about = json.loads(str(entries["about"]))
            if about["format"] != _FORMAT:
                raise ValueError(f"its format is {about['format']!r}")
            return _rebuild(about, entries)
    except (IsADirectoryError, FileNotFoundError, PermissionError):
        raise
    except (LookupError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{os.fspath(path)} is damaged, or no scale space of this version ({error}). {_ADVICE}"
        ) from error


def _rebuild(
    about: dict[str, Any], entries: Mapping[str, np.ndarray]
) -> tuple[Growth, Knots, np.ndarray, bool]:
    arrays = {name: entries[name] for name in _ARRAYS}
    count = len(arrays["times"])
    frames = tuple(torch.from_numpy(entries[f"frame{k:05}"]) for k in range(count))
    if any(len(values) != count for values in arrays.values()) or not count:
        raise ValueError("its arrays do not fit together")
    image, mask, weight = frames[0].numpy(), None, None
    if "mask" in entries:
        image, mask, weight = (entries[name] for name in ("image", "mask", "weight"))
    names = "spacing", "channel_axis", "batch_axis", "coupled_channels"
    grid = [about[name] for name in names]
    if about["complex"]:
        image, grid[1] = image[..., 0] + 1j * image[..., 1], None
    flow_input = read_confined(image, 0.0, *grid, None, mask, weight)
    flow = ChambolleTVFlow(**(about["flow"] or {}))
    growth = Growth(
        flow_input=flow_input,
        flow=flow,
        measures=Measures.of(flow_input, float(about["tol"])),
        t_max=about["t_max"],
        store=FrameStore(on_disk=False, folder=None),
        certify=bool(about["certify"]),
        may_grow=about["flow"] is not None,
    )
    return (
        growth,
        Knots(frames=frames, unit=float(about["unit"]), **arrays),
        entries["plan"],
        bool(about["complete"]),
    )


def _parameters(flow: ChambolleTVFlow) -> dict[str, Any] | None:
    """The parameters as JSON knows them; None if one is unknown to it."""
    parameters = flow.get_params()
    # The times are those of the space, and the device that of whoever loads it.
    parameters.update(t=0.1, device=None, batch_size=None)
    if parameters["spacing"] is not None:
        parameters["spacing"] = np.asarray(parameters["spacing"], float).tolist()
    try:
        return json.loads(json.dumps(parameters, default=_plain_number))
    except (TypeError, ValueError):
        return None


def _plain_number(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item()


def _check_name(path: str | PathLike[str]) -> None:
    if Path(path).suffix != ".npz":
        raise ValueError(
            f"The name of a scale space ends in .npz, got {os.fspath(path)!r}. "
            "Pass space.save('name.npz')."
        )
