"""How layers of the plugin are told from others: by an entry of their metadata."""

from __future__ import annotations

from typing import Any

KEY = "napari_tvflow"


def is_preview(layer: Any) -> bool:
    """
    Tell whether a layer shows a slice only, for as long as a dock is open.

    Parameters
    ----------
    layer : napari.layers.Layer
        Any layer.

    Returns
    -------
    bool
        True for the live preview and for live bands.
    """
    about = layer.metadata.get(KEY)
    return isinstance(about, dict) and "live" in about


def live_metadata(what: str) -> dict[str, Any]:
    """
    Make the metadata of a layer that shows a slice only.

    Parameters
    ----------
    what : str
        "flow", or the identifier of a band.

    Returns
    -------
    dict
        For `layer.metadata`.
    """
    return {KEY: {"live": what}}


def layers_to_choose(viewer: Any) -> list[Any]:
    """
    List the layers that the user can choose.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.

    Returns
    -------
    list of napari.layers.Layer
        All layers but live ones, from the top down.
    """
    return [layer for layer in reversed(viewer.layers) if not is_preview(layer)]


def default_layer(viewer: Any) -> Any:
    """
    Choose a layer for the user.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.

    Returns
    -------
    napari.layers.Layer or None
        The active layer, or else the image on top, or else any layer.
    """
    layers, active = layers_to_choose(viewer), viewer.layers.selection.active
    images = [layer for layer in layers if type(layer).__name__ == "Image"]
    return active if active in layers else next(iter(images or layers), None)
