"""A button that runs work on the whole layer, turns into Cancel, and shows how far it is."""

from collections.abc import Callable
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_tvflow.model.jobs import Job
from napari_tvflow.model.layer_check import sentence_of
from napari_tvflow.model.run import Outcome
from napari_tvflow.model.session import Session

Work = Callable[[Job], Outcome]


class RunBox(QWidget):
    """
    Runs work in a worker, and adds its layers to the viewer.

    Parameters
    ----------
    session : Session
        The session.
    title : str
        The text of the button.
    prepare : callable
        Returns the work to be done, or raises ValueError with a sentence for the user.
    """

    finished = Signal(object)

    def __init__(self, session: Session, title: str, prepare: Callable[[], Work]) -> None:
        super().__init__()
        self._session, self._title, self._prepare = session, title, prepare
        self._layer: Any = None
        self.job: Job | None = None
        self.button = QPushButton(title)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.hide()
        self.text = QLabel()
        self.text.setWordWrap(True)
        first = QHBoxLayout()
        first.addWidget(self.button, 1)
        first.addWidget(self.bar, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(first)
        layout.addWidget(self.text)
        self.text.hide()
        self.button.clicked.connect(self.press)

    def press(self) -> None:
        """Run, or cancel what is running."""
        if self.job is not None:
            self.cancel()
            return
        session = self._session
        try:
            work = self._prepare()
        except ValueError as error:
            self.say(str(error))
            return
        self._layer = session.layer
        self.job = Job(work, session.layer.name, session.spaces.last_job)
        session.spaces.begin_run(self.job)
        self.job.start()
        self.button.setText("Cancel")
        self.bar.setValue(0)
        self.bar.show()
        self.say("")

    def cancel(self) -> None:
        """Ask the work to stop."""
        if self.job is not None:
            self.job.cancel()
            self.button.setEnabled(False)
            self.say("Stopping ...")

    def tick(self) -> None:
        """Show how far the work is, and add its layers when it has ended."""
        job = self.job
        if job is None:
            return
        if job.has_ended:
            self._finish(job)
        elif not job.is_cancelled:
            self.bar.setValue(round(1000 * job.fraction))
            self.say(f"{job.stage or 'waiting'} ...")

    def say(self, text: str) -> None:
        """
        Show one sentence below the button.

        Parameters
        ----------
        text : str
            The sentence; nothing hides it.
        """
        if text != self.text.text():
            self.text.setText(text)
            self.text.setVisible(bool(text))

    def leave(self) -> None:
        """Stop the work; its layers are not added any more."""
        if self.job is not None:
            self.job.cancel()
            self.job = None
        self._layer = None

    def _finish(self, job: Job) -> None:
        self.job = None
        layer, self._layer = self._layer, None
        self.bar.hide()
        self.button.setText(self._title)
        self.button.setEnabled(True)
        if job.is_cancelled:
            self.say("Cancelled.")
        elif job.error is not None:
            self.say(sentence_of(job.error))
        else:
            self._add(job.result, layer)
        self._session.look()

    def _add(self, outcome: Outcome, layer: Any) -> None:
        layers = self._session.viewer.layers
        gone = "" if layer in layers else "The layer was removed meanwhile. "
        made = [Layer.create(*values) for values in outcome.layers]
        for new in made:
            layers.append(new)
        self.say(gone + (outcome.text or "Done."))
        self.finished.emit(made)
