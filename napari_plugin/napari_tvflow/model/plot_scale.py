"""Where times lie in the plot of the spectrum, and what is under the mouse."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from napari_tvflow.model.bands import Band

# How near, in pixels of the screen, the mouse must be to an edge or to the cursor.
_NEAR = 5.0
# Labels at this distance do not touch each other.
_LABEL_ROOM = 46.0
# A band that was drawn narrower than this is a click.
NARROWEST = 4.0


@dataclass(frozen=True)
class Hit:
    """
    What is under the mouse.

    Attributes
    ----------
    part : {"cursor", "t1", "t2", "inside", "nothing"}
        The cursor of t, an edge of a band, its inside, or none of them.
    band : str
        Identifier of the band; empty for the cursor and for nothing.
    """

    part: str
    band: str = ""


@dataclass(frozen=True)
class PlotScale:
    """
    A logarithmic axis of t.

    Attributes
    ----------
    left, right : float
        Pixels of the screen at the first and the last time.
    first, last : float
        These times, above 0.
    """

    left: float
    right: float
    first: float
    last: float

    def x(self, t: float) -> float:
        """
        Find a time in the plot.

        Parameters
        ----------
        t : float
            The time; 0 and infinity are at the ends.

        Returns
        -------
        float
            Its pixel.
        """
        if t <= self.first:
            return self.left
        if t >= self.last:
            return self.right
        part = math.log(t / self.first) / math.log(self.last / self.first)
        return self.left + part * (self.right - self.left)

    def t(self, x: float) -> float:
        """
        Find the time of a pixel.

        Parameters
        ----------
        x : float
            The pixel; the ends of the plot stand for 0 and infinity.

        Returns
        -------
        float
            The time.
        """
        if x <= self.left:
            return 0.0
        if x >= self.right:
            return math.inf
        part = (x - self.left) / (self.right - self.left)
        return self.first * (self.last / self.first) ** part

    def ticks(self) -> list[float]:
        """
        Choose times for labels.

        Returns
        -------
        list of float
            Powers of ten.
        """
        low, high = math.ceil(math.log10(self.first)), math.floor(math.log10(self.last))
        return [10.0**k for k in range(low, high + 1)]

    def radius_ticks(self, time_of_one: float) -> list[tuple[float, float]]:
        """
        Choose radii for labels.

        Parameters
        ----------
        time_of_one : float
            The time at which a disc with a radius of one pixel has vanished.

        Returns
        -------
        list of tuple
            Radii 1, 2, 5, 10, ... that lie in the plot at some distance from each other, and
            their times. Discs smaller than a pixel do not exist.
        """
        found: list[tuple[float, float]] = []
        for k in range(6):
            for digit in (1, 2, 5):
                radius = digit * 10.0**k
                t = radius * time_of_one
                far = not found or self.x(t) - self.x(found[-1][1]) > _LABEL_ROOM
                if self.first < t < self.last and far:
                    found.append((radius, t))
        return found

    def hit(self, x: float, bands: Iterable[Band], t: float, selected: str = "") -> Hit:
        """
        Find what is under the mouse.

        Parameters
        ----------
        x : float
            Where the mouse is.
        bands : iterable of Band
            The bands, from back to front.
        t : float
            The cursor.
        selected : str, optional
            A band that goes before all others.

        Returns
        -------
        Hit
            Edges of bands first, then the cursor, then what is inside of bands.
        """
        front = sorted(bands, key=lambda band: band.identifier == selected)[::-1]
        for band in front:
            distances = {part: abs(x - self.x(getattr(band, part))) for part in ("t1", "t2")}
            part = min(distances, key=distances.__getitem__)
            if distances[part] <= _NEAR:
                return Hit(part, band.identifier)
        if abs(x - self.x(t)) <= _NEAR:
            return Hit("cursor")
        for band in front:
            if self.x(band.t1) < x < self.x(band.t2):
                return Hit("inside", band.identifier)
        return Hit("nothing")

    def moved(self, band: Band, part: str, start: float, x: float) -> Band:
        """
        Drag a band.

        Parameters
        ----------
        band : Band
            The band as it was at the press of the mouse.
        part : {"t1", "t2", "inside"}
            What is dragged.
        start, x : float
            Where the mouse was pressed, and where it is.

        Returns
        -------
        Band
            The new band, at least as wide as a click.
        """
        x1, x2 = self.x(band.t1), self.x(band.t2)
        if part == "t1":
            return band.change(t1=self.t(min(x, x2 - NARROWEST)))
        if part == "t2":
            return band.change(t2=self.t(max(x, x1 + NARROWEST)))
        width = x2 - x1
        x1 = min(max(x1 + x - start, self.left), self.right - width)
        # An end at the edge of the plot stays 0 or infinite only if it touches the edge again.
        return band.change(t1=self.t(x1), t2=self.t(x1 + width))
