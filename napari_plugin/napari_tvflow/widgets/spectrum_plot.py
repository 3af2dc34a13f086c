"""The plot of the spectrum, t S(t) over log t, on which bands are drawn with the mouse."""

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QMenu, QSizePolicy, QWidget

from napari_tvflow.model.plot_scale import PlotScale
from napari_tvflow.model.session import Session
from napari_tvflow.widgets.plot_mouse import PlotMouse
from napari_tvflow.widgets.plot_painter import BOTTOM, LEFT, RIGHT, Colors, PlotPainter


class SpectrumPlot(QWidget):
    """
    Shows the spectrum of the visible slice, the bands and t.

    Parameters
    ----------
    session : Session
        The session.
    """

    selected = Signal(str)
    rename = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.mouse = PlotMouse(session)
        self._colors = Colors.of_theme(session.viewer.theme)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.StrongFocus)
        self.setMinimumSize(260, 130)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
        self.setToolTip(
            "Drag to draw a band; drag its edges or its middle to change it; double-click to name "
            "it; right-click for more. Drag the pointer below to choose t."
        )
        session.viewer.events.theme.connect(self._on_theme)

    def scale(self) -> PlotScale | None:
        """
        Return the axis of t.

        Returns
        -------
        PlotScale or None
            None as long as the range of t is not known.
        """
        scale = self._session.scale
        if scale is None or self._session.source is None:
            return None
        return PlotScale(LEFT, self.width() - RIGHT, scale.first, scale.extinction)

    def leave(self) -> None:
        """Disconnect from the viewer."""
        self._session.viewer.events.theme.disconnect(self._on_theme)

    def sizeHint(self) -> QSize:
        """
        Ask for room.

        Returns
        -------
        QSize
            The size.
        """
        return QSize(560, 190)

    def paintEvent(self, event: QPaintEvent) -> None:
        """
        Draw the plot.

        Parameters
        ----------
        event : QPaintEvent
            The event.
        """
        session, scale = self._session, self.scale()
        source = session.source
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._colors.ground)
        # Without a range there is only room for a sentence.
        place = scale or PlotScale(LEFT, self.width() - RIGHT, 1.0, 10.0)
        draw = PlotPainter(painter, self._colors, place, self.height())
        entry = session.entry
        if session.problem or scale is None or source is None:
            draw.message(session.problem or "Computing the spectrum ...", self.width())
        else:
            contrast = 0.0 if entry is None else entry.contrast
            draw.axes(contrast / source.n_spatial)
            if entry is not None and entry.spectrum is not None:
                draw.curve(*entry.spectrum)
            for k, band in enumerate(session.bands):
                draw.band(band, band.identifier == self.mouse.selected, k % 3)
            draw.cursor(session.t)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """
        Begin to draw, move or resize.

        Parameters
        ----------
        event : QMouseEvent
            The event.
        """
        scale = self.scale()
        if scale is not None and event.button() == Qt.LeftButton and not self._session.problem:
            self.mouse.press(scale, event.position().x(), self._is_below(event))
            self.selected.emit(self.mouse.selected)
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """
        Go on with a drag, or show what a press would do.

        Parameters
        ----------
        event : QMouseEvent
            The event.
        """
        scale = self.scale()
        if scale is None:
            return
        if self.mouse.is_dragging:
            before = self.mouse.selected
            self.mouse.move(scale, event.position().x())
            if self.mouse.selected != before:
                self.selected.emit(self.mouse.selected)
        else:
            self.setCursor(self.mouse.shape(scale, event.position().x(), self._is_below(event)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """
        End a drag.

        Parameters
        ----------
        event : QMouseEvent
            The event.
        """
        self.mouse.release()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """
        Name a band.

        Parameters
        ----------
        event : QMouseEvent
            The event.
        """
        if self.mouse.selected:
            self.rename.emit(self.mouse.selected)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """
        Offer what can be done with the band under the mouse.

        Parameters
        ----------
        event : QContextMenuEvent
            The event.
        """
        scale = self.scale()
        band = None if scale is None else self.mouse.point_at(scale, event.pos().x())
        if band is None:
            return
        self.selected.emit(band.identifier)
        menu = QMenu(self)
        menu.setAttribute(Qt.WA_DeleteOnClose)
        menu.addAction("Name ...", self._on_name)
        menu.addAction("Show the rest" if band.keep else "Show the band", self._on_turn)
        menu.addAction("Delete", self._on_delete)
        menu.popup(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """
        Delete the selected band.

        Parameters
        ----------
        event : QKeyEvent
            The event.
        """
        if event.key() in (Qt.Key_Delete, Qt.Key_Backspace) and self.mouse.selected:
            self._on_delete()
        else:
            super().keyPressEvent(event)

    def _on_name(self) -> None:
        self.rename.emit(self.mouse.selected)

    def _on_turn(self) -> None:
        row = self._session.bands.row(self.mouse.selected)
        if row is not None:
            band = self._session.bands[row]
            self._session.bands.replace(band.change(keep=not band.keep))

    def _on_delete(self) -> None:
        self._session.bands.remove(self.mouse.selected)

    def _is_below(self, event: QMouseEvent) -> bool:
        return bool(event.position().y() > self.height() - BOTTOM)

    def _on_theme(self) -> None:
        self._colors = Colors.of_theme(self._session.viewer.theme)
        self.update()
