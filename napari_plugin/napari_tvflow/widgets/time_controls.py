"""The controls of t: slider, number, how far the space has got, and what t means."""

from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_tvflow.model.session import Session
from napari_tvflow.model.space_entry import DRAFT_SHARE
from napari_tvflow.model.time_scale import STEPS, erased_radius, number, radius_text
from napari_tvflow.widgets.small_parts import PositiveSpinBox, ReachLine


class TimeControls(QWidget):
    """
    Lets the user choose t, and says what has vanished by then.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._contrast_of: Any = None
        self.slider = QSlider(Qt.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setToolTip("Time of the flow, on a logarithmic scale up to extinction")
        self.number = PositiveSpinBox()
        self.number.setToolTip("t in values x pixels; any number >= 0 can be typed")
        self.reach = ReachLine()
        self.reach.setToolTip("Grey: a draft is there. Green: refined to the tolerance.")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.contrast = PositiveSpinBox()
        self.contrast.setToolTip(
            "Contrast c of the discs; at first that of the image (1 % to 99 %)"
        )
        self.reading = QLabel()
        self.reading.setWordWrap(True)
        self._lay_out()
        self.slider.valueChanged.connect(self._on_slider)
        self.number.valueChanged.connect(self._on_number)
        self.contrast.valueChanged.connect(self._on_contrast)
        session.time_changed.connect(self.show_time)
        session.scale_changed.connect(self.show_time)

    def show_time(self) -> None:
        """Show the session's t."""
        session = self._session
        with QSignalBlocker(self.slider), QSignalBlocker(self.number):
            if session.scale is not None:
                self.slider.setValue(round(session.scale.position(session.t)))
            self.number.setValue(session.t)
        self._read()

    def show_entry(self) -> None:
        """Show how far the space of the visible slice has got."""
        session, entry = self._session, self._session.entry
        drafted, refined = (entry.drafted_until, entry.refined_until) if entry else (0.0, 0.0)
        self.slider.setEnabled(drafted > 0)
        self.number.setEnabled(session.source is not None)
        self.reach.set_reach(session.scale, drafted, refined)
        self.status.setText(self._status())
        image = (id(session.layer), session.source and session.source.roles)
        if entry is not None and drafted > 0 and self._contrast_of != image:
            self._contrast_of = image
            with QSignalBlocker(self.contrast):
                self.contrast.setValue(entry.contrast)
        self._read()

    def leave(self) -> None:
        """Disconnect from the session."""
        self._session.time_changed.disconnect(self.show_time)
        self._session.scale_changed.disconnect(self.show_time)

    def _status(self) -> str:
        entry = self._session.entry
        if entry is None:
            return ""
        stage = entry.stage
        if not entry.has_draft:
            done = entry.job.fraction / DRAFT_SHARE if entry.job is not None else 0.0
            part = f" {min(done, 1):.0%}" if stage == "draft" and done > 0.02 else " ..."
            start = "Computing" if entry.space is None else "First look, with large pixels"
            return f"{start}: {stage or 'waits for earlier work on this layer'}{part}"
        if entry.is_working and stage == "refining":
            return f"Draft ready; refined up to t = {number(entry.refined_until)} ..."
        if entry.is_working and stage:
            return f"Draft ready; {stage} ..."
        return "Refined" if entry.space.is_refined else "Draft: fine edges may be a little soft"

    def _read(self) -> None:
        session, source = self._session, self._session.source
        if source is None:
            self.reading.setText("")
            return
        radius = erased_radius(session.t, self.contrast.value(), source.n_spatial)
        self.reading.setText(f"up to radius {radius_text(radius, source.pixel, source.unit)}")
        self._shape.setText("balls" if source.n_spatial == 3 else "discs")

    def _on_slider(self, position: int) -> None:
        if self._session.scale is not None:
            self._session.set_time(self._session.scale.time(position))

    def _on_number(self, t: float) -> None:
        self._session.set_time(t)

    def _on_contrast(self, _: float) -> None:
        self._read()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        first = QHBoxLayout()
        first.addWidget(QLabel("t"))
        under = QVBoxLayout()
        under.setSpacing(0)
        under.addWidget(self.slider)
        under.addWidget(self.reach)
        first.addLayout(under, 1)
        first.addWidget(self.number)
        layout.addLayout(first)
        layout.addWidget(self.status)
        second = QHBoxLayout()
        self._shape = QLabel("discs")
        second.addWidget(QLabel("erases"))
        second.addWidget(self._shape)
        second.addWidget(QLabel("of contrast"))
        second.addWidget(self.contrast)
        second.addStretch(1)
        layout.addLayout(second)
        layout.addWidget(self.reading)
