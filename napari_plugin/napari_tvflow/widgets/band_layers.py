"""The live layers of the bands: each shows its band of the visible slice."""

from typing import Any

from napari.layers import Image

from napari_tvflow.model.band_image import band_image, symmetric_limits
from napari_tvflow.model.bands import Band
from napari_tvflow.model.layer_kwargs import look_kwargs, spatial_kwargs
from napari_tvflow.model.preview_flag import live_metadata
from napari_tvflow.model.session import Session
from napari_tvflow.widgets.preview import displayable, insert_above


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
        self._token = -1

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

    def tidy(self) -> None:
        """Remove layers of deleted bands and of other images, and bands of deleted layers."""
        layers, bands = self._session.viewer.layers, self._session.bands
        for identifier, layer in list(self._layers.items()):
            if layer not in layers:
                self._forget(identifier)
                bands.remove(identifier)
            elif bands.row(identifier) is None or self._token != self._session.token:
                self._forget(identifier)
                layers.remove(layer)
        self._token = self._session.token

    def refresh_one(self) -> bool:
        """
        Bring the first layer up to date that is not.

        A layer of four million pixels takes most of the time that a slot may take, so there is
        never more than one at a time.

        Returns
        -------
        bool
            Whether there was one.
        """
        self.tidy()
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
        for identifier, layer in list(self._layers.items()):
            self._forget(identifier)
            if layer in self._session.viewer.layers:
                self._session.viewer.layers.remove(layer)

    def _forget(self, identifier: str) -> None:
        self._layers.pop(identifier, None)
        self._shown.pop(identifier, None)

    def _state(self, band: Band) -> object:
        """What is to be shown; None for nothing. The same state is not shown twice."""
        entry, visible = self._session.entry, self._session.visible
        if entry is None or entry.space is None or visible is None:
            return None
        last = min(band.t2, entry.drafted_until)
        return id(entry), str(visible), band, entry.refined_until >= last

    def _hide(self, identifier: str) -> None:
        layer = self._layers.get(identifier)
        if layer is not None:
            layer.visible = False
        self._shown.pop(identifier, None)

    def _show(self, band: Band) -> None:
        session = self._session
        image = band_image(session.entry.space, band, session.visible.region)
        data = session.visible.place(displayable(image, session.source))
        layer = self._layers.get(band.identifier)
        if layer is None:
            self._layers[band.identifier] = self._add(band, data, image)
            return
        was_hidden = band.identifier not in self._shown
        layer.data = data
        if band.is_symmetric and not session.source.rgb:
            layer.contrast_limits = symmetric_limits(image)
        if layer.name != band.name:
            layer.name = band.name
        if was_hidden:
            layer.visible = True

    def _add(self, band: Band, data: Any, image: Any) -> Image:
        session = self._session
        source = session.layer
        look = look_kwargs(source)
        if band.is_symmetric and not session.source.rgb:
            look = {"colormap": "gray", "contrast_limits": symmetric_limits(image)}
        layer = Image(
            data,
            name=band.name,
            metadata=live_metadata(band.identifier),
            **spatial_kwargs(source, session.source.factors),
            **look,
        )
        layers = session.viewer.layers
        insert_above(layers, layer, layers[-1] if len(layers) else source)
        return layer
