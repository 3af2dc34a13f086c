"""Bands in JSON files, and ready-made bands."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari_tvflow.model.bands import COLORS, Band

_FORMAT = "napari-tvflow bands 1"
# White noise of deviation sigma has vanished to 99 % of its energy at about this many sigma.
NOISE_TIMES = 1.5
# Radius in pixels, at the full contrast, up to which a structure counts as texture.
TEXTURE_RADIUS = 1.0
PRESETS = ("noise", "texture", "scales")


def save_bands(path: str | Path, bands: Iterable[Band]) -> None:
    """
    Write bands to a file.

    Parameters
    ----------
    path : path-like
        Its name.
    bands : iterable of Band
        The bands; an infinite t2 is written as null.
    """
    rows = [
        {
            "name": band.name,
            "t1": band.t1,
            "t2": band.t2 if math.isfinite(band.t2) else None,
            "keep": band.keep,
            "color": band.color,
        }
        for band in bands
    ]
    text = json.dumps({"format": _FORMAT, "unit": "value x pixel", "bands": rows}, indent=2)
    Path(path).write_text(text + "\n", "utf-8")


def load_bands(path: str | Path) -> list[Band]:
    """
    Read bands that `save_bands` wrote.

    Parameters
    ----------
    path : path-like
        Name of the file.

    Returns
    -------
    list of Band
        The bands.

    Raises
    ------
    ValueError
        If the file holds no bands.
    """
    try:
        content = json.loads(Path(path).read_text("utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
        return [_band(row) for row in content["bands"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{Path(path).name} holds no bands ({error}): choose a file that this dock has saved."
        ) from error


def _band(row: dict[str, Any]) -> Band:
    t2 = math.inf if row["t2"] is None else float(row["t2"])
    return Band(str(row["name"]), float(row["t1"]), t2, bool(row["keep"]), str(row["color"]))


def preset(
    name: str, *, contrast: float, sigma: float, extinction: float, n_spatial: int = 2
) -> list[Band]:
    """
    Make ready-made bands for an image.

    Parameters
    ----------
    name : {"noise", "texture", "scales"}
        "noise" is what vanishes as fast as white noise of the image's own strength, shown as the
        image without it. "texture" is finer than about two pixels at full contrast. "scales" are
        octaves of the radius of a disc of full contrast.
    contrast : float
        Contrast of the image.
    sigma : float
        Strength of its noise.
    extinction : float
        When its flow ends.
    n_spatial : int, optional
        2 for images, 3 for volumes.

    Returns
    -------
    list of Band
        The bands.
    """
    noise = min(max(NOISE_TIMES * sigma, 1e-4 * extinction), extinction / 4)
    texture = max(TEXTURE_RADIUS * contrast / n_spatial, 2 * noise)
    if name == "noise":
        return [Band("without noise", 0.0, noise, keep=False, color=COLORS[0])]
    if name == "texture":
        return [
            Band("texture", noise, texture, color=COLORS[0]),
            Band("structure", texture, math.inf, color=COLORS[1]),
        ]
    edges, radius = [0.0], 2.0
    while len(edges) < len(COLORS) and radius * contrast / n_spatial < 0.8 * extinction:
        edges.append(radius * contrast / n_spatial)
        radius *= 2
    radii = [0.0, *(2.0**k for k in range(1, len(edges)))]
    bands = [
        Band(f"{r1:g}-{r2:g} px", t1, t2, color=color)
        for t1, t2, r1, r2, color in zip(edges, edges[1:], radii, radii[1:], COLORS)
    ]
    last = f"from {radii[-1]:g} px"
    return [*bands, Band(last, edges[-1], math.inf, color=COLORS[len(bands)])]
