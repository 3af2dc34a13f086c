"""What both docks have in common: a session, a timer that looks at the workers, and a clean end."""

from typing import Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QWidget

from napari_tvflow.model.preview_flag import default_layer
from napari_tvflow.widgets.shared import join_session, leave_session

# Milliseconds between two looks at the workers: progress moves smoothly.
_TICK = 50


class Dock(QWidget):
    """
    A dock of a viewer. It ends when napari lets go of it or when the window closes.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.session = join_session(viewer, self)
        self.is_closed = False
        self._window: QWidget | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK)
        self._timer.timeout.connect(self._on_timer)

    def begin(self) -> None:
        """Choose a layer and start the timer, at the end of a subclass's `__init__`."""
        session = self.session
        if session.layer is None:
            session.choose(default_layer(session.viewer))
        session.watch(self, True)
        self._timer.start()
        self.tick()

    def tick(self) -> None:
        """Look at the workers and show what is new; subclasses add to it."""
        self.session.tick()

    def stop(self) -> None:
        """Stop all work and let go of the viewer; nothing happens the second time."""
        if self.is_closed:
            return
        self.is_closed = True
        self._timer.stop()
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None
        self.leave()
        self.session.watch(self, False)
        leave_session(self.session, self)

    def leave(self) -> None:
        """Disconnect from the session; for subclasses."""

    def _on_timer(self) -> None:
        if not self.is_closed:
            self.tick()

    def showEvent(self, event: QShowEvent) -> None:
        """
        Go on when the dock is seen again.

        Parameters
        ----------
        event : QShowEvent
            The event.
        """
        super().showEvent(event)
        window = self.window()
        if window is not self and window is not self._window and not self.is_closed:
            if self._window is not None:
                self._window.removeEventFilter(self)
            self._window = window
            window.installEventFilter(self)
        if not self.is_closed:
            self.session.watch(self, True)
            self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """
        Rest while the dock is hidden.

        Parameters
        ----------
        event : QHideEvent
            The event.
        """
        super().hideEvent(event)
        if not self.is_closed:
            self._timer.stop()
            self.session.watch(self, False)

    def event(self, event: QEvent) -> bool:
        """
        See when napari takes the dock away: its content is then left without a parent.

        Parameters
        ----------
        event : QEvent
            The event.

        Returns
        -------
        bool
            Whether it was recognised.
        """
        if event.type() == QEvent.ParentChange and self.parent() is None and not self.is_closed:
            self.stop()
            self.deleteLater()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """
        See when the window closes.

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
        if event.type() == QEvent.Close and watched is self._window:
            self.stop()
        return False
