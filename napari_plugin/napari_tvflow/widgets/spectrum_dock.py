"""The spectrum dock: what vanishes when, and bands of it as live layers."""

from functools import partial

import napari
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout

from napari_tvflow.model.run import run_bands
from napari_tvflow.model.task import Task
from napari_tvflow.widgets.band_buttons import BandButtons
from napari_tvflow.widgets.band_layers import BandLayers
from napari_tvflow.widgets.band_view import BandView
from napari_tvflow.widgets.dock import Dock
from napari_tvflow.widgets.run_box import RunBox, Work
from napari_tvflow.widgets.spectrum_plot import SpectrumPlot


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
        self.buttons = BandButtons(session, self.table)
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
        self.buttons.set_usable(usable)
        self.run.button.setEnabled((usable and len(session.bands) > 0) or bool(self.run.job))
        self._repaint()

    def _prepare(self) -> Work:
        session = self.session
        if session.source is None:
            raise ValueError(session.problem)
        if not len(session.bands):
            raise ValueError("There are no bands yet: drag over the plot, or choose a preset.")
        task = Task.of(session.layer, session.t, session.settings, session.source.roles)
        return partial(run_bands, task, list(session.bands))

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
        self.buttons.complained.connect(self.run.say)
        self.show_layers.toggled.connect(self._on_show_layers)

    def _lay_out(self) -> None:
        left, right = QVBoxLayout(), QVBoxLayout()
        heading = QHBoxLayout()
        heading.addWidget(self.title)
        heading.addStretch(1)
        heading.addWidget(self.show_layers)
        left.addLayout(heading)
        left.addWidget(self.plot, 1)
        right.addWidget(self.table, 1)
        right.addWidget(self.buttons)
        right.addWidget(self.run)
        layout = QHBoxLayout(self)
        layout.addLayout(left, 3)
        layout.addLayout(right, 2)
