"""What stands under More: method, accuracy, device, channels, mask and output."""

from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QWidget

from napari_tvflow.model.session import Session
from napari_tvflow.model.settings import METHODS
from napari_tvflow.widgets.small_parts import PositiveSpinBox

_NO_MASK = "none"
_METHOD_NAMES = {
    "chambolle": "implicit Euler (recommended)",
    "joint": "all times at once",
    "net": "trained network",
}


class MoreOptions(QWidget):
    """
    Settings that most users leave as they are.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        settings = session.settings
        self.method = QComboBox()
        for name in METHODS:
            self.method.addItem(_METHOD_NAMES[name], name)
        self.method.setToolTip("What Run computes an exact image with; previews are always Euler")
        self.tol = PositiveSpinBox()
        self.tol.setRange(1e-6, 0.5)
        self.tol.setToolTip("Accuracy of Exact, relative to the standard deviation of the image")
        self.device = QComboBox()
        self.device.addItems(["cpu", "cuda", "auto"])
        self.coupled = QCheckBox("keep their edges together")
        self.mask = QComboBox()
        self.mask.setToolTip("What lies in the labels of this layer flows, the rest stays")
        self._masks: list[Any] = []
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("method", self.method)
        form.addRow("accuracy (tol)", self.tol)
        form.addRow("device", self.device)
        form.addRow("channels", self.coupled)
        form.addRow("mask", self.mask)
        self.method.setCurrentIndex(METHODS.index(settings.method))
        self.tol.setValue(settings.tol)
        self.device.setCurrentText(settings.device)
        self.coupled.setChecked(settings.coupled)
        self.method.currentIndexChanged.connect(self._on_changed)
        self.tol.valueChanged.connect(self._on_changed)
        self.device.currentIndexChanged.connect(self._on_changed)
        self.coupled.toggled.connect(self._on_changed)
        self.refresh()

    def refresh(self) -> None:
        """Follow the labels layers of the viewer."""
        layers = [a for a in self._session.viewer.layers if type(a).__name__ == "Labels"]
        names = [layer.name for layer in layers]
        shown = [self.mask.itemText(k) for k in range(1, self.mask.count())]
        if layers != self._masks or names != shown or not self.mask.count():
            chosen = self.mask_layer()
            self._masks = layers
            with QSignalBlocker(self.mask):
                self.mask.clear()
                self.mask.addItems([_NO_MASK, *names])
                self.mask.setCurrentIndex(layers.index(chosen) + 1 if chosen in layers else 0)

    def mask_layer(self) -> Any:
        """
        Return the chosen mask.

        Returns
        -------
        napari.layers.Labels or None
            The layer.
        """
        row = self.mask.currentIndex() - 1
        return self._masks[row] if 0 <= row < len(self._masks) else None

    def leave(self) -> None:
        """Let go of the layers."""
        self._masks = []

    def _on_changed(self) -> None:
        self._session.change_settings(
            method=self.method.currentData(),
            tol=self.tol.value(),
            device=self.device.currentText(),
            coupled=self.coupled.isChecked(),
        )
