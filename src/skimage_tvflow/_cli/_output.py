"""Outputs that appear whole or not at all, in formats that hold their values."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.atomic_write import replacing

from ._errors import CliError
from ._images import TIFF_SUFFIXES, Picture
from ._tiff import write_tiff

Array = np.ndarray[Any, np.dtype[Any]]


@contextmanager
def whole_file(target: Path, *, force: bool) -> Iterator[Path]:
    """Give a name beside the target to write to; move it into place only when all went well.

    Parameters
    ----------
    target : Path
        The file that shall appear; its folder is made when missing.
    force : bool
        Overwrite a file that exists.

    Yields
    ------
    Path
        A hidden name in the same folder with the same extension.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as partial:
            yield partial
            refuse_existing(target, force=force)  # somebody else may have been quicker
    except OSError as error:
        raise CliError(
            f"{target} cannot be written ({error.strerror or error}). A folder with room and the "
            "permission to write is needed: pass another one with -o."
        ) from error


@contextmanager
def whole_files(targets: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """Give names for several files that belong together; none appears before all are written.

    Parameters
    ----------
    targets : sequence of Path
        The files that shall appear.
    force : bool
        Overwrite files that exist.

    Yields
    ------
    list of Path
        A name to write to for each.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(whole_file(target, force=force)) for target in targets]
        for target in targets:  # before the first is moved into place
            refuse_existing(target, force=force)


def refuse_existing(target: Path, *, force: bool) -> None:
    """Raise if there is something at `target` that may not be overwritten."""
    if target.is_dir():
        raise CliError(
            f"the output {target} is a folder; the name of a file is needed. "
            "Type another name after -o."
        )
    if target.exists() and not force:
        raise CliError(
            f"the output {target} exists; nothing is overwritten unasked. "
            "Type --force to overwrite it, or another name after -o."
        )


def refuse_unwritable(folder: Path, names: Iterable[str]) -> None:
    """Raise if files cannot be made in a folder.

    Parameters
    ----------
    folder : Path
        Where outputs are to go; a missing one will be made.
    names : iterable of str
        Those of the files.
    """
    made = []
    while not folder.exists():
        made.append(folder.name)
        folder = folder.parent
    try:
        # Trying is the only answer that holds for permissions, read-only disks and network drives.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CliError(
            f"nothing can be written in {folder} ({error.strerror or error}). A folder with the "
            "permission to write is needed: pass another one with -o."
        ) from error
    for name in (*made, *names):
        with suppress(FileNotFoundError):
            os.lstat(folder / name)  # tells a name that is too long for the disk


def refuse_format(target: Path, picture: Picture, channel_axis: int | None) -> None:
    """Raise if the format of `target` cannot hold one frame of this picture's flow.

    Parameters
    ----------
    target : Path
        The output; TIFF holds everything.
    picture : Picture
        The input.
    channel_axis : int or None
        Its axis of channels.
    """
    suffix, array = target.suffix.lower(), picture.array
    if suffix in TIFF_SUFFIXES:
        return
    advice = f"Type a name that ends in .tif: -o {target.with_suffix('.tif')}"
    if array.dtype not in (np.uint8, np.uint16):
        raise CliError(
            f"the values of {picture.path} are {array.dtype}, and {suffix} files hold 8- or 16-bit "
            f"integers: a format for 32-bit floating-point numbers is needed. {advice}"
        )
    colour = channel_axis is not None and channel_axis % array.ndim == 2
    flat = array.ndim == 2 and channel_axis is None
    if not (flat or (array.ndim == 3 and colour)) or not _survives(suffix, array):
        raise CliError(
            f"{suffix} files cannot hold {array.dtype} images of shape {array.shape} as they are. "
            f"A format for any shape and type is needed. {advice}"
        )


def _survives(suffix: str, like: Array) -> bool:
    """Tell whether a small image of this type and its channels can be written and read back."""
    import imageio.v3 as imageio

    shape = (16, 16, *like.shape[2:])
    ramp = np.linspace(0, np.iinfo(like.dtype).max, 256).astype(like.dtype).reshape(16, 16)
    sample = np.broadcast_to(ramp if like.ndim == 2 else ramp[..., None], shape).copy()
    try:
        encoded = imageio.imwrite("<bytes>", sample, extension=suffix)
        decoded = np.asarray(imageio.imread(encoded, extension=suffix))
    except Exception:  # every plugin has its own idea of what to raise
        return False
    if decoded.shape != sample.shape:
        return False
    # JPEG is lossy by design, so values need not come back exactly, only in their range.
    return bool(np.abs(decoded.astype(float) - sample).max() <= 0.1 * np.iinfo(like.dtype).max)


def write_frame(
    path: Path, frame: Array, picture: Picture, times: Sequence[float] = (), *, unit_range: bool
) -> None:
    """Write one image computed from a picture, in the format that the name says.

    Parameters
    ----------
    path : Path
        The file to write: a TIFF of 32-bit floating-point numbers, or a file of the integers of the
        picture's type, rounded and clipped.
    frame : ndarray of the picture's shape
        The image.
    picture : Picture
        The input.
    times : sequence of float, optional
        The time that it belongs to, if there is one.
    unit_range : bool
        Whether its values were divided by the type's maximum.
    """
    import imageio.v3 as imageio

    if path.suffix.lower() in TIFF_SUFFIXES:
        write_tiff(path, frame, picture.axes, picture.tags, times)
        return
    dtype = picture.array.dtype
    largest = np.iinfo(dtype).max
    values = np.asarray(frame, dtype=np.float64) * (largest if unit_range else 1)
    imageio.imwrite(path, np.clip(np.rint(values), 0, largest).astype(dtype))
