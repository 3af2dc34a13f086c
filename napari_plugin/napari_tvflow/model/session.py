"""What the docks of one viewer share: the layer, t, and the scale space of the visible slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from psygnal import Signal

from napari_tvflow.model.axis_roles import Role
from napari_tvflow.model.bands import BandTable
from napari_tvflow.model.layer_check import sentence_of, why_unusable
from napari_tvflow.model.settings import preferred_settings
from napari_tvflow.model.source import Source
from napari_tvflow.model.space_entry import SpaceEntry
from napari_tvflow.model.spaces import SpaceCache
from napari_tvflow.model.time_scale import START, TimeScale
from napari_tvflow.model.visible import Visible, visible_slice


class Session:
    """
    The state of the docks; it knows napari's layers and dims, and no widget.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.

    Attributes
    ----------
    layer : napari.layers.Layer or None
        The chosen layer.
    source : Source or None
        The layer as the flow sees it, if it can be used.
    settings : FlowSettings
        How to compute.
    t : float
        The time.
    scale : TimeScale or None
        The range of t, as soon as the extinction time is known.
    visible : Visible or None
        The slice that the viewer shows.
    problem : str
        One sentence for the user, or nothing.
    bands : BandTable
        The bands of the spectrum dock.
    spaces : SpaceCache
        The scale spaces of the layer, and the work on it.
    """

    source_changed = Signal()
    time_changed = Signal(float)
    looked = Signal()  # another slice, or something new about the same one
    scale_changed = Signal()

    def __init__(self, viewer: Any) -> None:
        # napari hands a proxy to plugins, and its layers would be other objects at every access.
        self.viewer = viewer = getattr(viewer, "__wrapped__", viewer)
        self.settings = preferred_settings()
        self.bands = BandTable()
        self.layer: Any = None
        self.source: Source | None = None
        self.scale: TimeScale | None = None
        self.visible: Visible | None = None
        self.problem = why_unusable(None) or ""
        self.t = 0.0
        self.is_closed = False
        self.spaces = SpaceCache()
        self._watchers: set[int] = set()
        self._seen: object = None
        self._time_is_chosen = False
        viewer.dims.events.current_step.connect(self._on_dims)
        viewer.dims.events.order.connect(self._on_dims)
        viewer.dims.events.ndisplay.connect(self._on_dims)

    @property
    def entry(self) -> SpaceEntry | None:
        """The space of the visible slice."""
        current, visible = self.spaces.current, self.visible
        # While all docks are hidden the last space stays, but its slice may be another one.
        if current is None or visible is None or current.key != visible.key:
            return None
        return current

    @property
    def shown(self) -> tuple[SpaceEntry, Visible, Source] | None:
        """The space, the slice and the layer that are seen; None as long as there is no draft."""
        entry = self.entry
        if entry is None or entry.space is None or self.visible is None or self.source is None:
            return None
        return entry, self.visible, self.source

    @property
    def token(self) -> int:
        """Grows whenever another layer or another computation is chosen."""
        return self.spaces.token

    def choose(self, layer: Any, roles: tuple[Role, ...] | None = None) -> None:
        """
        Look at another layer, or at the same one with other roles of its axes.

        Parameters
        ----------
        layer : napari.layers.Layer or None
            The layer.
        roles : tuple of Role, optional
            Roles of its axes, guessed by default.
        """
        if self.is_closed:
            return
        if layer is not self.layer:
            self._disconnect_layer()
            self.layer, self._time_is_chosen = layer, False
            self.scale = None
            self.spaces.leave_layer()
            if layer is not None:
                layer.events.data.connect(self._on_data)
                layer.events.scale.connect(self._on_data)
        self.spaces.forget()
        self.problem = why_unusable(layer) or ""
        settings = self.settings
        self.source = (
            None
            if self.problem
            else Source.of(layer, roles, coupled=settings.coupled, default=settings.stack)
        )
        self.visible = None
        self.source_changed.emit()
        self.look()

    def look(self) -> None:
        """Find the visible slice and see to its scale space."""
        if self.is_closed:
            return
        self.visible = None
        if self.source is not None:
            found = visible_slice(self.viewer, self.layer, self.source)
            if isinstance(found, str):
                self.problem = found
                self.spaces.pause()
            else:
                self.problem, self.visible = "", found
                if self._watchers:
                    self.spaces.look_at(self.source, found.key, self.settings)
        self._seen = None
        self.tick()

    def set_time(self, t: float) -> None:
        """
        Choose a time.

        Parameters
        ----------
        t : float
            The time, >= 0.
        """
        self._time_is_chosen = True
        self._put_time(max(float(t), 0.0))

    def change_settings(self, **values: Any) -> None:
        """
        Change how the flow is computed; spaces that no longer fit are dropped.

        Parameters
        ----------
        **values : dict
            Fields of `FlowSettings`.
        """
        before, self.settings = self.settings, self.settings.change(**values)
        if not before.same_space(self.settings) and self.source is not None:
            self.choose(self.layer, self.source.roles)
        elif before.quality != self.settings.quality:
            self.spaces.pause()
            self.look()

    def tick(self) -> bool:
        """
        See what the worker has found, and tell the docks; a timer calls this.

        Returns
        -------
        bool
            Whether work is in progress.
        """
        entry = self.entry
        if self.is_closed:
            return False
        seen = (self.problem, entry and entry.state)
        if seen != self._seen:
            self._seen = seen
            if entry is not None:
                self._note(entry)
            self.looked.emit()
        return entry is not None and entry.is_working

    def frame(self, t: float) -> np.ndarray | None:
        """
        The flow of the visible slice.

        Parameters
        ----------
        t : float
            The time.

        Returns
        -------
        numpy.ndarray or None
            The slice; None as long as there is no draft.
        """
        if self.shown is None:
            return None
        entry, visible, _ = self.shown
        return entry.space(t, visible.region)

    def watch(self, dock: object, visible: bool) -> None:
        """
        Note whether somebody looks: nothing is begun while all docks are hidden.

        Parameters
        ----------
        dock : object
            Who.
        visible : bool
            Whether the dock can be seen.
        """
        before = bool(self._watchers)
        (self._watchers.add if visible else self._watchers.discard)(id(dock))
        if self._watchers and not before:
            self.look()
        elif not self._watchers:
            self.spaces.pause()

    def close(self) -> None:
        """Stop all work and let go of the viewer."""
        if self.is_closed:
            return
        self.spaces.forget()
        self._disconnect_layer()
        self.is_closed = True
        dims = self.viewer.dims.events
        for event in (dims.current_step, dims.order, dims.ndisplay):
            event.disconnect(self._on_dims)
        self.layer = self.source = self.visible = None

    def _note(self, entry: SpaceEntry) -> None:
        """Take over a new extinction time or a message of the worker."""
        if entry.error is not None:
            self.problem = sentence_of(entry.error)
        if entry.space is not None:
            end = entry.drafted_until
            # The range only grows within a layer, so the slider stays where it is between slices.
            if end > 0 and (self.scale is None or end > 1.002 * self.scale.extinction):
                self.scale = TimeScale(end)
                self.scale_changed.emit()
                if not self._time_is_chosen:
                    self._put_time(START * end)

    def _put_time(self, t: float) -> None:
        if t != self.t and not self.is_closed:
            self.t = t
            self.time_changed.emit(t)

    def _on_dims(self) -> None:
        self.look()

    def _on_data(self) -> None:
        roles = None if self.source is None else self.source.roles
        fits = roles is not None and len(roles) == self.layer.ndim
        self.scale = None
        self.choose(self.layer, roles if fits else None)

    def _disconnect_layer(self) -> None:
        if self.layer is not None:
            self.layer.events.data.disconnect(self._on_data)
            self.layer.events.scale.disconnect(self._on_data)
