"""TIFF in and out: axes, resolution and units are kept, the times are stored beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class TiffTags:
    """What a TIFF says about the size of its pixels.

    Attributes
    ----------
    resolution : tuple of two pairs of int, or None
        Pixels per unit along X and Y, as fractions.
    unit : int or None
        TIFF's code of the unit: 1 none, 2 inch, 3 centimetre.
    metadata : dict
        Units and pixel sizes of ImageJ and OME files, which have no TIFF tag of their own.
    """

    resolution: tuple[Any, Any] | None = None
    unit: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def read_tiff(path: Path) -> tuple[Array, str, TiffTags]:
    """Read the first series of a TIFF file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    array : ndarray
        Its values.
    axes : str
        One letter per axis.
    tags : TiffTags
        Its resolution and units.
    """
    import tifffile

    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        array = series.asarray()
        tags = tif.pages.first.tags
        x, y = tags.valueof("XResolution"), tags.valueof("YResolution")
        known = x is not None and y is not None and all(x) and all(y)
        unit = tags.valueof("ResolutionUnit")
        return (
            array,
            series.axes,
            TiffTags(
                resolution=(x, y) if known else None,
                unit=int(unit) if known and unit is not None else None,
                metadata=_pixel_sizes(tif),
            ),
        )


def _pixel_sizes(tif: Any) -> dict[str, Any]:
    """Return the units and sizes that ImageJ, OME and this program keep in the description."""
    found = {**(tif.imagej_metadata or {}), **((tif.shaped_metadata or ({},))[0])}
    if tif.ome_metadata:
        root = ElementTree.fromstring(tif.ome_metadata)
        pixels = next((node for node in root.iter() if node.tag.endswith("Pixels")), None)
        found.update(pixels.attrib if pixels is not None else {})
    return {
        name: value
        for name, value in found.items()
        if name in ("unit", "spacing") or name.startswith("PhysicalSize")
    }


def write_tiff(path: Path, array: Array, axes: str, tags: TiffTags, times: Sequence[float]) -> None:
    """Write a flow as 32-bit floating-point TIFF.

    Parameters
    ----------
    path : Path
        The file to write.
    array : ndarray
        The flow at `times`: with a leading axis of times, or without it for a single time.
    axes : str
        One letter per axis of the image.
    tags : TiffTags
        Resolution and units to keep.
    times : sequence of float
        Stored as `times` in the JSON of the image description; none for what has no time.
    """
    import tifffile

    from ._info import version_of

    stamps = {"times": [float(t) for t in times]} if len(times) else {}
    if array.ndim > len(axes):
        # A time series has its T already; then the flow's own axis takes another free letter.
        axes = next(letter for letter in "TQRHLEAPVI" if letter not in axes) + axes
    if array.ndim == 1:  # a signal, as NumPy saves it: TIFF has no images of one axis
        array, axes = array[np.newaxis], "Y" + axes
    colour = axes[-1:] == "S" and array.shape[-1] in (3, 4)
    if not colour:
        axes = axes.replace("S", "C")
    tifffile.imwrite(
        path,
        np.asarray(array, dtype=np.float32),
        photometric="rgb" if colour else "minisblack",
        resolution=tags.resolution,
        resolutionunit=tags.unit,
        software=f"skimage-tvflow {version_of('skimage-tvflow')}",
        metadata={"axes": axes, **stamps, **tags.metadata},
        ome=False,  # or a name ending in .ome.tif would decide the format
    )
