"""The flow dock: drag t and see the flow of the visible slice; Run computes the whole layer."""

from functools import partial
from typing import Any

import napari
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QSignalThrottler

from napari_tvflow.model.provenance import script
from napari_tvflow.model.run import run
from napari_tvflow.model.settings import DRAFT, EXACT, OUTPUTS, SPACE
from napari_tvflow.model.task import Task
from napari_tvflow.widgets.dock import Dock
from napari_tvflow.widgets.layer_choice import AxesForm, LayerChoice
from napari_tvflow.widgets.more_options import MoreOptions
from napari_tvflow.widgets.preview import Preview
from napari_tvflow.widgets.run_box import RunBox, Work
from napari_tvflow.widgets.scale_link import ScaleLink
from napari_tvflow.widgets.small_parts import Fold, TallArea
from napari_tvflow.widgets.time_controls import TimeControls

# Milliseconds between two previews while the slider moves; the latest position wins.
_THROTTLE = 30


class FlowDock(Dock):
    """
    The dock "TV flow".

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer; napari passes it because of this name.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        session = self.session
        self.layers, self.axes = LayerChoice(session), AxesForm(session)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.time = TimeControls(session)
        self.live = QCheckBox("live preview")
        self.quality = QComboBox()
        self.quality.addItem("Draft", DRAFT)
        self.quality.addItem("Exact", EXACT)
        self.quality.setToolTip(
            "Draft: within about 40 dB, at once. Exact: refined to the tolerance, with an error "
            "and a guaranteed bound after Run."
        )
        self.output = QComboBox()
        self.output.addItems(OUTPUTS)
        self.output.setToolTip("What Run adds as a new layer")
        self.run = RunBox(session, "Run on the whole layer", self._prepare)
        self.more = MoreOptions(session)
        self.copy = QPushButton("Copy as Python")
        self.copy.setToolTip("Puts a script that computes the same into the clipboard")
        self.fold = Fold("More", [self.more])
        self.preview, self.link = Preview(session), ScaleLink(session)
        self._throttler = QSignalThrottler(self)
        self._throttler.setTimeout(_THROTTLE)
        self._lay_out()
        self.live.setChecked(self.preview.is_wanted)
        self.quality.setCurrentIndex(self.quality.findData(session.settings.quality))
        self._connect()
        self.axes.show_source()
        self.begin()

    def tick(self) -> None:
        """Look at the layers and the workers, and show what is new."""
        self.layers.refresh()
        self.more.refresh()
        super().tick()
        self.show_preview()
        self.run.tick()
        self.link.tick()

    def leave(self) -> None:
        """Stop the run, remove the preview, disconnect."""
        session = self.session
        self.run.leave()
        self.preview.remove()
        session.looked.disconnect(self.show_session)
        session.time_changed.disconnect(self._on_time)
        for part in (self.layers, self.axes, self.time, self.more):
            part.leave()

    def show_session(self) -> None:
        """Show the message, how far the space has got, and the preview."""
        session = self.session
        self.message.setText(session.problem)
        self.message.setVisible(bool(session.problem))
        usable = session.source is not None
        for widget in (self.time, self.copy):
            widget.setEnabled(usable)
        failed = session.entry is not None and session.entry.error is not None
        self.run.button.setEnabled((usable and not failed) or bool(self.run.job))
        self.time.show_entry()
        self.show_preview()

    def show_preview(self) -> None:
        """Show the flow at t in the viewer."""
        if self.is_closed:
            return
        self.preview.refresh()
        if self.preview.is_wanted != self.live.isChecked():
            self.live.setChecked(self.preview.is_wanted)

    def copy_script(self) -> None:
        """Put a script that computes the same into the clipboard."""
        session = self.session
        if session.source is not None:
            settings = session.settings.change(output=self.output.currentText())
            QApplication.clipboard().setText(script(session.source, settings, session.t))
            self.run.say("The script is in the clipboard.")

    def _prepare(self) -> Work:
        session = self.session
        if session.source is None:
            raise ValueError(session.problem)
        settings = session.settings.change(output=self.output.currentText())
        mask = self.more.mask_layer()
        data = None if mask is None or settings.output == SPACE else mask.data
        task = Task.of(session.layer, session.t, settings, session.source.roles, data)
        return partial(run, task)

    def _on_time(self) -> None:
        self._throttler.throttle()

    def _on_live(self, wanted: bool) -> None:
        self.preview.is_wanted = wanted
        self.show_preview()

    def _on_quality(self) -> None:
        self.session.change_settings(quality=self.quality.currentData())

    def _on_finished(self, layers: list[Any]) -> None:
        for layer in layers:
            if layer.metadata["napari_tvflow"]["output"] == SPACE:
                self.link.follow(layer)

    def _connect(self) -> None:
        self.session.looked.connect(self.show_session)
        self.session.time_changed.connect(self._on_time)
        self._throttler.triggered.connect(self.show_preview)
        self.live.toggled.connect(self._on_live)
        self.quality.currentIndexChanged.connect(self._on_quality)
        self.copy.clicked.connect(self.copy_script)
        self.run.finished.connect(self._on_finished)

    def _lay_out(self) -> None:
        content = QWidget()
        inside = QVBoxLayout(content)
        form = QFormLayout()
        form.addRow("layer", self.layers)
        inside.addLayout(form)
        inside.addWidget(self.axes)
        inside.addWidget(self.message)
        inside.addWidget(self.time)
        row = QHBoxLayout()
        row.addWidget(self.live)
        row.addStretch(1)
        row.addWidget(QLabel("quality"))
        row.addWidget(self.quality)
        inside.addLayout(row)
        result = QFormLayout()
        result.addRow("result", self.output)
        inside.addLayout(result)
        inside.addWidget(self.run)
        inside.addWidget(self.copy)
        inside.addWidget(self.fold)
        inside.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(TallArea(content))
