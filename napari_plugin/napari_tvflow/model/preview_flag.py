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
