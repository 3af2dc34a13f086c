"""Work of a menu entry: in a worker, with a bar in napari's activity dock that can cancel it."""

from collections.abc import Callable
from typing import Any

from napari.layers import Layer
from napari.utils.notifications import show_info, show_warning
from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication, QMainWindow

from napari_tvflow.model.jobs import Job
from napari_tvflow.model.layer_check import sentence_of
from napari_tvflow.model.run import Outcome

_TICK = 50
_STEPS = 1000
# Backgrounds in progress. Without this reference Python would delete one before its timer ticks.
_active: set["Background"] = set()


class Background(QObject):
    """
    Runs work and adds its layers to the viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    work : callable
        ``work(job)`` returns the layers.
    title : str
        What is computed, for the bar.
    """

    def __init__(self, viewer: Any, work: Callable[[Job], Outcome], title: str) -> None:
        super().__init__()
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._windows: list[QMainWindow] = []
        self.job = Job(work, title)
        self._title = title
        self._bar: Any = None
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK)
        self._timer.timeout.connect(self.tick)

    def start(self) -> "Background":
        """
        Begin.

        Returns
        -------
        Background
            Itself.
        """
        self._bar = cancelable_progress(
            total=_STEPS, desc=self._title, cancel_callback=self.job.cancel
        )
        # napari does not say publicly which window is the viewer's, but its title does.
        for window in QApplication.topLevelWidgets():
            if isinstance(window, QMainWindow) and window.windowTitle() == self._viewer.title:
                window.installEventFilter(self)
                self._windows.append(window)
        QApplication.instance().aboutToQuit.connect(self.stop)
        _active.add(self)
        self.job.start()
        self._timer.start()
        return self

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """
        Stop when the window closes.

        Parameters
        ----------
        watched : QObject
            The window.
        event : QEvent
            The event.

        Returns
        -------
        bool
            False: the window gets it, too.
        """
        if event.type() == QEvent.Close:
            self.stop()
        return False

    def tick(self) -> None:
        """Show how far the work is, and add its layers when it has ended."""
        if self not in _active:
            return
        job = self.job
        self._bar.update(max(round(_STEPS * job.fraction) - self._bar.n, 0))
        if not job.has_ended:
            return
        cancelled = job.is_cancelled
        self.stop()
        if job.error is not None:
            show_warning(sentence_of(job.error))
        elif cancelled:
            show_info(f"{self._title}: cancelled.")
        else:
            for values in job.result.layers:
                self._viewer.layers.append(Layer.create(*values))

    def stop(self) -> None:
        """Stop the work and forget it."""
        if self in _active:
            _active.discard(self)
            self._timer.stop()
            for window in self._windows:
                window.removeEventFilter(self)
            self._windows.clear()
            self.job.cancel()
            self._bar.close()
            QApplication.instance().aboutToQuit.disconnect(self.stop)
