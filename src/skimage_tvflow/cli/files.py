"""Reading and writing images; whatever would be read or written wrongly or in part is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli.picture import Array, Picture
from skimage_tvflow.cli.program import BadImage, is_ours, is_out_of_memory
from skimage_tvflow.cli.tiff import read_tiff, write_tiff

# What a folder is searched for. A file named on the command line may have any name.
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
ANY_VALUES = TIFF_SUFFIXES | {".npy"}  # formats for numbers of any size and sign
IMAGE_SUFFIXES = ANY_VALUES | {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2", ".tga"}
IMAGE_SUFFIXES |= {".pgm", ".ppm", ".pnm"}
_TIFF_BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NUMPY_BEGINS = b"\x93NUMPY"
_RIGHT_MODES = {"1", "L", "LA", "RGB", "RGBA", "I", "I;16", "I;16B", "F"}  # Pillow's names
# Integer formats that can be written: the bytes of a value and the numbers of channels.
_HOLDS = {
    ".png": ((1, 2), (1, 2, 3, 4)),
    ".bmp": ((1,), (1, 3)),
    ".jpg": ((1,), (1, 3)),
    ".jpeg": ((1,), (1, 3)),
    ".ppm": ((1,), (3,)),
    ".pgm": ((1,), (1,)),
}


def read_picture(path: Path, series: int | None = None) -> Picture:
    """Read one image file that tifffile, NumPy, Pillow or imageio know."""
    try:
        with path.open("rb") as file:
            begin = file.read(6)
        if series is not None and not begin.startswith(_TIFF_BEGINS):
            raise BadImage(f"{path} is no TIFF file and has no series. Leave --series out.")
        if begin.startswith(_TIFF_BEGINS):
            picture = read_tiff(path, series)
        elif begin == _NUMPY_BEGINS:
            with path.open("rb") as file:
                # What numpy.load does, without taking archives and pickles for arrays.
                picture = _unnamed(path, np.lib.format.read_array(file, allow_pickle=False))
        else:
            picture = _read_other(path)
    except Exception as error:  # every reader has its own idea of what to raise
        of_the_disk = isinstance(error, OSError) and error.errno is not None
        if isinstance(error, BadImage) or of_the_disk or is_out_of_memory(error) or is_ours(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadImage(
            f"{path} is damaged or incomplete ({reason}); a whole image is needed. "
            "Copy or save it again, or type another file."
        ) from error
    _refuse_values(picture)
    return picture


def _unnamed(path: Path, array: Array) -> Picture:
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
        if n_frames > 1 and image.format != "MPO":
            raise BadImage(
                f"{path} is an animation of {n_frames} frames; one image, or a stack, is needed. "
                "Save its frames as files of their own, or as a TIFF stack."
            )
        array, notes = _decode(path, image)
        if n_frames > 1:  # as cameras write it: a photograph, and previews or other views of it
            notes = (*notes, f"the first of its {n_frames} pictures is read")
        orientation = image.getexif().get(0x0112, 1)
    picture = Picture(path, array, "YX" + "S" * (array.ndim - 2), notes=notes)
    if array.shape[2:] in ((2,), (4,)):
        picture = picture.split_alpha()
    return picture.upright(orientation)


def _decode(path: Path, image: Any) -> tuple[Array, tuple[str, ...]]:
    """Return the values of an image that Pillow has opened, at their full depth."""
    codec, args = (image.tile[0][0], str(image.tile[0][3])) if image.tile else ("", "")
    if image.format == "JPEG2000" or (image.format == "PNG" and "16" in args):
        import imagecodecs  # Pillow would keep 8 of 16 bits

        decode = imagecodecs.png_decode if image.format == "PNG" else imagecodecs.jpeg2k_decode
        return np.asarray(decode(path.read_bytes())), ()
    is_exact = args.endswith(", 255)") or (args.endswith(", 65535)") and image.mode == "I")
    if (codec.startswith("ppm") and not is_exact) or image.mode not in {*_RIGHT_MODES, "P", "PA"}:
        raise BadImage(
            f"{path} stores its values as {image.mode} {args if codec == 'ppm' else ''}, which "
            "would be changed in reading; grey values or RGB of 8 or 16 bits are needed. Convert "
            "it to TIFF or PNG, with an image editor for example."
        )
    notes: tuple[str, ...] = ()
    clear = "transparency" in image.info or image.mode == "PA"
    if image.mode in ("P", "PA"):
        image, notes = image.convert("RGBA" if clear else "RGB"), ("its palette was applied",)
    elif clear and image.mode in ("L", "RGB"):
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    array = np.asarray(image)
    return (array.astype(np.uint16) if "16" in args and array.dtype == np.int32 else array), notes


def _read_by_imageio(path: Path) -> Picture:
    import imageio.v3 as imageio

    hint: dict[str, Any] = {"extension": path.suffix} if path.suffix else {}
    try:
        content = path.read_bytes()  # given a path, imageio leaves a file that it cannot read open
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
        raise BadImage(f"{path} holds {n_images} images; one is needed. Save it as a TIFF stack.")
    return _unnamed(path, array)


def _refuse_values(picture: Picture) -> None:
    """Raise if the flow is not defined for the values of a file."""
    array, path = picture.array, picture.path
    if array.dtype.kind not in "fiub":
        raise BadImage(
            f"{path} holds values of type {array.dtype}; real numbers are needed. Save what is to "
            "be computed, such as the magnitude of complex values, as an array of real numbers."
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


def refuse_format(target: Path, picture: Picture, channel_axis: int | None) -> None:
    """Raise if the format of `target` cannot hold one frame of this picture's flow."""
    suffix, array = target.suffix.lower(), picture.array
    if suffix in ANY_VALUES:
        return
    sizes, channels = _HOLDS.get(suffix, ((), ()))
    is_image = array.ndim == 2 if channel_axis is None else channel_axis % array.ndim == 2
    n_channels = (1 if array.ndim == 2 else array.shape[-1]) + (picture.alpha is not None)
    fits = array.dtype.kind == "u" and array.dtype.itemsize in sizes and n_channels in channels
    if not (is_image and array.ndim <= 3 and fits):
        raise BadImage(
            f"{suffix} files cannot hold images of {array.dtype} values and shape {array.shape} as "
            f"{picture.path} is one. A format for any shape and type is needed. Type a name that "
            f"ends in .tif: -o {target.with_suffix('.tif')}"
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
        import imagecodecs
        import imageio.v3 as imageio

        limits, rounded = np.iinfo(picture.array.dtype), np.rint(array.astype(np.float64) / scale)
        values = np.clip(rounded, 0, limits.max).astype(picture.array.dtype)
        if suffix == ".png":  # of which Pillow writes no 16-bit colours
            path.write_bytes(imagecodecs.png_encode(values))
        else:
            imageio.imwrite(path, values, extension=suffix)
