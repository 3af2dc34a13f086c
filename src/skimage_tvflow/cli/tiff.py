"""TIFF in and out: axes and pixel sizes are kept, the times are stored with them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from skimage_tvflow.cli.picture import Array, Picture
from skimage_tvflow.cli.program import BadImage, refuse
from skimage_tvflow.cli.report import log_to

Tags = Mapping[str, Any]
Times = Sequence[float]
_LARGEST_PIXEL = 10.0  # um, 2540 dpi: coarser resolutions say how large to print
_MICROMETRES = {2: 25400.0, 3: 10000.0}  # in TIFF's units of the resolution: inch, centimetre
_UNITS = {"nm": 1e-3, "um": 1.0, "micron": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_JPEG = (6, 7, 34892)  # compressions that tifffile decodes to RGB
_DATA_MISSING = re.compile("zeroed|out of range")  # the warnings of tifffile that matter


def read_tiff(path: Path, series: int | None) -> Picture:
    """Read one series of a TIFF file; refuse what would be read wrongly or in part."""
    import tifffile

    log = BufferingHandler(10**6)
    with log_to(log, "tifffile"), tifffile.TiffFile(path) as tif:
        ome = ElementTree.fromstring(tif.ome_metadata or "<none/>")
        n_series, number = len(tif.series), series or 0
        listed = ", ".join(f"{k} {s.axes} {s.shape} {s.dtype}" for k, s in enumerate(tif.series))
        names = {node.get("FileName") or node.get("MetadataFile") for node in ome.iter()}
        refuse(
            {
                "is one of several files that hold an OME image together. Export it into one file, "
                "with Bio-Formats for example.": len(names - {None}) > 1
                or any(node.tag.endswith("BinaryOnly") for node in ome.iter()),
                f"holds {n_series} series of images ({listed}). Type --series 0, or another number "
                "of the list.": n_series != 1 if series is None else not 0 <= series < n_series,
            },
            BadImage,
        )
        chosen = tif.series[number]
        page, array = chosen.keyframe, chosen.asarray()
        texts = {**(tif.imagej_metadata or {}), **((tif.shaped_metadata or ({},))[0])}
        pixels = [node for node in ome.iter() if node.tag.endswith("Pixels")]
        texts |= pixels[min(number, len(pixels) - 1)].attrib if pixels else {}
    for record in log.buffer:
        reason = re.sub("<[^>]*>", "", record.getMessage()).strip()
        lost = record.levelno >= logging.ERROR or _DATA_MISSING.search(reason)
        refuse({f"is damaged or incomplete ({reason}). Copy it again.": lost}, BadImage)
    picture = Picture(array, chosen.axes, **_pixel_sizes(page.tags, texts))
    picture = _as_light(tif, page, picture).upright(page.tags.valueof("Orientation", 1))
    has_alpha = "S" in picture.axes and page.extrasamples and page.extrasamples[-1] in (1, 2)
    return picture.split_alpha() if has_alpha else picture


def _as_light(tif: Any, page: Any, picture: Picture) -> Picture:
    """Return the picture with values that grow from dark to light; refuse indices and inks."""
    photometric = getattr(page.photometric, "name", str(page.photometric))
    dtype = picture.array.dtype
    if (
        photometric in ("MINISBLACK", "RGB")
        or (photometric == "YCBCR" and page.compression in _JPEG)
        or (photometric == "PALETTE" and tif.is_imagej)  # which shows grey values in colours
        or (dtype.kind == "b" and tif.is_shaped)  # tifffile's own masks, which are not inverted
    ):
        return picture
    wrong = f"stores {dtype} values as {photometric} colours. Convert it to RGB, or to grey values."
    refuse({wrong: photometric != "MINISWHITE" or dtype.kind not in "ub"}, BadImage)
    inverted = picture.array ^ dtype.type(2**page.bitspersample - 1)
    notes = (*picture.notes, "inverted, as it says that its smallest value is white")
    return replace(picture, array=inverted, notes=notes)


def _pixel_sizes(tags: Any, texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pixel sizes that a file states as physical, and what repeats them in a TIFF."""
    kept = ("unit", "spacing")  # as ImageJ, OME and this program write them
    texts = {k: v for k, v in texts.items() if k in kept or k.startswith("PhysicalSize")}
    known: dict[str, Any] = {"spacing": {}, "tags": {"metadata": texts}}
    for axis in "ZYX":
        size = float(texts.get(f"PhysicalSize{axis}", 0))
        scale = _micrometres(texts.get(f"PhysicalSize{axis}Unit", "um"))
        known["spacing"] |= {axis: size * scale} if size > 0 and scale else {}
    per_unit = [tags.valueof(name) or (0, 0) for name in ("XResolution", "YResolution")]
    if not all(all(value) for value in per_unit):
        return known
    code = int(tags.valueof("ResolutionUnit") or 2)
    known["tags"] |= {"resolution": tuple(per_unit), "resolutionunit": code}
    x, y = (denominator / numerator for numerator, denominator in per_unit)
    scale, inches = _micrometres(texts.get("unit")), _MICROMETRES.get(code, np.inf)
    if known["spacing"]:
        return known
    if scale:  # of ImageJ
        z = float(texts.get("spacing", 1))
        return known | {"spacing": {"Z": scale * z, "Y": scale * y, "X": scale * x}}
    if "unit" not in texts and max(x, y) * inches <= _LARGEST_PIXEL:
        return known | {"spacing": {"Y": y * inches, "X": x * inches}}
    # Whatever the size, pixels that are not square are not square.
    return known | {"spacing": {"Y": y / x, "X": 1.0} if x != y else {}, "unit": "pixel widths"}


