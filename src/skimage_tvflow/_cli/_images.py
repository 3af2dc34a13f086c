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
IMAGE_SUFFIXES |= {".pgm", ".ppm", ".pnm", ".jp2", ".tga"}


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
        A file in any format that scikit-image reads.

    Returns
    -------
    Picture
        Values, axes and tags.
    """
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            return Picture(path, *read_tiff(path))
        return _read_other(path)
    except MemoryError:
        raise
    except Exception as error:  # every reader has its own idea of what to raise
        raise CliError(
            f"{path} cannot be read as an image ({_first_line(error)}). An image in a format that "
            "scikit-image reads is needed: check the file, or convert it to TIFF or PNG."
        ) from error


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
        return Picture(path, array, "QQQQQQYX"[-array.ndim :], TiffTags())
    # The format tells frames and channels apart, so that no size has to be guessed from.
    framed = array.ndim >= 3 and array.shape[:3] == (n_frames, height, width)
    if framed and n_frames == 1:
        array, framed = array[0], False
    axes = "I" * framed + "YX" + "S" * (array.ndim - 2 - framed)
    return Picture(path, array, axes, TiffTags())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
