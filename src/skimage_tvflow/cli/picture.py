"""An image as it is in its file: values, axes, size of the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Picture:
    """The values of an image file, and what the file says about them."""

    path: Path
    array: Array  # in the file's own type and range, without alpha
    axes: (
        str  # a letter for each axis as in TIFF: Y X, Z depth, T time, S or C channels, Q or I any
    )
    alpha: Array | None = None  # as array, with a last axis of length 1 for the channels
    spacing: Mapping[str, float] = field(default_factory=dict)  # from letters of axes
    unit: str = ""  # of the spacing
    tags: Mapping[str, Any] = field(default_factory=dict)  # pixel sizes for tifffile.imwrite
    notes: tuple[str, ...] = ()  # what reading has changed, for people

    def split_alpha(self) -> Picture:
        """Return the picture with its last sample as alpha, which is not to be smoothed."""
        array = np.moveaxis(self.array, self.axes.index("S"), -1)
        colour, alpha = array[..., :-1], array[..., -1:]
        axes = self.axes.replace("S", "") + "S"
        if colour.shape[-1] == 1:
            colour, axes = colour[..., 0], axes[:-1]
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

    def upright(self, orientation: int) -> Picture:
        """Return the picture turned as the EXIF orientation, 1 to 8, of its file says."""
        if orientation not in range(2, 9):
            return self
        y, x = self.axes.index("Y"), self.axes.index("X")
        array, alpha, spacing, tags = self.array, self.alpha, dict(self.spacing), dict(self.tags)
        if orientation >= 5:
            array = array.swapaxes(y, x)
            alpha = None if alpha is None else alpha.swapaxes(y, x)
            if {"Y", "X"} <= spacing.keys():
                spacing |= {"Y": spacing["X"], "X": spacing["Y"]}
            if tags.get("resolution"):
                tags["resolution"] = tags["resolution"][::-1]
        turned = tuple(
            axis for axis, which in ((x, (2, 3, 6, 7)), (y, (3, 4, 7, 8))) if orientation in which
        )
        note = "turned upright, as its EXIF orientation says"
        return replace(
            self,
            array=np.flip(array, turned),
            alpha=None if alpha is None else np.flip(alpha, turned),
            spacing=spacing,
            tags=tags,
            notes=(*self.notes, note),
        )
