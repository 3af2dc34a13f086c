"""Which layer, and what its axes mean."""

from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFormLayout, QSizePolicy, QWidget

from napari_tvflow.model.axis_roles import CHOICES, Role, one_channel_axis
from napari_tvflow.model.preview_flag import default_layer, layers_to_choose
from napari_tvflow.model.session import Session


class LayerChoice(QComboBox):
    """
    Lists the layers of the viewer without previews, the top one first.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._listed: list[Any] = []
        self._names: list[str] = []
        # A long name must not make the dock wide.
        self.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.currentIndexChanged.connect(self._on_chosen)

    def refresh(self) -> None:
        """Follow layers that were added, removed, moved or renamed."""
        session = self._session
        layers = layers_to_choose(session.viewer)
        names = [layer.name for layer in layers]
        if layers != self._listed or names != self._names:
            self._listed, self._names = layers, names
            with QSignalBlocker(self):
                self.clear()
                self.addItems(names)
        if session.layer not in layers and (layers or session.layer is not None):
            session.choose(default_layer(session.viewer))
        row = layers.index(session.layer) if session.layer in layers else -1
        if row != self.currentIndex():
            with QSignalBlocker(self):
                self.setCurrentIndex(row)

    def leave(self) -> None:
        """Let go of the layers."""
        self._listed = []

    def _on_chosen(self, row: int) -> None:
        if 0 <= row < len(self._listed) and self._listed[row] is not self._session.layer:
            self._session.choose(self._listed[row])


class AxesForm(QWidget):
    """
    The meaning of every axis before the plane of the image; hidden for plain images.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.combos: list[QComboBox] = []
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._shown: object = None
        session.source_changed.connect(self.show_source)

    def show_source(self) -> None:
        """Show the axes of the session's layer."""
        source = self._session.source
        rows = () if source is None else tuple(zip(source.shape, source.roles))[:-2]
        labels = () if source is None else self._session.layer.axis_labels
        if (rows, labels) == self._shown:
            return
        self._shown = (rows, labels)
        while self._form.rowCount():
            self._form.removeRow(0)
        self.combos = []
        for axis, (n, role) in enumerate(rows):
            combo = QComboBox()
            combo.addItems([str(choice) for choice in CHOICES])
            combo.setCurrentText(str(role))
            combo.setToolTip(
                "Separate images and times have a flow each; the planes of a volume and the "
                "channels of an image flow together."
            )
            combo.currentTextChanged.connect(self._on_role)
            self.combos.append(combo)
            name = labels[axis]
            axis_name = f"axis {axis}" if name.lstrip("-").isdigit() else f"axis {name}"
            self._form.addRow(f"{axis_name} ({n})", combo)
        self.setVisible(bool(rows))

    def leave(self) -> None:
        """Disconnect from the session."""
        self._session.source_changed.disconnect(self.show_source)

    def _on_role(self) -> None:
        source = self._session.source
        if source is None or len(self.combos) != len(source.roles) - 2:
            return
        roles = [*(Role(combo.currentText()) for combo in self.combos), Role.PLANE, Role.PLANE]
        changed = next((k for k, role in enumerate(roles) if role is not source.roles[k]), None)
        if changed is not None:
            self._shown = None
            self._session.choose(self._session.layer, one_channel_axis(roles, changed))
