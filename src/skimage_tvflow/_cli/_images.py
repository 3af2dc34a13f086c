"""Reading images, with what their formats know about the axes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._errors import CliError
from ._tiff import TiffTags, read_tiff

# What a folder is searched for. A file named on the command line may have any name.
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
IMAGE_SUFFIXES = TIFF_SUFFIXES | {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
IMAGE_SUFFIXES |= {".pgm", ".ppm", ".pnm", ".jp2", ".tga", ".npy"}


@dataclass(frozen=True)
class Picture:
    """An image file's values and what the file says about them.

    Attributes
    ----------
    path : Path
        Where it came from.
    array : ndarray
        The values, in the file's own type and range.
    axes : str
        One letter per axis, as in TIFF: Y and X, S or C for channels, and others.
    tags : TiffTags
        Resolution and the like; empty for formats other than TIFF.
    """

    path: Path
    array: np.ndarray[Any, np.dtype[Any]]
    axes: str
    tags: TiffTags

    def channel_axis(self, wanted: int | str | None, batch_axis: int | None) -> int | None:
        """Return the axis of the channels: the one asked for, or the one the format knows."""
        if isinstance(wanted, int):
            return wanted
        known = [axis for axis, letter in enumerate(self.axes) if letter in "SC"]
        if batch_axis is not None and batch_axis % max(self.array.ndim, 1) in known:
            known.remove(batch_axis % self.array.ndim)
        if wanted == "none" or not known:
            return None
        if len(known) > 1:
            raise CliError(
                f"{self.path} has two axes of channels ({self.axes}, shape {self.array.shape}); "
                f"one is needed. Type --channel-axis {known[0]} or --channel-axis {known[1]}."
            )
        return known[0]


def read_picture(path: Path) -> Picture:
    """Read one image file.

    Parameters
    ----------
    path : Path
        A file in any format that scikit-image reads, or an array that NumPy has saved.

    Returns
    -------
    Picture
        Values, axes and tags.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise CliError(
            f"{path} is empty, it has 0 bytes; an image is needed. "
            "Type another file, or copy or save this one again."
        )
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            return Picture(path, *read_tiff(path))
        return _read_numpy(path) if path.suffix.lower() == ".npy" else _read_other(path)
    except MemoryError:
        raise
    except Exception as error:  # every reader has its own idea of what to raise
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's or the permissions' fault, not the format's
        raise CliError(_complaint(path, str(error) or type(error).__name__)) from error


def _complaint(path: Path, reason: str) -> str:
    if _is_of_its_kind(path, reason):
        return (
            f"{path} is damaged ({reason.splitlines()[0]}); a whole image is needed. "
            "Copy or save it again, or type another file."
        )
    kinds = {".tif": "a TIFF file", ".tiff": "a TIFF file", ".npy": "a NumPy array of numbers"}
    return (
        f"{path} is not {kinds.get(path.suffix.lower(), 'an image file')}; TIFF, PNG, JPEG, "
        "NumPy's .npy or another format that scikit-image reads is needed. Type another file, or "
        "convert this one; its extension must say what it is."
    )


def _is_of_its_kind(path: Path, reason: str) -> bool:
    """Tell whether a file that cannot be read is at least what its name says."""
    from PIL import Image

    if path.suffix.lower() in TIFF_SUFFIXES:
        return "not a TIFF file" not in reason
    if path.suffix.lower() == ".npy":
        strangers = ("magic string is not correct", "Object arrays cannot be loaded")
        return not any(words in reason for words in strangers)
    # Of imageio's plugins the last that was asked complains, whichever that is.
    try:
        with Image.open(path):
            return True
    except OSError:
        return False


def _read_numpy(path: Path) -> Picture:
    with path.open("rb") as file:
        # What numpy.load does, without taking archives and pickles for arrays.
        array = np.lib.format.read_array(file, allow_pickle=False)
    return Picture(path, array, _axes_unknown(array.ndim), TiffTags())


def _read_other(path: Path) -> Picture:
    import imageio.v3 as imageio
    from PIL import Image

    # The bytes rather than the path: imageio leaves a file that it cannot read open.
    hint: dict[str, Any] = {"extension": path.suffix} if path.suffix else {}
    array = np.asarray(imageio.imread(path.read_bytes(), **hint))
    try:
        with Image.open(path) as image:
            (width, height), n_frames = image.size, getattr(image, "n_frames", 1)
    except OSError:  # a format that some other plugin of imageio reads: it knows nothing more
        return Picture(path, array, _axes_unknown(array.ndim), TiffTags())
    # The format tells frames and channels apart, so that no size has to be guessed from.
    framed = array.ndim >= 3 and array.shape[:3] == (n_frames, height, width)
    if framed and n_frames == 1:
        array, framed = array[0], False
    axes = "I" * framed + "YX" + "S" * (array.ndim - 2 - framed)
    return Picture(path, array, axes, TiffTags())


def _axes_unknown(ndim: int) -> str:
    return ("Q" * ndim + "YX")[2:]
