"""The mouse on the plot: draws, moves and resizes bands, and drags the cursor of t."""

from typing import Any

from qtpy.QtCore import Qt

from napari_tvflow.model.bands import Band
from napari_tvflow.model.plot_scale import NARROWEST, Hit, PlotScale
from napari_tvflow.model.session import Session

_SHAPES = {
    "cursor": Qt.SplitHCursor,
    "t1": Qt.SizeHorCursor,
    "t2": Qt.SizeHorCursor,
    "inside": Qt.OpenHandCursor,
    "nothing": Qt.CrossCursor,
}


class PlotMouse:
    """
    One drag after the other, from press to release.

    Parameters
    ----------
    session : Session
        The session, whose bands and t are changed.

    Attributes
    ----------
    selected : str
        Identifier of the band that was touched last.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._hit: Hit | None = None
        self._start = 0.0
        self._band: Band | None = None
        self.selected = ""

    def shape(self, scale: PlotScale, x: float, below: bool) -> Any:
        """
        Choose the shape of the mouse's arrow.

        Parameters
        ----------
        scale : PlotScale
            The axis of t.
        x : float
            Where the mouse is.
        below : bool
            Whether it is below the plot, where t is chosen.

        Returns
        -------
        Qt.CursorShape
            The shape.
        """
        return _SHAPES["cursor" if below else self._find(scale, x).part]

    def press(self, scale: PlotScale, x: float, below: bool) -> None:
        """
        Begin a drag.

        Parameters
        ----------
        scale : PlotScale
            The axis of t.
        x : float
            Where the mouse is.
        below : bool
            Whether it is below the plot.
        """
        self._hit = Hit("cursor") if below else self._find(scale, x)
        self._start, self._band = x, None
        row = self._session.bands.row(self._hit.band)
        if row is not None:
            self._band = self._session.bands[row]
        self.selected = self._hit.band
        if below:
            self.move(scale, x)

    def move(self, scale: PlotScale, x: float) -> None:
        """
        Go on with a drag.

        Parameters
        ----------
        scale : PlotScale
            The axis of t.
        x : float
            Where the mouse is.
        """
        hit, bands = self._hit, self._session.bands
        if hit is None:
            return
        if hit.part == "cursor":
            self._session.set_time(min(max(scale.t(x), scale.first), scale.last))
        elif self._band is not None:
            bands.replace(scale.moved(self._band, hit.part, self._start, x))
        elif abs(x - self._start) >= NARROWEST:
            low, high = sorted((x, self._start))
            self._band = bands.add(scale.t(low), scale.t(high))
            self.selected = self._band.identifier
            # From now on the far edge follows the mouse.
            self._hit = Hit("t2" if x > self._start else "t1", self.selected)

    def point_at(self, scale: PlotScale, x: float) -> Band | None:
        """
        Select what is under the mouse, without a drag.

        Parameters
        ----------
        scale : PlotScale
            The axis of t.
        x : float
            Where the mouse is.

        Returns
        -------
        Band or None
            The band there.
        """
        self.selected = self._find(scale, x).band
        row = self._session.bands.row(self.selected)
        return None if row is None else self._session.bands[row]

    def release(self) -> None:
        """End a drag."""
        self._hit = self._band = None

    @property
    def is_dragging(self) -> bool:
        """Whether a button is down."""
        return self._hit is not None

    def _find(self, scale: PlotScale, x: float) -> Hit:
        return scale.hit(x, self._session.bands, self._session.t, self.selected)
