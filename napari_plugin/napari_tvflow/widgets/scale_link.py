"""The link between t and the axis of t of a scale space layer."""

from typing import Any

import numpy as np

from napari_tvflow.model.session import Session


class ScaleLink:
    """
    Moves t with the viewer's slider, and the slider with t, for the last scale space layer.

    It looks at both whenever the timer of the dock ticks, so that neither can answer the other.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layer: Any = None
        self._times = np.empty(0)
        self._step, self._t = -1, -1.0

    def follow(self, layer: Any) -> None:
        """
        Link a layer.

        Parameters
        ----------
        layer : napari.layers.Image
            A scale space layer, see `lazy_layer`.
        """
        self._layer = layer
        self._times = np.array(layer.metadata["napari_tvflow"]["times"])
        self._step = self._current()
        self._t = -1.0

    def tick(self) -> None:
        """Let the one follow that the user has not moved."""
        layer, session = self._layer, self._session
        if layer is None:
            return
        if layer not in session.viewer.layers:
            self._layer = None
            return
        step = self._current()
        if step != self._step:
            self._step, self._t = step, float(self._times[step])
            session.set_time(self._t)
        elif session.t != self._t:
            self._t = session.t
            self._step = int(np.abs(self._times - session.t).argmin())
            if self._step != step:
                session.viewer.dims.set_current_step(self._axis, self._step)

    @property
    def _axis(self) -> int:
        return int(self._session.viewer.dims.ndim - self._layer.ndim)

    def _current(self) -> int:
        step = round(self._session.viewer.dims.point[self._axis])
        return min(max(step, 0), len(self._times) - 1)
