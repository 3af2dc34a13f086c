"""The bands of a spectrum: what the user has drawn or typed."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from psygnal import Signal

# Easy to tell apart on dark and on light ground, also for colour-blind eyes.
COLORS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#0072b2", "#d55e00", "#b8a300", "#8e6fd8")
_identifiers = itertools.count(1)


@dataclass(frozen=True)
class Band:
    """
    Structures that vanish from `t1` on and before `t2`.

    Attributes
    ----------
    name : str
        Name of the band and of its layer.
    t1, t2 : float
        0 <= t1 < t2; t2 may be infinite, and the band then holds the mean, too.
    keep : bool
        True shows the band alone, False the image without it.
    color : str
        Its colour in the plot and in the table.
    identifier : str
        Tells it from other bands; not saved.
    """

    name: str
    t1: float
    t2: float
    keep: bool = True
    color: str = COLORS[0]
    identifier: str = field(default_factory=lambda: f"band {next(_identifiers)}", compare=False)

    def __post_init__(self) -> None:
        if not (0 <= self.t1 < self.t2):
            raise ValueError(
                f"A band needs 0 <= t1 < t2, got t1={self.t1:g} and t2={self.t2:g}: type the "
                "smaller time first."
            )

    def change(self, **values: object) -> Band:
        """
        Change some of its fields.

        Parameters
        ----------
        **values : dict
            New values.

        Returns
        -------
        Band
            A band with the same identifier.
        """
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]

    @property
    def is_symmetric(self) -> bool:
        """Whether its values lie around 0: it holds neither the mean nor the whole image."""
        return self.keep and math.isfinite(self.t2)


class BandTable:
    """
    The bands in the order of the table.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted after every change.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._bands: list[Band] = []

    def __len__(self) -> int:
        return len(self._bands)

    def __iter__(self) -> Iterator[Band]:
        return iter(tuple(self._bands))

    def __getitem__(self, row: int) -> Band:
        return self._bands[row]

    def row(self, identifier: str) -> int | None:
        """
        Find a band.

        Parameters
        ----------
        identifier : str
            Which one.

        Returns
        -------
        int or None
            Its row; None if it was deleted.
        """
        rows = (row for row, band in enumerate(self._bands) if band.identifier == identifier)
        return next(rows, None)

    def add(self, t1: float, t2: float, name: str = "", keep: bool = True) -> Band:
        """
        Add a band with the next free colour.

        Parameters
        ----------
        t1, t2 : float
            Its ends, in any order.
        name : str, optional
            Its name, "band 1" and so on by default.
        keep : bool, optional
            Whether to show the band, or the image without it.

        Returns
        -------
        Band
            The band.
        """
        used = [band.color for band in self._bands]
        color = min(COLORS, key=used.count)
        names = {band.name for band in self._bands}
        free = next(f"band {k}" for k in itertools.count(1) if f"band {k}" not in names)
        band = Band(name or free, min(t1, t2), max(t1, t2), keep, color)
        self._bands.append(band)
        self.changed.emit()
        return band

    def replace(self, band: Band) -> None:
        """
        Put a changed band in the place of the one with its identifier.

        Parameters
        ----------
        band : Band
            The new one; nothing happens if the old one was deleted.
        """
        row = self.row(band.identifier)
        if row is not None and self._bands[row] != band:
            self._bands[row] = band
            self.changed.emit()

    def remove(self, identifier: str) -> None:
        """
        Delete a band.

        Parameters
        ----------
        identifier : str
            Which one; nothing happens if it was deleted before.
        """
        row = self.row(identifier)
        if row is not None:
            del self._bands[row]
            self.changed.emit()

    def reset(self, bands: Iterable[Band] = ()) -> None:
        """
        Put other bands in the place of all.

        Parameters
        ----------
        bands : iterable of Band, optional
            The new ones.
        """
        self._bands = list(bands)
        self.changed.emit()
