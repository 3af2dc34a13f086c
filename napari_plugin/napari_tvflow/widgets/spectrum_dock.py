"""The spectrum dock: what vanishes when, and bands of it as live layers."""

import math
from collections.abc import Callable
from functools import partial

import napari
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
)

from napari_tvflow.model.band_files import PRESETS, load_bands, preset, save_bands
from napari_tvflow.model.run import run_bands
from napari_tvflow.model.task import Task
from napari_tvflow.widgets.band_layers import BandLayers
from napari_tvflow.widgets.band_view import BandView
from napari_tvflow.widgets.dock import Dock
from napari_tvflow.widgets.run_box import RunBox, Work
from napari_tvflow.widgets.spectrum_plot import SpectrumPlot

_FILES = "Bands (*.json)"
FILTERS = ("low-pass", "high-pass", "band-pass", "band-stop")
# A new band-pass reaches from this part of t to this multiple of it.
_AROUND = 2.0


class SpectrumDock(Dock):
    """
    The dock "Spectrum".

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer; napari passes it because of this name.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        session = self.session
        self.plot, self.table = SpectrumPlot(session), BandView(session)
        self.bands = BandLayers(session)
        self.run = RunBox(session, "Bands of the whole layer", self._prepare)
        self.title = QLabel()
        self.show_layers = QCheckBox("show the layers of the bands")
        self.show_layers.setChecked(True)
        self.add = self._menu_button("Add", FILTERS, self._on_add)
        self.presets = self._menu_button("Presets", PRESETS, self._on_preset)
        self.delete = QPushButton("Delete")
        self.load, self.save = QPushButton("Load ..."), QPushButton("Save ...")
        self._lay_out()
        self._connect()
        self.begin()

    def tick(self) -> None:
        """Look at the workers, and bring one band up to date."""
        super().tick()
        self.run.tick()
        self.bands.refresh_one()

    def leave(self) -> None:
        """Stop the run, remove the live layers, disconnect."""
        session = self.session
        self.run.leave()
        self.bands.remove()
        self.plot.leave()
        session.looked.disconnect(self.show_session)
        session.time_changed.disconnect(self._repaint)
        session.scale_changed.disconnect(self._repaint)
        session.bands.changed.disconnect(self._on_bands)

    def show_session(self) -> None:
        """Show the name of the layer and the spectrum."""
        session = self.session
        self.title.setText("" if session.layer is None else f"Spectrum of '{session.layer.name}'")
        usable = session.entry is not None and session.entry.space is not None
        for button in (self.add, self.presets):
            button.setEnabled(usable)
        self.run.button.setEnabled((usable and len(session.bands) > 0) or bool(self.run.job))
        self._repaint()

    def add_filter(self, name: str) -> None:
        """
        Add a filter around t.

        Parameters
        ----------
        name : {"low-pass", "high-pass", "band-pass", "band-stop"}
            Which one.
        """
        t = self.session.t
        ends = {"low-pass": (t, math.inf), "high-pass": (0.0, t)}
        t1, t2 = ends.get(name, (t / _AROUND, t * _AROUND))
        self.session.bands.add(t1, t2, name, keep=name != "band-stop")

    def use_preset(self, name: str) -> None:
        """
        Put ready-made bands in the place of all.

        Parameters
        ----------
        name : {"noise", "texture", "scales"}
            Which ones.
        """
        entry, source = self.session.entry, self.session.source
        if entry is not None and source is not None and entry.space is not None:
            self.session.bands.reset(
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
                self.session.bands.reset(load_bands(path))
            except (ValueError, OSError) as error:
                self.run.say(str(error))

    def save_file(self) -> None:
        """Write the bands to a file."""
        path, _ = QFileDialog.getSaveFileName(self, "Save bands", "bands.json", _FILES)
        if path:
            try:
                save_bands(path, self.session.bands)
            except OSError as error:
                self.run.say(str(error))

    def _prepare(self) -> Work:
        session = self.session
        if session.source is None:
            raise ValueError(session.problem)
        if not len(session.bands):
            raise ValueError("There are no bands yet: drag over the plot, or choose a preset.")
        task = Task.of(session.layer, session.t, session.settings, session.source.roles)
        return partial(run_bands, task, list(session.bands))

    def _on_add(self, action: QAction) -> None:
        self.add_filter(action.text())

    def _on_preset(self, action: QAction) -> None:
        self.use_preset(action.text())

    def _on_delete(self) -> None:
        band = self.table.selected()
        if band is not None:
            self.session.bands.remove(band.identifier)

    def _on_show_layers(self, wanted: bool) -> None:
        self.bands.is_wanted = wanted

    def _on_row(self) -> None:
        band = self.table.selected()
        self.plot.mouse.selected = band.identifier if band is not None else ""
        self.plot.update()

    def _on_bands(self) -> None:
        self.table.show_bands()
        self.table.select(self.plot.mouse.selected)
        self.show_session()

    def _repaint(self) -> None:
        self.plot.update()

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

    def _connect(self) -> None:
        session = self.session
        session.looked.connect(self.show_session)
        session.time_changed.connect(self._repaint)
        session.scale_changed.connect(self._repaint)
        session.bands.changed.connect(self._on_bands)
        self.plot.selected.connect(self.table.select)
        self.plot.rename.connect(self.table.edit_name)
        self.table.itemSelectionChanged.connect(self._on_row)
        self.table.complained.connect(self.run.say)
        self.show_layers.toggled.connect(self._on_show_layers)
        self.delete.clicked.connect(self._on_delete)
        self.load.clicked.connect(self.load_file)
        self.save.clicked.connect(self.save_file)

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        row = (self.add, self.presets, self.delete, self.load, self.save)
        for column, button in enumerate(row):
            buttons.addWidget(button, 0, column)
        left, right = QVBoxLayout(), QVBoxLayout()
        heading = QHBoxLayout()
        heading.addWidget(self.title)
        heading.addStretch(1)
        heading.addWidget(self.show_layers)
        left.addLayout(heading)
        left.addWidget(self.plot, 1)
        right.addWidget(self.table, 1)
        right.addLayout(buttons)
        right.addWidget(self.run)
        layout = QHBoxLayout(self)
        layout.addLayout(left, 3)
        layout.addLayout(right, 2)
