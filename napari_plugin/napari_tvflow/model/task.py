"""What Run is to compute: everything is taken at the press of the button, and nothing later."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_tvflow.model.axis_roles import Role
from napari_tvflow.model.layer_kwargs import look_kwargs, spatial_kwargs
from napari_tvflow.model.provenance import about_result
from napari_tvflow.model.settings import FlowSettings
from napari_tvflow.model.source import Source

LayerTuple = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True, eq=False)
class Task:
    """
    A layer, a time and settings.

    Attributes
    ----------
    source : Source
        The layer as the flow sees it.
    settings : FlowSettings
        How to compute.
    t : float
        The time.
    spatial, look, metadata : dict
        What the new layer takes over.
    mask : array-like or None
        Where it is 0 or False the result is the image itself.
    """

    source: Source
    settings: FlowSettings
    t: float
    spatial: dict[str, Any] = field(repr=False)
    look: dict[str, Any] = field(repr=False)
    metadata: dict[str, Any] = field(repr=False)
    mask: Any = None

    @classmethod
    def of(
        cls,
        layer: Any,
        t: float,
        settings: FlowSettings,
        roles: tuple[Role, ...] | None = None,
        mask: Any = None,
    ) -> Task:
        """
        Take down what is to be computed.

        Parameters
        ----------
        layer : napari.layers.Image
            The layer.
        t : float
            The time.
        settings : FlowSettings
            How to compute.
        roles : tuple of Role, optional
            Roles of its axes, guessed by default.
        mask : array-like, optional
            Where the flow is wanted; of the shape of the layer, or of its last axes.

        Returns
        -------
        Task
            The task.

        Raises
        ------
        ValueError
            If the mask does not fit.
        """
        source = Source.of(layer, roles, coupled=settings.coupled, default=settings.stack)
        if mask is not None:
            try:
                np.broadcast_shapes(np.shape(mask), source.shape)
            except ValueError:
                raise ValueError(
                    f"The mask has the shape {np.shape(mask)} and '{layer.name}' {source.shape}: "
                    "choose a mask of the same shape, or none."
                ) from None
        spatial = spatial_kwargs(layer, source.factors)
        return cls(source, settings, t, spatial, look_kwargs(layer), dict(layer.metadata), mask)

    def at(self, t: float) -> Task:
        """
        Choose another time.

        Parameters
        ----------
        t : float
            The time.

        Returns
        -------
        Task
            The same task for that time.
        """
        return replace(self, t=t)

    def mask_of(self, key: tuple[int, ...]) -> np.ndarray | None:
        """
        Return the mask of one of the separate images.

        Parameters
        ----------
        key : tuple of int
            Which one.

        Returns
        -------
        numpy.ndarray of bool, or None
            True where the image is data.
        """
        if self.mask is None:
            return None
        everywhere = np.broadcast_to(np.asarray(self.mask) != 0, self.source.shape)
        return np.array(everywhere[self.source.index(key)])

    def layer(
        self, data: Any, name: str, *, output: str, look: dict[str, Any] | None = None, **facts: Any
    ) -> LayerTuple:
        """
        Make a new layer of a result.

        Parameters
        ----------
        data : array-like
            The result.
        name : str
            What it is, for the layer's name.
        output : str
            What it is, for its metadata.
        look : dict, optional
            Instead of the look of the layer.
        **facts : dict
            For the metadata: error, bound, times, ...

        Returns
        -------
        tuple
            Data, attributes and "image", as napari takes layers from plugins.
        """
        about = about_result(self.source, self.settings, output, **facts)
        attributes = {
            "name": f"{self.source.name} | {name}",
            "metadata": {**self.metadata, "napari_tvflow": about},
            **self.spatial,
            **(self.look if look is None else look),
        }
        return data, attributes, "image"
