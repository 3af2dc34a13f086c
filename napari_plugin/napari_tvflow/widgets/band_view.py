"""The table of the bands, in which they are typed."""

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QComboBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_tvflow.model.bands import Band
from napari_tvflow.model.session import Session
from napari_tvflow.model.time_scale import number

COLOR, NAME, FROM, TO, SHOW = range(5)
_KEEP, _REMOVE = "band", "rest"


class BandView(QTableWidget):
    """
    Shows the session's bands, a row for each.

    Parameters
    ----------
    session : Session
        The session.
    """

    complained = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__(0, 5)
        self._session = session
        self.setHorizontalHeaderLabels(["", "name", "from t", "to t", "show"])
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        for column, width in ((COLOR, 26), (FROM, 62), (TO, 62), (SHOW, 80)):
            header.setSectionResizeMode(column, QHeaderView.Fixed)
            self.setColumnWidth(column, width)
        header.setSectionResizeMode(NAME, QHeaderView.Stretch)
        self.setSelectionBehavior(QAbstractItemView.SelectRows)
        self.setSelectionMode(QAbstractItemView.SingleSelection)
        self.setMinimumWidth(360)
        self.itemChanged.connect(self._on_item)
        self.cellDoubleClicked.connect(self._on_double_click)
        self.show_bands()

    def show_bands(self) -> None:
        """Show the bands as they are."""
        bands = list(self._session.bands)
        with QSignalBlocker(self):
            self.setRowCount(len(bands))
            for row, band in enumerate(bands):
                self._fill(row, band)

    def select(self, identifier: str) -> None:
        """
        Mark the row of a band.

        Parameters
        ----------
        identifier : str
            The band; an empty text marks none.
        """
        row = self._session.bands.row(identifier)
        with QSignalBlocker(self):
            if row is None:
                self.clearSelection()
            else:
                self.selectRow(row)

    def selected(self) -> Band | None:
        """
        Return the band of the marked row.

        Returns
        -------
        Band or None
            The band.
        """
        rows = {index.row() for index in self.selectedIndexes()}
        row = rows.pop() if rows else -1
        return self._session.bands[row] if 0 <= row < len(self._session.bands) else None

    def edit_name(self, identifier: str) -> None:
        """
        Let the user type the name of a band.

        Parameters
        ----------
        identifier : str
            The band.
        """
        row = self._session.bands.row(identifier)
        if row is not None:
            self.editItem(self.item(row, NAME))

    def _fill(self, row: int, band: Band) -> None:
        texts = {NAME: band.name, FROM: number(band.t1), TO: number(band.t2)}
        for column in (COLOR, NAME, FROM, TO):
            item = self.item(row, column) or QTableWidgetItem()
            if column == COLOR:
                item.setBackground(QColor(band.color))
                item.setFlags(Qt.ItemIsEnabled | Qt.ItemIsSelectable)
                item.setToolTip("Double-click to choose another colour")
            else:
                item.setText(texts[column])
            if self.item(row, column) is None:
                self.setItem(row, column, item)
        combo = self.cellWidget(row, SHOW)
        if combo is None:
            combo = QComboBox()
            combo.addItems([_KEEP, _REMOVE])
            combo.currentIndexChanged.connect(self._on_show)
            self.setCellWidget(row, SHOW, combo)
        with QSignalBlocker(combo):
            combo.setCurrentText(_KEEP if band.keep else _REMOVE)

    def _on_item(self, item: QTableWidgetItem) -> None:
        band = self._session.bands[item.row()]
        try:
            if item.column() == NAME:
                changed = band.change(name=item.text().strip() or band.name)
            elif item.column() == FROM:
                changed = band.change(t1=_time(item.text()))
            elif item.column() == TO:
                changed = band.change(t2=_time(item.text()))
            else:
                return
        except ValueError as error:
            self.complained.emit(str(error))
            self.show_bands()
            return
        self._session.bands.replace(changed)
        self.show_bands()

    def _on_show(self) -> None:
        for row, band in enumerate(self._session.bands):
            combo = self.cellWidget(row, SHOW)
            if combo is not None:
                self._session.bands.replace(band.change(keep=combo.currentText() == _KEEP))

    def _on_double_click(self, row: int, column: int) -> None:
        if column == COLOR:
            band = self._session.bands[row]
            color = QColorDialog.getColor(QColor(band.color), self)
            if color.isValid():
                self._session.bands.replace(band.change(color=color.name()))


def _time(text: str) -> float:
    """A typed time; nothing, inf and the sign of infinity are without end."""
    text = text.strip().replace("∞", "inf") or "inf"
    try:
        t = float(text)
    except ValueError:
        t = math.nan
    if math.isnan(t):
        raise ValueError(f"A time is a number, got {text!r}: type 0.5, or inf for the end.")
    return t
