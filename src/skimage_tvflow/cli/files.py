"""Reading and writing images; what a format cannot hold is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli.picture import Array, Picture
from skimage_tvflow.cli.program import BadImage, is_ours, is_out_of_memory
from skimage_tvflow.cli.tiff import read_tiff, write_tiff

# What a folder is searched for. A file named on the command line may have any name.
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
IMAGE_SUFFIXES = TIFF_SUFFIXES | {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
IMAGE_SUFFIXES |= {".pgm", ".ppm", ".pnm", ".jp2", ".tga", ".npy"}
ANY_VALUES = TIFF_SUFFIXES | {".npy"}  # formats for numbers of any size and sign
_TIFF_BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NUMPY_BEGINS = b"\x93NUMPY"
_RIGHT_MODES = {"1", "L", "LA", "RGB", "RGBA", "I", "I;16", "I;16B", "F"}  # Pillow's names


def read_picture(path: Path, series: int | None = None) -> Picture:
    """Read one image file that tifffile, NumPy or imageio know; refuse what is not whole."""
    with path.open("rb") as file:
        begin = file.read(6)
    if not begin:
        raise BadImage(
            f"{path} is empty, it has 0 bytes; an image is needed. "
            "Type another file, or copy or save this one again."
        )
    try:
        if begin.startswith(_TIFF_BEGINS):
            picture = read_tiff(path, series)
        elif begin == _NUMPY_BEGINS:
            picture = _read_numpy(path)
        else:
            picture = _read_other(path)
    except Exception as error:  # every reader has its own idea of what to raise
        if isinstance(error, BadImage) or is_out_of_memory(error) or is_ours(error):
            raise
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's or the permissions' fault, not the format's
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadImage(
            f"{path} is damaged or incomplete ({reason}); a whole image is needed. "
            "Copy or save it again, or type another file."
        ) from error
    if series is not None and not begin.startswith(_TIFF_BEGINS):
        raise BadImage(f"{path} is no TIFF file, so it has no series. Leave --series out.")
    _refuse_values(picture)
    return picture


def _read_numpy(path: Path) -> Picture:
    with path.open("rb") as file:
        # What numpy.load does, without taking archives and pickles for arrays.
        array = np.lib.format.read_array(file, allow_pickle=False)
    return Picture(path, array, ("Q" * array.ndim + "YX")[2:])


def _read_other(path: Path) -> Picture:
    from PIL import Image, UnidentifiedImageError

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the user's own files
    try:
        image = Image.open(path)
    except UnidentifiedImageError:
        return _read_by_imageio(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    with image:
        n_frames = getattr(image, "n_frames", 1)
        if n_frames > 1:
            raise BadImage(
                f"{path} is an animation of {n_frames} frames; one image, or a stack, is needed. "
                "Save its frames as files of their own, or as a TIFF stack."
            )
        array, notes = _decode(path, image)
        orientation = image.getexif().get(0x0112, 1)
        picture = Picture(path, array, "YX" + "S" * (array.ndim - 2), notes=notes)
    if array.ndim == 3 and array.shape[-1] in (2, 4):
        picture = picture.split_alpha()
    return picture.upright(orientation)


def _decode(path: Path, image: Any) -> tuple[Array, tuple[str, ...]]:
    """Return the values of an image that Pillow has opened, at their full depth."""
    codec, args = ("", "") if not image.tile else (image.tile[0][0], str(image.tile[0][3]))
    if image.format == "JPEG2000" or (image.format == "PNG" and "16" in args):
        import imagecodecs  # Pillow would keep 8 of 16 bits

        decode = imagecodecs.png_decode if image.format == "PNG" else imagecodecs.jpeg2k_decode
        return np.asarray(decode(path.read_bytes())), ()
    if (codec.startswith("ppm") and not args.endswith((", 255)", ", 65535)"))) or (
        codec.startswith("ppm") and args == "('RGB', 65535)"
    ):
        raise BadImage(
            f"{path} stores its values in a way that would be rescaled {args}; a largest value of "
            "255 is needed, or 65535 for grey values. Save it as TIFF or PNG."
        )
    notes: tuple[str, ...] = ()
    if image.mode in ("P", "PA"):
        clear = image.mode == "PA" or "transparency" in image.info
        image, notes = image.convert("RGBA" if clear else "RGB"), ("its palette was applied",)
    elif "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode not in _RIGHT_MODES:
        raise BadImage(
            f"{path} holds colours as {image.mode}; grey values or RGB are needed. Convert it, "
            "with an image editor for example."
        )
    array = np.asarray(image)
    return (array.astype(np.uint16) if "16" in args and array.dtype == np.int32 else array), notes


def _read_by_imageio(path: Path) -> Picture:
    import imageio.v3 as imageio

    hint: dict[str, Any] = {"extension": path.suffix} if path.suffix else {}
    content = path.read_bytes()  # given a path, imageio leaves a file that it cannot read open
    try:
        array = np.asarray(imageio.imread(content, **hint))
        n_images = imageio.improps(content, **hint).n_images or 1
    except Exception as error:  # every plugin has its own idea of what to raise
        if is_out_of_memory(error):
            raise
        raise BadImage(
            f"{path} is not an image file that can be read; TIFF, PNG, JPEG, NumPy's .npy or "
            "another format that imageio reads is needed. Type another file, or convert this one."
        ) from error
    if n_images > 1:
        raise BadImage(f"{path} holds {n_images} images, and one is needed. Save it as TIFF.")
    return Picture(path, array, ("Q" * array.ndim + "YX")[2:])


def _refuse_values(picture: Picture) -> None:
    """Raise if the flow is not defined for the values of a file."""
    array, path = picture.array, picture.path
    if array.dtype.kind not in "fiub":
        kind = "complex values" if array.dtype.kind == "c" else "values"
        raise BadImage(
            f"{path} holds {kind} of type {array.dtype}; real numbers are needed. Save what is to "
            "be computed, such as the magnitude, as an array of real numbers."
        )
    if array.ndim == 0 or array.size == 0:
        raise BadImage(
            f"{path} has the shape {array.shape}, in which there is nothing to compute; at least "
            "one axis, and no axis of length 0, is needed. Check how the file was made."
        )
    finite = np.isfinite(array)
    if not finite.all():
        first = tuple(int(i) for i in np.unravel_index(np.argmin(finite), array.shape))
        raise BadImage(
            f"{path} holds NaN or infinity: {np.sum(~finite)} of {array.size} values, the first "
            f"({array[first]}) at {first}. Finite values are needed: fill these in, with the mean "
            "for example, where the file was made."
        )


def write_picture(
    path: Path, array: Array, picture: Picture, times: Sequence[float] = (), *, scale: float = 1.0
) -> None:
    """Write what was computed from a picture in the format that the name says.

    TIFF holds 32-bit floating-point numbers, .npy the numbers as they were computed, other formats
    integers of the picture's type, rounded and clipped. The values of the picture were multiplied
    by `scale` before computing.
    """
    suffix = path.suffix.lower()
    array, axes = picture.join_alpha(array, scale)
    if suffix in TIFF_SUFFIXES:
        write_tiff(path, array, axes, picture.tags, times, alpha=picture.alpha is not None)
    elif suffix == ".npy":
        np.save(path, array)
    else:
        largest = np.iinfo(picture.array.dtype).max
        rounded = np.rint(np.asarray(array, np.float64) / scale)
        path.write_bytes(_encode(np.clip(rounded, 0, largest).astype(picture.array.dtype), suffix))


def _encode(array: Array, suffix: str) -> bytes:
    import imageio.v3 as imageio

    if suffix == ".png" and array.dtype == np.uint16:
        import imagecodecs  # Pillow writes no 16-bit colours

        return bytes(imagecodecs.png_encode(array))
    return bytes(imageio.imwrite("<bytes>", array, extension=suffix))


def refuse_format(target: Path, picture: Picture, channel_axis: int | None) -> None:
    """Raise if the format of `target` cannot hold one frame of this picture's flow."""
    suffix, array = target.suffix.lower(), picture.array
    if suffix in ANY_VALUES:
        return
    advice = f"Type a name that ends in .tif: -o {target.with_suffix('.tif')}"
    if array.dtype not in (np.uint8, np.uint16):
        raise BadImage(
            f"the values of {picture.path} are {array.dtype}, and {suffix} files hold 8- or 16-bit "
            f"integers: a format for 32-bit floating-point numbers is needed. {advice}"
        )
    colour = channel_axis is not None and channel_axis % array.ndim == 2
    shape_fits = array.ndim == 2 if channel_axis is None else array.ndim == 3 and colour
    if not shape_fits or not _survives(suffix, picture):
        raise BadImage(
            f"{suffix} files cannot hold {array.dtype} images of shape {array.shape} as they are. "
            f"A format for any shape and type is needed. {advice}"
        )


def _survives(suffix: str, picture: Picture) -> bool:
    """Return whether a small image of this type and channels can be written and read back."""
    import imagecodecs
    import imageio.v3 as imageio

    small = replace(picture, alpha=None if picture.alpha is None else np.zeros(1, np.uint8))
    largest = np.iinfo(picture.array.dtype).max
    ramp = np.linspace(0, largest, 256).astype(picture.array.dtype).reshape(16, 16)
    shape = (16, 16, *picture.array.shape[2:])
    frame = np.broadcast_to(ramp if picture.array.ndim == 2 else ramp[..., None], shape)
    sample, _ = small.join_alpha(frame, 1.0)
    try:
        encoded = _encode(sample, suffix)
        deep = suffix == ".png" and sample.dtype == np.uint16
        decoded = (
            imagecodecs.png_decode(encoded) if deep else imageio.imread(encoded, extension=suffix)
        )
    except Exception:  # every plugin has its own idea of what to raise
        return False
    if np.shape(decoded) != sample.shape:
        return False
    # JPEG is lossy by design, so values need not come back exactly, only in their range.
    return bool(np.abs(np.asarray(decoded, float) - sample).max() <= 0.1 * largest)
