"""The position, size and look of a layer, for layers that are computed from it."""

from __future__ import annotations

from typing import Any

import numpy as np


def spatial_kwargs(layer: Any, factors: tuple[float, ...] = ()) -> dict[str, Any]:
    """
    Collect where a layer lies.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    factors : tuple of float, optional
        Pixels of the layer per pixel of the new one, for a coarse level.

    Returns
    -------
    dict
        Scale, translate, rotate, shear, affine, units and axis labels.
    """
    scale, translate = np.array(layer.scale), np.array(layer.translate)
    if any(f != 1 for f in factors):
        from napari.utils.transforms import Affine

        place = Affine(
            scale=layer.scale, rotate=layer.rotate, shear=layer.shear, translate=layer.translate
        )
        # The centre of the first coarse pixel lies between those of the fine ones that it covers.
        translate = place((np.array(factors) - 1) / 2)
        scale = scale * factors
    return {
        "scale": scale,
        "translate": translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def look_kwargs(layer: Any) -> dict[str, Any]:
    """
    Collect how a layer looks.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.

    Returns
    -------
    dict
        Contrast limits, colormap and gamma; nothing for RGB, which has none.
    """
    if layer.rgb:
        return {"rgb": True}
    return {
        "contrast_limits": tuple(map(float, layer.contrast_limits)),
        "colormap": layer.colormap,
        "gamma": layer.gamma,
    }


def with_time_axis(spatial: dict[str, Any], n_axes: int) -> dict[str, Any]:
    """
    Add an axis of t in front of others.

    Parameters
    ----------
    spatial : dict
        What `spatial_kwargs` returned.
    n_axes : int
        Number of axes without t.

    Returns
    -------
    dict
        The same with one axis more, along which a step is 1.
    """
    from napari.utils.transforms import Affine

    names = ("scale", "translate", "rotate", "shear")
    place = Affine(ndim=n_axes, **{name: spatial[name] for name in names}).expand_dims([0])
    return {
        **{name: getattr(place, name) for name in names},
        "affine": spatial["affine"].expand_dims([0]),
        "units": ("pixel", *spatial["units"]),
        "axis_labels": ("flow time", *spatial["axis_labels"]),
    }