def _micrometres(unit: Any) -> float | None:
    """Return how many micrometres a unit of length has."""
    plain = str(unit).replace("\\u00B5", "u").replace("µ", "u").removesuffix("s")
    return _UNITS.get(plain)


def write_tiff(
    path: Path,
    array: Array,
    axes: str,
    tags: Tags,
    times: Times = (),
    alpha: bool = False,
    spacing: Mapping[str, float] | None = None,
) -> None:
    """Write one frame with these axes, or with one axis more several, as 32-bit TIFF.

    The times are stored in the image description, the last channel as `alpha`. A physical `spacing`
    in um is written as ImageJ reads it, or as OME has it where the name says so.
    """
    import tifffile

    from skimage_tvflow import __version__

    stamps = {"times": [float(t) for t in times]} if len(times) else {}
    if array.ndim > len(axes):
        # A time series has its T already; then the flow's own axis takes another free letter.
        axes = next(letter for letter in "TQRHLEAPVI" if letter not in axes) + axes
    if array.ndim == 1:  # a signal, as NumPy saves it: TIFF has no images of one axis
        array, axes = array[np.newaxis], "Y" + axes
    if spacing and not alpha and _write_calibrated(path, array, axes, spacing, stamps):
        return
    colour = axes[-1:] == "S" and array.shape[-1] in (3, 4)
    if not colour and not alpha:
        axes = axes.replace("S", "C")
    tifffile.imwrite(
        path,
        np.asarray(array, dtype=np.float32),
        photometric="rgb" if colour else "minisblack",
        planarconfig="contig" if alpha else None,
        extrasamples=["unassalpha"] if alpha else None,
        software=f"skimage-tvflow {__version__}",
        metadata={"axes": axes, **stamps, **tags.get("metadata", {})},
        ome=False,  # or a name ending in .ome.tif would decide the format
        resolution=tags.get("resolution"),
        resolutionunit=tags.get("resolutionunit"),
    )


def _write_calibrated(
    path: Path, array: Array, axes: str, spacing: Mapping[str, float], stamps: Mapping[str, Any]
) -> bool:
    """Write a file in which ImageJ and OME find the pixel sizes, if they know all of the axes."""
    import tifffile

    ordered = [letter for letter in "TZCYX" if letter in axes.replace("S", "C")]
    if len(ordered) != len(axes) or "Y" not in axes:
        return False
    # Values of 32 bits have no colours there: these are channels.
    letters = axes.replace("S", "C")
    array = np.transpose(array, [letters.index(letter) for letter in ordered])
    values, known = np.asarray(array, dtype=np.float32), {"axes": "".join(ordered)}
    if path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        sizes = {f"PhysicalSize{axis}": size for axis, size in spacing.items()}
        units = {f"PhysicalSize{axis}Unit": "µm" for axis in spacing}
        about = {"Description": json.dumps(stamps)} if stamps else {}
        tifffile.imwrite(path, values, ome=True, metadata={**known, **sizes, **units, **about})
        return True
    z = {"spacing": spacing["Z"]} if "Z" in spacing else {}
    text = {name: json.dumps(value) for name, value in stamps.items()}
    tifffile.imwrite(
        path,
        values,
        imagej=True,
        resolution=(1 / spacing["X"], 1 / spacing["Y"]),
        metadata={**known, "unit": "um", **z, **text},
    )
    return True
