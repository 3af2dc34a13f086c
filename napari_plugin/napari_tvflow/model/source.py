"""A layer as the flow sees it: which pixels are one image, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_tvflow.model.axis_roles import Role, guess_roles

# A multiscale layer is computed on its finest level with at most this many pixels in a plane.
MOST_PLANE_PIXELS = 2**24
_EXACT_IN_FLOAT32 = ("u1", "i1", "u2", "i2", "b1", "f2", "f4")


@dataclass(frozen=True, eq=False)
class Source:
    """
    What is to be computed on, fixed at the moment when it was chosen.

    Attributes
    ----------
    name : str
        Name of the layer.
    data : array-like
        The pixels, of one level of a multiscale layer; they are read when they are needed.
    roles : tuple of Role
        One for every axis but that of RGB.
    rgb : bool
        Whether a last axis of red, green, blue, and perhaps alpha, follows.
    scale : tuple of float
        Size of a pixel along every axis, in `unit`.
    unit : str
        Unit of length of the plane's axes.
    coupled : bool
        Whether edges of channels are kept together.
    factors : tuple of float
        Pixels of the layer per pixel of `data`: 1 but for coarse levels.
    """

    name: str
    data: Any
    roles: tuple[Role, ...]
    rgb: bool
    scale: tuple[float, ...]
    unit: str = "pixel"
    coupled: bool = True
    factors: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        layer: Any,
        roles: tuple[Role, ...] | None = None,
        *,
        coupled: bool = True,
        default: Role = Role.IMAGES,
    ) -> Source:
        """
        Describe an image layer.

        Parameters
        ----------
        layer : napari.layers.Image
            The layer; it is not changed.
        roles : tuple of Role, optional
            Roles of its axes; guessed from their names by default.
        coupled : bool, optional
            Whether edges of channels are kept together.
        default : Role, optional
            For axes whose name says nothing.

        Returns
        -------
        Source
            The description.
        """
        levels = list(layer.data) if layer.multiscale else [layer.data]
        plane = slice(layer.ndim - 2, layer.ndim)
        small = [level for level in levels if np.prod(level.shape[plane]) <= MOST_PLANE_PIXELS]
        data = small[0] if small else levels[-1]
        factors = tuple(n / m for n, m in zip(levels[0].shape[: layer.ndim], data.shape))
        roles = guess_roles(layer.axis_labels, default) if roles is None else roles
        scale = tuple(float(h) * f for h, f in zip(layer.scale, factors))
        return cls(
            layer.name, data, roles, bool(layer.rgb), scale, str(layer.units[-1]), coupled, factors
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the axis of RGB."""
        return tuple(self.data.shape[: len(self.roles)])

    @property
    def separate_axes(self) -> tuple[int, ...]:
        """Axes along which every position has a flow of its own."""
        return tuple(axis for axis, role in enumerate(self.roles) if role.is_separate)

    @property
    def item_axes(self) -> tuple[int, ...]:
        """Axes of one image, in the order of the data."""
        return tuple(axis for axis, role in enumerate(self.roles) if not role.is_separate)

    @property
    def n_spatial(self) -> int:
        """2 for images, 3 for volumes."""
        return sum(self.roles[axis] is not Role.CHANNELS for axis in self.item_axes)

    @property
    def pixel(self) -> float:
        """Smallest distance between pixels in `unit`; t is in values times this distance."""
        finest = tuple(abs(h) / f for h, f in zip(self.scale, self._factors))
        return min(self._spatial(finest))

    def parameters(self) -> dict[str, Any]:
        """
        Collect the parameters that tell an estimator about the axes of one image.

        Returns
        -------
        dict
            `channel_axis`, `coupled_channels` and `spacing`, without those that are not needed.
        """
        found: dict[str, Any] = {}
        kept = [self.roles[axis] for axis in self.item_axes]
        if self.rgb or Role.CHANNELS in kept:
            found["channel_axis"] = -1 if self.rgb else kept.index(Role.CHANNELS)
            found["coupled_channels"] = self.coupled
        spacing = tuple(round(abs(h) / self.pixel, 9) for h in self._spatial(self.scale))
        if any(h != 1 for h in spacing):
            found["spacing"] = spacing
        return found

    def images(self) -> Iterator[tuple[int, ...]]:
        """
        Iterate over the separate images.

        Yields
        ------
        tuple of int
            Positions along the separate axes.
        """
        yield from np.ndindex(*(self.shape[axis] for axis in self.separate_axes))

    def index(self, key: tuple[int, ...]) -> tuple[Any, ...]:
        """
        Find one image in the data.

        Parameters
        ----------
        key : tuple of int
            Positions along the separate axes.

        Returns
        -------
        tuple of int and slice
            One for every axis but that of RGB.
        """
        ahead = iter(key)
        return tuple(next(ahead) if role.is_separate else slice(None) for role in self.roles)

    def read(self, key: tuple[int, ...]) -> np.ndarray:
        """
        Read one image, as numbers that the flow computes with.

        Parameters
        ----------
        key : tuple of int
            Positions along the separate axes.

        Returns
        -------
        numpy.ndarray
            float32 where that holds the values exactly, float64 elsewhere; without alpha.
        """
        raw = np.asarray(self.data[self.index(key)])
        image = raw[..., :3] if self.rgb else raw
        exact = image.dtype.str[1:] in _EXACT_IN_FLOAT32
        return np.array(image, np.float32 if exact else np.float64)

    @property
    def _factors(self) -> tuple[float, ...]:
        return self.factors or (1.0,) * len(self.roles)

    def _spatial(self, values: tuple[float, ...]) -> list[float]:
        return [values[axis] for axis in self.item_axes if self.roles[axis] is not Role.CHANNELS]
