"""Small widgets that Qt does not have."""

import math
from collections.abc import Iterable

from qtpy.QtCore import QEvent, QLocale, QObject, QSize, Qt
from qtpy.QtGui import QColor, QDoubleValidator, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_tvflow.model.time_scale import STEPS, TimeScale, number


class PositiveSpinBox(QDoubleSpinBox):
    """A number >= 0 of any size, shown with three digits; a step changes it by a tenth."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(12)
        self.setRange(0, 1e12)
        self.setKeyboardTracking(False)
        self.setButtonSymbols(QDoubleSpinBox.NoButtons)  # the wheel and the arrow keys step, too
        self.setLocale(QLocale.c())
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)

    def textFromValue(self, value: float) -> str:
        """
        Write the value.

        Parameters
        ----------
        value : float
            The value.

        Returns
        -------
        str
            With three digits.
        """
        return number(value)

    def sizeHint(self) -> QSize:
        """
        Ask for room for a dozen characters, not for twelve decimals.

        Returns
        -------
        QSize
            The size.
        """
        return QSize(self.fontMetrics().horizontalAdvance("0") * 10, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """
        Ask for the same room at least.

        Returns
        -------
        QSize
            The size.
        """
        return self.sizeHint()

    def stepBy(self, steps: int) -> None:
        """
        Multiply the value.

        Parameters
        ----------
        steps : int
            How many tenths up or down.
        """
        self.setValue((self.value() or 1e-6) * 1.1**steps)

    def validate(self, text: str, position: int) -> tuple[object, str, int]:
        """
        Accept every way to write a number, exponents included.

        Parameters
        ----------
        text : str
            What is typed.
        position : int
            Where the cursor is.

        Returns
        -------
        tuple
            State, text and position, as Qt wants it.
        """
        checker = QDoubleValidator(0.0, 1e12, 12)
        checker.setLocale(QLocale.c())
        return checker.validate(text, position)


class ReachLine(QWidget):
    """A thin line under the slider of t: how far the draft and the refined space have got."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(5)
        self._parts = (0.0, 0.0)
        self._colors = (QColor("#777777"), QColor("#4caf50"))

    def set_reach(self, scale: TimeScale | None, drafted: float, refined: float) -> None:
        """
        Show how far the space has got.

        Parameters
        ----------
        scale : TimeScale or None
            The range of t.
        drafted, refined : float
            Times up to which it is drafted and refined.
        """
        ends = (drafted, refined)
        parts = (0.0, 0.0) if scale is None else tuple(scale.position(t) / STEPS for t in ends)
        if not math.isclose(sum(parts), sum(self._parts), abs_tol=1e-4):
            self._parts = (parts[0], parts[1])
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """
        Draw the line.

        Parameters
        ----------
        event : QPaintEvent
            The event.
        """
        painter = QPainter(self)
        margin = 6  # the handle of the slider does not reach the ends
        room = self.width() - 2 * margin
        for part, color in zip(self._parts, self._colors):
            painter.fillRect(margin, 1, round(room * part), 3, color)
        painter.end()


class TallArea(QScrollArea):
    """
    Scrolls up and down only, and is never narrower than its content.

    Parameters
    ----------
    content : QWidget
        What it shows.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        content.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """
        See when the content needs another width, as after a change of the theme.

        Parameters
        ----------
        watched : QObject
            The content.
        event : QEvent
            The event.

        Returns
        -------
        bool
            False: the content gets it, too.
        """
        if event.type() == QEvent.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def minimumSizeHint(self) -> QSize:
        """
        Ask for the width of the content.

        Returns
        -------
        QSize
            The size.
        """
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(self.widget().minimumSizeHint().width() + bar, 100)

    def sizeHint(self) -> QSize:
        """
        Ask for the size of the content.

        Returns
        -------
        QSize
            The size.
        """
        return QSize(self.minimumSizeHint().width(), self.widget().sizeHint().height())


class Fold(QWidget):
    """
    A heading that shows and hides what is below it.

    Parameters
    ----------
    title : str
        The heading.
    content : iterable of QWidget
        What is below it.
    """

    def __init__(self, title: str, content: Iterable[QWidget]) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.RightArrow)
        self._content = QWidget()
        inside = QVBoxLayout(self._content)
        inside.setContentsMargins(8, 0, 0, 0)
        for widget in content:
            inside.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self._content)
        self._content.hide()
        self.button.toggled.connect(self._on_toggled)

    def _on_toggled(self, is_open: bool) -> None:
        self._content.setVisible(is_open)
        self.button.setArrowType(Qt.DownArrow if is_open else Qt.RightArrow)
