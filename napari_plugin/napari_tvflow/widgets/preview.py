"""The live preview: a layer above the chosen one that shows the flow of the visible slice."""

from typing import Any

import numpy as np
from napari.layers import Image

from napari_tvflow.model.layer_kwargs import look_kwargs, spatial_kwargs
from napari_tvflow.model.preview_flag import live_metadata
from napari_tvflow.model.rgb import displayable
from napari_tvflow.model.session import Session
from napari_tvflow.model.source import Source


class Preview:
    """
    Shows the flow at the session's t, and never a result of another slice.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layer: Image | None = None
        self._made_for: object = None
        self._shown: object = None
        self.is_wanted = session.settings.preview

    @property
    def layer(self) -> Image | None:
        """The layer of the preview, if there is one."""
        return self._layer

    def refresh(self) -> None:
        """Show the flow at t, or nothing as long as the visible slice has none."""
        session = self._session
        if self._layer is not None and self._layer not in session.viewer.layers:
            # The user has deleted it, and does not want another one.
            self._layer, self.is_wanted, self._shown = None, False, None
        if session.layer is None:
            self.remove()
        state = self._state()
        if state is None or session.shown is None:
            self._hide()
        elif state != self._shown:
            entry, visible, source = session.shown
            frame = entry.space(session.t, visible.region)
            self._show(visible.place(displayable(frame, source)), source)
            self._shown = state

    def remove(self) -> None:
        """Take the layer away."""
        if self._layer is not None and self._layer in self._session.viewer.layers:
            self._session.viewer.layers.remove(self._layer)
        self._layer, self._shown = None, None

    def _state(self) -> object:
        """What is to be shown; None for nothing. The same state is not shown twice."""
        session, shown = self._session, self._session.shown
        if not self.is_wanted or shown is None:
            return None
        entry, visible, _ = shown
        return id(entry.space), str(visible), session.t, entry.refined_until >= session.t

    def _hide(self) -> None:
        if self._layer is not None and self._layer.visible:
            self._layer.visible = False
        self._shown = None

    def _show(self, data: np.ndarray, source: Source) -> None:
        token, layer = self._session.token, self._layer
        if layer is not None and (layer.rgb, layer.ndim) != (source.rgb, len(source.roles)):
            self.remove()
            layer = None
        if layer is None:
            self._layer = self._add(data, source)
        else:
            layer.data = data
            if self._made_for != token:
                self._adopt(layer, source)
            if not layer.visible:
                layer.visible = True
        self._made_for = token

    def _adopt(self, preview: Image, source: Source) -> None:
        """
        Give the layer the place and the look of another one.

        Removing it and adding another one would take napari a quarter of a second.
        """
        layer, layers = self._session.layer, self._session.viewer.layers
        for name, value in spatial_kwargs(layer, source.factors).items():
            setattr(preview, name, value)
        for name, value in look_kwargs(layer).items():
            if name != "rgb":
                setattr(preview, name, value)
        preview.name = f"{layer.name} | preview"
        here, there = layers.index(preview), layers.index(layer)
        if here != there + 1:
            layers.move(here, there + 1)

    def _add(self, data: np.ndarray, source: Source) -> Image:
        layer = self._session.layer
        preview = Image(
            data,
            name=f"{layer.name} | preview",
            metadata=live_metadata("flow"),
            **spatial_kwargs(layer, source.factors),
            **look_kwargs(layer),
        )
        insert_above(self._session.viewer.layers, preview, layer)
        return preview


def insert_above(layers: Any, new: Image, below: Any) -> None:
    """
    Add a layer above another one, and leave the selection as it is.

    Parameters
    ----------
    layers : napari.components.LayerList
        The layers.
    new : napari.layers.Image
        The new layer.
    below : napari.layers.Layer
        The other one; if it is not in the list, the new one is added on top.
    """
    selected, active = set(layers.selection), layers.selection.active
    layers.insert(layers.index(below) + 1 if below in layers else len(layers), new)
    layers.selection = selected
    layers.selection.active = active
