"""The live layers of the bands: each shows its band of the visible slice."""

from typing import Any

from napari.layers import Image

from napari_tvflow.model.band_image import band_image, symmetric_limits
from napari_tvflow.model.bands import Band
from napari_tvflow.model.layer_kwargs import look_kwargs, spatial_kwargs
from napari_tvflow.model.preview_flag import live_metadata
from napari_tvflow.model.rgb import displayable
from napari_tvflow.model.session import Session
from napari_tvflow.model.source import Source
from napari_tvflow.widgets.preview import insert_above


class BandLayers:
    """
    Keeps one layer for each band, and computes one of them at a time.

    Parameters
    ----------
    session : Session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layers: dict[str, Image] = {}
        self._shown: dict[str, object] = {}
        # Made, but not yet in the viewer.
        self._new: tuple[str, Image] | None = None
        self._spare: set[Image] = set()
        self._token = -1
        self.is_wanted = True

    def layer(self, identifier: str) -> Image | None:
        """
        Return the layer of a band.

        Parameters
        ----------
        identifier : str
            The band.

        Returns
        -------
        napari.layers.Image or None
            Its layer, if there is one.
        """
        return self._layers.get(identifier)

    def refresh_one(self) -> bool:
        """
        Take one step towards layers that show the bands as they are.

        napari takes 60 ms to add a layer and 150 ms to remove one, so a step is never more than
        one of them, and the window stays responsive.

        Returns
        -------
        bool
            Whether there was anything to do.
        """
        return self._tidy_one() or self._insert_new() or self._show_one()

    def _tidy_one(self) -> bool:
        """Remove a layer of a deleted band or of another image, or the band of a deleted layer."""
        layers, bands = self._session.viewer.layers, self._session.bands
        if self._token != self._session.token:
            self._token, self._new = self._session.token, None
            self._spare |= set(self._layers.values())
            self._layers.clear()
            self._shown.clear()
        for identifier, layer in list(self._layers.items()):
            if layer not in layers:
                self._forget(identifier)
                bands.remove(identifier)
                return True
            if bands.row(identifier) is None:
                self._forget(identifier)
                self._spare.add(layer)
        while self._spare:
            layer = self._spare.pop()
            if layer in layers:
                layers.remove(layer)
                return True
        return False

    def _insert_new(self) -> bool:
        if self._new is None:
            return False
        (identifier, layer), self._new = self._new, None
        if self._session.bands.row(identifier) is not None:
            layers = self._session.viewer.layers
            insert_above(layers, layer, layers[-1] if len(layers) else None)
            self._layers[identifier] = layer
        return True

    def _show_one(self) -> bool:
        for band in self._session.bands:
            state = self._state(band)
            if state is None:
                self._hide(band.identifier)
            elif self._shown.get(band.identifier) != state:
                self._show(band)
                self._shown[band.identifier] = state
                return True
        return False

    def remove(self) -> None:
        """Take all layers away."""
        for layer in {*self._layers.values(), *self._spare}:
            if layer in self._session.viewer.layers:
                self._session.viewer.layers.remove(layer)
        self._layers.clear()
        self._shown.clear()
        self._spare.clear()
        self._new = None

    def _forget(self, identifier: str) -> None:
        self._layers.pop(identifier, None)
        self._shown.pop(identifier, None)

    def _state(self, band: Band) -> object:
        """What is to be shown; None for nothing. The same state is not shown twice."""
        shown = self._session.shown
        if not self.is_wanted or shown is None:
            return None
        entry, visible, _ = shown
        last = min(band.t2, entry.drafted_until)
        return id(entry.space), str(visible), band, entry.refined_until >= last

    def _hide(self, identifier: str) -> None:
        layer = self._layers.get(identifier)
        if layer is not None:
            layer.visible = False
        self._shown.pop(identifier, None)

    def _show(self, band: Band) -> None:
        if self._session.shown is None:
            return
        entry, visible, source = self._session.shown
        image = band_image(entry.space, band, visible.region)
        data = visible.place(displayable(image, source, band.is_symmetric))
        layer = self._layers.get(band.identifier)
        if layer is None:
            self._new = band.identifier, self._make(band, data, image, source)
            return
        was_hidden = band.identifier not in self._shown
        layer.data = data
        if band.is_symmetric and not source.rgb:
            layer.contrast_limits = symmetric_limits(image)
        if layer.name != band.name:
            layer.name = band.name
        if was_hidden:
            layer.visible = True

    def _make(self, band: Band, data: Any, image: Any, source: Source) -> Image:
        look = look_kwargs(self._session.layer)
        if band.is_symmetric and not source.rgb:
            look = {"colormap": "gray", "contrast_limits": symmetric_limits(image)}
        return Image(
            data,
            name=band.name,
            metadata=live_metadata(band.identifier),
            **spatial_kwargs(self._session.layer, source.factors),
            **look,
        )
