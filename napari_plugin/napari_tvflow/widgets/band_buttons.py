"""The buttons below the table of bands: add, presets, delete, load and save."""

import math
from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from napari_tvflow.model.band_files import PRESETS, load_bands, preset, save_bands
from napari_tvflow.model.session import Session
from napari_tvflow.widgets.band_view import BandView

_FILES = "Bands (*.json)"
FILTERS = ("low-pass", "high-pass", "band-pass", "band-stop")
# A new band-pass reaches from t divided by this to t times this.
_AROUND = 2.0


class BandButtons(QWidget):
    """
    Changes the session's bands.

    Parameters
    ----------
    session : Session
        The session.
    table : BandView
        Knows which band is marked.
    """

    complained = Signal(str)

    def __init__(self, session: Session, table: BandView) -> None:
        super().__init__()
        self._session, self._table = session, table
        self.add = self._menu_button("Add", FILTERS, self._on_add)
        self.presets = self._menu_button("Presets", PRESETS, self._on_preset)
        self.delete = QPushButton("Delete")
        self.load, self.save = QPushButton("Load ..."), QPushButton("Save ...")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (self.add, self.presets, self.delete, self.load, self.save):
            layout.addWidget(button, 1)
        self.delete.clicked.connect(self._on_delete)
        self.load.clicked.connect(self.load_file)
        self.save.clicked.connect(self.save_file)

    def set_usable(self, usable: bool) -> None:
        """
        Allow what needs the space of a layer.

        Parameters
        ----------
        usable : bool
            Whether there is one.
        """
        for button in (self.add, self.presets):
            button.setEnabled(usable)

    def add_filter(self, name: str) -> None:
        """
        Add a filter around t.

        Parameters
        ----------
        name : {"low-pass", "high-pass", "band-pass", "band-stop"}
            Which one.
        """
        t = self._session.t
        ends = {"low-pass": (t, math.inf), "high-pass": (0.0, t)}
        t1, t2 = ends.get(name, (t / _AROUND, t * _AROUND))
        if t1 < t2:
            self._session.bands.add(t1, t2, name, keep=name != "band-stop")
        else:
            self.complained.emit("At t = 0 nothing has vanished: choose a larger t first.")

    def use_preset(self, name: str) -> None:
        """
        Put ready-made bands in the place of all.

        Parameters
        ----------
        name : {"noise", "texture", "scales"}
            Which ones.
        """
        if self._session.shown is not None:
            entry, _, source = self._session.shown
            self._session.bands.reset(
                preset(
                    name,
                    contrast=entry.contrast,
                    sigma=entry.sigma,
                    extinction=entry.drafted_until,
                    n_spatial=source.n_spatial,
                )
            )

    def load_file(self) -> None:
        """Put the bands of a file in the place of all."""
        path, _ = QFileDialog.getOpenFileName(self, "Load bands", "", _FILES)
        if path:
            try:
                self._session.bands.reset(load_bands(path))
            except (ValueError, OSError) as error:
                self.complained.emit(str(error))

    def save_file(self) -> None:
        """Write the bands to a file."""
        path, _ = QFileDialog.getSaveFileName(self, "Save bands", "bands.json", _FILES)
        if path:
            try:
                save_bands(path, self._session.bands)
            except OSError as error:
                self.complained.emit(str(error))

    def _on_add(self, action: QAction) -> None:
        self.add_filter(action.text())

    def _on_preset(self, action: QAction) -> None:
        self.use_preset(action.text())

    def _on_delete(self) -> None:
        band = self._table.selected()
        if band is not None:
            self._session.bands.remove(band.identifier)

    def _menu_button(
        self, title: str, entries: tuple[str, ...], slot: Callable[[QAction], None]
    ) -> QPushButton:
        button = QPushButton(title)
        menu = QMenu(button)
        for entry in entries:
            menu.addAction(entry)
        menu.triggered.connect(slot)
        button.setMenu(menu)
        return button
