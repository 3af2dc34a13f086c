"""How the plot of the spectrum is drawn, in the colours of napari's theme."""

from dataclasses import dataclass

import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPen, QPolygonF

from napari_tvflow.model.bands import Band
from napari_tvflow.model.plot_scale import PlotScale

LEFT, RIGHT, TOP, BOTTOM = 24, 14, 22, 40


@dataclass(frozen=True)
class Colors:
    """
    Colours of the plot.

    Attributes
    ----------
    ground, text, grid, curve, cursor : QColor
        What they are for.
    """

    ground: QColor
    text: QColor
    grid: QColor
    curve: QColor
    cursor: QColor

    @classmethod
    def of_theme(cls, name: str) -> "Colors":
        """
        Take the colours of a theme.

        Parameters
        ----------
        name : str
            Name of the theme.

        Returns
        -------
        Colors
            Its colours.
        """
        theme = get_theme(name)
        take = {key: QColor(*getattr(theme, key).as_rgb_tuple()[:3]) for key in
                ("background", "text", "primary", "icon")}  # fmt: skip
        warm = QColor("#ffb000") if take["background"].lightness() < 128 else QColor("#b05a00")
        return cls(take["background"], take["text"], take["primary"], take["icon"], warm)


class PlotPainter:
    """
    Draws one picture of the plot.

    Parameters
    ----------
    painter : QPainter
        Draws on the widget.
    colors : Colors
        The colours.
    scale : PlotScale
        The axis of t.
    height : int
        Height of the widget.
    """

    def __init__(self, painter: QPainter, colors: Colors, scale: PlotScale, height: int) -> None:
        self._p, self._colors, self._scale = painter, colors, scale
        self._floor = height - BOTTOM
        self._metrics = QFontMetrics(painter.font())
        painter.setRenderHint(QPainter.Antialiasing)

    def axes(self, time_of_one: float) -> None:
        """
        Draw the axes: t below, and the radius of discs that vanish at t above.

        Parameters
        ----------
        time_of_one : float
            The time of a disc with a radius of one pixel; 0 where the contrast is unknown.
        """
        scale, p = self._scale, self._p
        for t in scale.ticks():
            x = scale.x(t)
            p.setPen(QPen(self._colors.grid, 1))
            p.drawLine(QPointF(x, TOP), QPointF(x, self._floor))
            self._text(x, self._floor + 21, f"{t:g}")
        for radius, t in scale.radius_ticks(time_of_one) if time_of_one > 0 else ():
            self._text(scale.x(t), TOP - 7, f"{radius:g} px")
        p.setPen(QPen(self._colors.text, 1))
        p.drawLine(QPointF(scale.left, self._floor), QPointF(scale.right, self._floor))
        middle = (scale.left + scale.right) / 2
        self._text(middle, self._floor + 36, "t (values x pixels)")
        p.save()
        p.translate(14, (TOP + self._floor) / 2)
        p.rotate(-90)
        self._text(0, 0, "t S(t), root scale")
        p.restore()

    def curve(self, times: np.ndarray, heights: np.ndarray) -> None:
        """
        Draw the spectrum.

        The last structure of a photograph would dwarf all others: heights are drawn as their roots.

        Parameters
        ----------
        times, heights : numpy.ndarray
            Times, and t S(t).
        """
        heights = np.sqrt(heights)
        most = float(heights.max()) or 1.0
        room = 0.94 * (self._floor - TOP)
        points = [QPointF(self._scale.x(t), self._floor - room * h / most)
                  for t, h in zip(times.tolist(), heights.tolist())]  # fmt: skip
        shape = QPolygonF([
            QPointF(points[0].x(), self._floor), *points, QPointF(points[-1].x(), self._floor)
        ])  # fmt: skip
        fill = QColor(self._colors.curve)
        fill.setAlpha(60)
        self._p.setPen(Qt.NoPen)
        self._p.setBrush(fill)
        self._p.drawPolygon(shape)
        self._p.setBrush(Qt.NoBrush)
        self._p.setPen(QPen(self._colors.curve, 1.6))
        self._p.drawPolyline(QPolygonF(points))

    def band(self, band: Band, selected: bool, level: int) -> None:
        """
        Draw a band with its name; one that is removed is hatched.

        Parameters
        ----------
        band : Band
            The band.
        selected : bool
            Whether it was touched last.
        level : int
            The line of its name, counted from the top.
        """
        x1, x2 = self._scale.x(band.t1), self._scale.x(band.t2)
        color = QColor(band.color)
        ground = QColor(color)
        ground.setAlpha(90 if selected else 55)
        area = QRectF(x1, TOP, x2 - x1, self._floor - TOP)
        self._p.fillRect(area, ground)
        if not band.keep:
            hatched = QColor(color)
            hatched.setAlpha(150)
            self._p.fillRect(area, QBrush(hatched, Qt.BDiagPattern))
        self._p.setPen(QPen(color, 3 if selected else 1.5))
        self._p.drawLine(QPointF(x1, TOP), QPointF(x1, self._floor))
        self._p.drawLine(QPointF(x2, TOP), QPointF(x2, self._floor))
        room = max(int(x2 - x1) - 4, 0)
        short = self._metrics.elidedText(band.name, Qt.ElideRight, room)
        if room > 14:
            y = TOP + 3 + (level + 1) * self._metrics.height()
            self._p.setPen(self._colors.text)
            self._p.drawText(QPointF(x1 + 3, y), short)

    def cursor(self, t: float) -> None:
        """
        Draw t as a line with a handle.

        Parameters
        ----------
        t : float
            The time.
        """
        x = self._scale.x(t)
        self._p.setPen(QPen(self._colors.cursor, 2))
        self._p.drawLine(QPointF(x, TOP), QPointF(x, self._floor))
        self._p.setBrush(self._colors.cursor)
        corners = [QPointF(x - 6, self._floor + 9), QPointF(x + 6, self._floor + 9),
                   QPointF(x, self._floor)]  # fmt: skip
        self._p.drawPolygon(QPolygonF(corners))

    def message(self, text: str, width: int) -> None:
        """
        Write one sentence in the middle of the plot.

        Parameters
        ----------
        text : str
            The sentence.
        width : int
            Width of the widget.
        """
        self._p.setPen(self._colors.text)
        area = QRectF(LEFT, TOP, width - LEFT - RIGHT, self._floor - TOP)
        self._p.drawText(area, int(Qt.AlignCenter | Qt.TextWordWrap), text)

    def _text(self, x: float, y: float, text: str) -> None:
        """Write a label around a point, but within the widget."""
        half = self._metrics.horizontalAdvance(text) / 2
        x = min(x, self._scale.right + RIGHT - half - 2)
        self._p.setPen(self._colors.text)
        self._p.drawText(QPointF(x - half, y), text)
