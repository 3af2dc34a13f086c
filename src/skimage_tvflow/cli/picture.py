"""An image as it is in its file, and which of its axes is which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.program import BadImage, refuse

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Picture:
    """The values of an image file, and what the file says about them."""

    array: Array  # in the file's own type and range
    axes: str  # as in TIFF: Y, X, Z depth, T time, S or C channels, Q or I unknown
    alpha: Array | None = None  # as array, with a last axis of length 1 for the channels
    spacing: Mapping[str, float] = field(default_factory=dict)  # from letters of axes
    unit: str = "um"  # of the spacing
    tags: Mapping[str, Any] = field(default_factory=dict)  # pixel sizes for tifffile.imwrite
    notes: tuple[str, ...] = ()  # what reading has changed, for people

    @property
    def physical(self) -> Mapping[str, float]:
        """The pixel sizes in um, if the file states them for both axes of its pictures."""
        known = self.unit == "um" and {"X", "Y"} <= set(self.spacing)
        return self.spacing if known else {}

    def upright(self, orientation: int) -> Picture:
        """Return the picture turned as the EXIF orientation, 1 to 8, of its file says."""
        if orientation not in range(2, 9) or not {"Y", "X"} <= set(self.axes):
            return self
        y, x = self.axes.index("Y"), self.axes.index("X")
        array, spacing, tags = self.array, dict(self.spacing), dict(self.tags)
        if orientation >= 5:
            array = array.swapaxes(y, x)
            spacing |= {a: spacing[b] for a, b in ("YX", "XY") if b in spacing}
            if "resolution" in tags:
                tags["resolution"] = tags["resolution"][::-1]
        flipped = (y,) * (orientation in (3, 4, 7, 8)) + (x,) * (orientation in (2, 3, 6, 7))
        notes = (*self.notes, "turned upright, as its EXIF orientation says")
        turned = np.flip(array, flipped)
        return replace(self, array=turned, spacing=spacing, tags=tags, notes=notes)

    def split_alpha(self) -> Picture:
        """Return the picture with its last sample as alpha, which is not to be smoothed."""
        array = np.moveaxis(self.array, self.axes.index("S"), -1)
        colour, alpha, axes = array[..., :-1], array[..., -1:], self.axes.replace("S", "")
        colour, axes = (colour[..., 0], axes) if colour.shape[-1] == 1 else (colour, axes + "S")
        note = "its alpha channel is not smoothed: images keep it as it is, bands are without it"
        return replace(self, array=colour, axes=axes, alpha=alpha, notes=(*self.notes, note))

    def join_alpha(self, frames: Array, scale: float) -> tuple[Array, str]:
        """Return frames with the alpha of the picture, times `scale`, and the axes of one frame."""
        if self.alpha is None:
            return frames, self.axes
        grey = not self.axes.endswith("S")
        colour = frames[..., np.newaxis] if grey else frames
        alpha = np.broadcast_to(self.alpha * scale, (*colour.shape[:-1], 1)).astype(frames.dtype)
        return np.concatenate([colour, alpha], axis=-1), self.axes + "S" * grey


def choose_axes(picture: Picture, options: Options) -> tuple[dict[str, Any], list[str]]:
    """Return the keywords of the library about axes, and notes on what the file decided."""
    notes, letters, shape = list(picture.notes), picture.axes, picture.array.shape
    channel, batch = options.channel_axis, options.batch_axis
    if channel is None:
        asked = None if batch is None else batch % len(shape)
        known = [k for k, letter in enumerate(letters) if letter in "SC" and k != asked]
        choice = " or ".join(f"--channel-axis {k}" for k in known)
        two = f"has two axes of channels ({letters}, shape {shape}). Type {choice}."
        refuse({two: len(known) > 1}, BadImage)
        channel = known[0] if known else None
        notes += [f"axis {k} holds {shape[k]} channels; --channel-axis overrides" for k in known]
    channel = None if channel == "none" else channel
    stacked = batch is None and not options.volume and len(shape) > 2
    if stacked and "T" in letters and channel != letters.index("T"):
        batch = letters.index("T")
        notes.append(
            f"axis {batch} holds {shape[batch]} times, which are computed as independent images; "
            "--volume makes it a spatial axis"
        )
    elif stacked and letters[0] in "QI" and picture.tags:
        notes.append(
            f"its {shape[0]} pages are taken as one volume; --batch-axis 0 takes them as "
            "independent images, --volume confirms this"
        )
    taken = {axis % len(shape) for axis in (channel, batch) if axis is not None}
    spatial = [letter for axis, letter in enumerate(letters) if axis not in taken]
    spacing = options.spacing
    given = {
        "channel_axis": channel,
        "batch_axis": batch,
        "spacing": _spacing_of_file(picture, spatial, notes) if spacing is None else spacing,
        "device": options.device,
        "coupled_channels": options.coupled_channels or None,
    }
    return {name: value for name, value in given.items() if value is not None}, notes


def _spacing_of_file(
    picture: Picture, letters: list[str], notes: list[str]
) -> tuple[float, ...] | None:
    """Return what the file says of the spatial axes, if it says it of all; add a note."""
    missing = ", ".join(letter for letter in letters if letter not in picture.spacing)
    if picture.spacing and missing:
        notes.append(f"its pixel sizes are not used: there is none for axis {missing}")
    if missing or not picture.spacing:
        return None
    spacing = tuple(float(f"{picture.spacing[letter]:.6g}") for letter in letters)
    notes.append(
        f"spacing {', '.join(f'{h:g}' for h in spacing)} {picture.unit} from the file, so times "
        f"are in values x {picture.unit}; --spacing overrides, --spacing 1 is pixels"
    )
    return spacing
