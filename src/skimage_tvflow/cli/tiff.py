"""TIFF in and out: axes and pixel sizes are kept, the times are stored with them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from skimage_tvflow.cli.picture import Array, Picture
from skimage_tvflow.cli.program import BadImage

# Equal resolutions below this say how large to print a picture, not how large its pixels are.
PRINT_RESOLUTION = 2540  # dots per inch, pixels of 10 um
_MICROMETRES = {2: 25400.0, 3: 10000.0}  # in TIFF's units of the resolution: inch, centimetre
_METRIC = {"nm": 1e-3, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_PIXELS = {"", "pixel", "pixels", "None", None}
_JPEG = (6, 7, 34892)  # compressions that tifffile decodes to RGB
_INCHES = {"inch", "inches", "in"}
_DATA_MISSING = re.compile("zeroed|out of range")  # the warnings of tifffile that matter


def read_tiff(path: Path, series: int | None) -> Picture:
    """Read one series of a TIFF file; refuse what would be read wrongly or in part."""
    import tifffile

    with _no_complaints(path), tifffile.TiffFile(path) as tif:
        _refuse_many_files(path, tif)
        chosen = _chosen_series(path, tif, series)
        page = chosen.keyframe
        picture = Picture(
            path, chosen.asarray(), chosen.axes, **_pixel_sizes(tif, chosen, series or 0)
        )
    photometric = getattr(page.photometric, "name", str(page.photometric))
    right = photometric in ("MINISBLACK", "RGB") or (
        photometric == "YCBCR" and page.compression in _JPEG
    )
    # ImageJ keeps grey values and only shows them in colours.
    right = right or (photometric == "PALETTE" and tif.is_imagej)
    # tifffile itself writes masks so, without inverting them.
    own_mask = tif.is_shaped and picture.array.dtype == bool
    if photometric == "MINISWHITE" and not own_mask:
        picture = _inverted(picture, page.bitspersample)
    elif not right and not own_mask:
        raise BadImage(
            f"{path} stores its values as {photometric} colours; grey values or RGB are needed. "
            "Convert it, in ImageJ with Image > Type > RGB Color for example."
        )
    if "S" in picture.axes and page.extrasamples and page.extrasamples[-1] in (1, 2):
        picture = picture.split_alpha()
    orientation = page.tags.valueof("Orientation", 1)
    return picture.upright(orientation) if {"Y", "X"} <= set(picture.axes) else picture


@contextmanager
def _no_complaints(path: Path) -> Iterator[None]:
    """Refuse a file if tifffile logs that some of it is missing; its log is not for users."""
    complaints: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if record.levelno >= logging.ERROR or _DATA_MISSING.search(text):
                complaints.append(re.sub("<[^>]*>", "", text).strip())

    logger, collector = logging.getLogger("tifffile"), Collector()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagate
    if complaints:
        raise ValueError(complaints[0])


def _refuse_many_files(path: Path, tif: Any) -> None:
    """Raise if the data of an OME file are spread over several files."""
    if tif.ome_metadata is None:
        return
    nodes = ElementTree.fromstring(tif.ome_metadata).iter()
    names = {node.get("FileName") or node.get("MetadataFile") for node in nodes} - {None}
    if len(names) > 1 or "BinaryOnly" in tif.ome_metadata:
        raise BadImage(
            f"{path} is one of several files that hold an OME image together; all of it in one "
            "file is needed. Export it so, with Bio-Formats for example."
        )


def _chosen_series(path: Path, tif: Any, series: int | None) -> Any:
    found = tif.series
    if (series is None and len(found) == 1) or (series is not None and 0 <= series < len(found)):
        return found[series or 0]
    listed = "; ".join(
        f"{k}: {one.axes} {' x '.join(map(str, one.shape))} {one.dtype}"
        + (f" {one.name!r}" if one.name else "")
        for k, one in enumerate(found)
    )
    given = f"there is no series {series}" if series is not None else "one of them is needed"
    raise BadImage(
        f"{path} holds {len(found)} series of images ({listed}); {given}. Type --series 0, or "
        "another number of the list."
    )


def _pixel_sizes(tif: Any, series: Any, number: int) -> dict[str, Any]:
    """Return the pixel sizes that a file states as physical, and what repeats them in a TIFF."""
    tags = series.keyframe.tags
    per_unit = [tags.valueof(name) for name in ("XResolution", "YResolution")]
    known = all(value is not None and all(value) for value in per_unit)
    code = int(tags.valueof("ResolutionUnit") or 2) if known else None
    texts = _descriptions(tif, number)
    spacing, unit = _from_ome(texts)
    if not spacing and known:
        x, y = (denominator / numerator for numerator, denominator in per_unit)
        spacing, unit = _from_resolution(x, y, code, texts)
    resolution = {"resolution": tuple(per_unit), "resolutionunit": code} if known else {}
    return {"spacing": spacing, "unit": unit, "tags": {**resolution, "metadata": texts}}


def _from_ome(texts: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """Return the pixel sizes of OME in their unit, or in micrometres if they have several."""
    sizes = {axis: float(texts.get(f"PhysicalSize{axis}", 0)) for axis in "ZYX"}
    units = {axis: str(texts.get(f"PhysicalSize{axis}Unit", "um")).replace("µ", "u")
             for axis, size in sizes.items() if size > 0}  # fmt: skip
    if len(set(units.values())) == 1:
        return {axis: sizes[axis] for axis in units}, units.popitem()[1]
    known = {axis: _METRIC[unit] for axis, unit in units.items() if unit in _METRIC}
    return {axis: sizes[axis] * factor for axis, factor in known.items()}, "um"


def _from_resolution(
    x: float, y: float, code: int | None, texts: Mapping[str, Any]
) -> tuple[dict[str, float], str]:
    """Return pixel sizes from pixels per unit, unless they only say how large to print."""
    unit = texts.get("unit")
    if unit not in _PIXELS and not (unit in _INCHES and x == y):
        unit = str(unit).replace("\\u00B5", "u").replace("µ", "u").replace("micron", "um")
        return {"Z": float(texts.get("spacing", 1)), "Y": y, "X": x}, unit.removesuffix("s")
    scale = _MICROMETRES.get(code or 1)
    if unit is None and scale and max(x, y) * scale <= 25400 / PRINT_RESOLUTION:
        return {"Y": y * scale, "X": x * scale}, "um"
    # Whatever the size, pixels that are not square are not square.
    return ({"Y": y / x, "X": 1.0}, "pixel widths") if x != y else ({}, "")


def _descriptions(tif: Any, number: int) -> dict[str, Any]:
    """Return the units and sizes that ImageJ, OME and this program keep in the description."""
    texts = {**(tif.imagej_metadata or {}), **((tif.shaped_metadata or ({},))[0])}
    if tif.ome_metadata:
        root = ElementTree.fromstring(tif.ome_metadata)
        pixels = [node for node in root.iter() if node.tag.endswith("Pixels")]
        texts |= pixels[min(number, len(pixels) - 1)].attrib if pixels else {}
    kept = ("unit", "spacing")
    return {k: v for k, v in texts.items() if k in kept or k.startswith("PhysicalSize")}


def _inverted(picture: Picture, bits: int) -> Picture:
    if picture.array.dtype.kind not in "ub":
        raise BadImage(
            f"{picture.path} says that its smallest value is white, which is only clear for "
            f"unsigned integers, not for {picture.array.dtype}. Save it with 0 as black."
        )
    largest = True if picture.array.dtype.kind == "b" else 2**bits - 1
    array = np.bitwise_xor(picture.array, np.asarray(largest, picture.array.dtype))
    note = "inverted, as it says that its smallest value is white"
    return replace(picture, array=array, notes=(*picture.notes, note))


def write_tiff(
    path: Path,
    array: Array,
    axes: str,
    tags: Mapping[str, Any],
    times: Sequence[float] = (),
    *,
    alpha: bool = False,
) -> None:
    """Write one frame with these axes, or with one axis more several, as 32-bit TIFF.

    The times are stored in the JSON of the image description, the last channel as `alpha`.
    """
    import tifffile

    from skimage_tvflow import __version__

    stamps = {"times": [float(t) for t in times]} if len(times) else {}
    if array.ndim > len(axes):
        # A time series has its T already; then the flow's own axis takes another free letter.
        axes = next(letter for letter in "TQRHLEAPVI" if letter not in axes) + axes
    if array.ndim == 1:  # a signal, as NumPy saves it: TIFF has no images of one axis
        array, axes = array[np.newaxis], "Y" + axes
    colour = axes[-1:] == "S" and array.shape[-1] in (3, 4)
    if not colour and not alpha:
        axes = axes.replace("S", "C")
    tifffile.imwrite(
        path,
        np.asarray(array, dtype=np.float32),
        photometric="rgb" if colour else "minisblack",
        planarconfig="contig" if alpha else None,
        extrasamples=["unassalpha"] if alpha else None,
        resolution=tags.get("resolution"),
        resolutionunit=tags.get("resolutionunit"),
        software=f"skimage-tvflow {__version__}",
        metadata={"axes": axes, **stamps, **tags.get("metadata", {})},
        ome=False,  # or a name ending in .ome.tif would decide the format
    )
