"""Reading and writing images; whatever would be read or written wrongly or in part is refused."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli.picture import Array, Picture
from skimage_tvflow.cli.program import BadImage, explain, origin, refuse
from skimage_tvflow.cli.tiff import read_tiff, write_tiff

# Only files with these endings are taken from a folder; a file that is named may have any.
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
ANY_VALUES = TIFF_SUFFIXES | {".npy"}  # formats for numbers of any size and sign
IMAGE_SUFFIXES = ANY_VALUES | {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tga"}
IMAGE_SUFFIXES |= {".pgm", ".ppm", ".pnm"}
_TIFF_BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MODES = {"1", "L", "LA", "RGB", "RGBA", "P", "PA", "I", "I;16", "I;16B", "F"}  # Pillow's names
# Integer formats that can be written: the bytes of a value and the numbers of channels.
_BYTES = ((1,), (1, 3))
_HOLDS = {".png": ((1, 2), (1, 2, 3, 4)), ".bmp": _BYTES, ".jpg": _BYTES, ".jpeg": _BYTES}


def read_picture(path: Path, series: int | None = None) -> Picture:
    """Read one image file that tifffile, NumPy or Pillow knows."""
    try:
        with path.open("rb") as file:
            begin = file.read(6)
            if begin.startswith(_TIFF_BEGINS):
                return read_tiff(path, series)
            refuse({"is no TIFF file. Leave --series out.": series is not None}, BadImage)
            if begin != b"\x93NUMPY":
                return _read_by_pillow(path)
            file.seek(0)
            # What numpy.load does, without taking archives and pickles for arrays.
            array = np.lib.format.read_array(file, allow_pickle=False)
            return Picture(array, ("Q" * array.ndim + "YX")[2:])
    except BadImage as error:
        raise BadImage(f"{path} {error}") from error
    except Exception as error:  # every reader has its own idea of what to raise
        if explain(error) or origin(error)[0].startswith("skimage_tvflow."):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        damaged = f"{path} is damaged or incomplete ({reason})"
        raise BadImage(f"{damaged}. Copy it again, or type another file.") from error


def read_mask(image: Array, name: str | None, *, nan_is_missing: bool) -> Array | None:
    """Return where an image is data: where the mask of this file is not 0, and it has numbers."""
    missing = nan_is_missing and image.dtype.kind == "f" and not np.isfinite(image).all()
    if name is None:
        return np.isfinite(image) if missing else None
    inside = read_picture(Path(name)).array != 0
    if missing and inside.shape != image.shape:
        lacking = image.ndim - inside.ndim
        fits = lacking > 0 and image.shape[lacking:] == inside.shape
        wrong = f"the mask {name} has shape {inside.shape}, and the image {image.shape}"
        refuse({f"{wrong}. Type a mask of the size of the image": not fits}, BadImage)
    return inside & np.isfinite(image) if missing else inside


def _read_by_pillow(path: Path) -> Picture:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(path)
    except UnidentifiedImageError:
        unknown = "is no image file that can be read. Type another file, or convert it to TIFF."
        raise BadImage(unknown) from None
    except Image.DecompressionBombError:
        raise BadImage("has more pixels than Pillow reads. Save it as a TIFF file.") from None
    with image:
        n = getattr(image, "n_frames", 1)
        # Of PPM files, Pillow rescales all values but those of 8 bits, or 16 in grey.
        exact = image.tile[0][0] == "raw" if image.format == "PPM" else image.mode in _MODES
        reasons = {
            f"holds {n} images. Save each as a file, or all as a TIFF stack.": n > 1,
            f"stores its values as {image.mode} in {image.format}, which would be changed in "
            "reading. Convert it to TIFF or PNG.": not exact or image.format == "JPEG2000",
        }
        refuse(reasons, BadImage)
        array, orientation = _decode(path, image), image.getexif().get(0x0112, 1)
    picture = Picture(array, "YXS"[: array.ndim]).upright(orientation)
    return picture.split_alpha() if array.shape[2:] in ((2,), (4,)) else picture


def _decode(path: Path, image: Any) -> Array:
    """Return the values of an image that Pillow has opened, at their full depth."""
    if image.format == "PNG":
        import imagecodecs  # Pillow would keep 8 of the 16 bits of colours

        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    array = np.asarray(image)
    return array.astype(np.uint16) if image.format == "PPM" and image.mode == "I" else array


def refuse_format(target: Path, picture: Picture, channel_axis: int | None) -> None:
    """Raise if the format of `target` cannot hold one frame of this picture's flow."""
    suffix, array, dtype = target.suffix.lower(), picture.array, picture.array.dtype
    sizes, channels = _HOLDS.get(suffix, ((), ()))
    is_image = array.ndim == (2 if channel_axis is None else 3) and channel_axis in (None, 2, -1)
    n_channels = (1 if array.ndim == 2 else array.shape[-1]) + (picture.alpha is not None)
    fits = is_image and dtype.kind == "u" and dtype.itemsize in sizes and n_channels in channels
    beside = " and its alpha channel" * (picture.alpha is not None)
    what = f"the {dtype} values of shape {array.shape}{beside} do not fit into a {suffix} file"
    if suffix not in _HOLDS:
        known = ", ".join([*sorted(ANY_VALUES), *_HOLDS])
        what = f"{suffix or 'a name without an ending'} is no format that is written here ({known})"
    message = f"{what}. Type a name that ends in .tif: -o {target.with_suffix('.tif')}"
    refuse({message: suffix not in ANY_VALUES and not fits}, BadImage)


def write_picture(
    path: Path, array: Array, picture: Picture, times: Sequence[float] = (), *, scale: float = 1.0
) -> None:
    """Write what was computed from a picture, whose values were multiplied by `scale`."""
    suffix, dtype = path.suffix.lower(), picture.array.dtype
    array, axes = picture.join_alpha(array, scale)
    if suffix in TIFF_SUFFIXES:
        alpha, sizes = picture.alpha is not None, picture.physical
        write_tiff(path, array, axes, picture.tags, times, alpha, sizes)
    elif suffix == ".npy":
        np.save(path, array)
    else:  # integers of the picture's type, rounded and clipped
        import imagecodecs
        from PIL import Image

        rounded = np.rint(array.astype(np.float64) / scale).clip(0, np.iinfo(dtype).max)
        if suffix == ".png":  # of which Pillow writes no 16-bit colours
            path.write_bytes(imagecodecs.png_encode(rounded.astype(dtype)))
        else:
            Image.fromarray(rounded.astype(dtype)).save(path)
