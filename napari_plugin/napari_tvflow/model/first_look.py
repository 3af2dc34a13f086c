"""A first look at a large image: the flow of a smaller copy, while the draft is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# Images of more pixels get a first look, of a copy with fewer than these. The draft of a million
# pixels takes about a second.
_LARGE, _SMALL = 1_500_000, 400_000


class FirstLook:
    """
    Answers as a scale space does, with large pixels.

    Parameters
    ----------
    image : numpy.ndarray
        The image; its first two axes but that of channels are the plane.
    space : ScaleSpace
        The flow of the smaller copy.
    axes : tuple of int
        The axes of the plane.
    factor : int
        Pixels of the image per pixel of the copy, along each of them.
    """

    is_refined = False
    refined_until = 0.0

    def __init__(self, image: np.ndarray, space: Any, axes: tuple[int, ...], factor: int) -> None:
        self._image, self._space, self._axes, self._factor = image, space, axes, factor
        self.times = space.times

    def __call__(self, t: float, region: Any = ...) -> np.ndarray:
        """
        The flow at a time.

        Parameters
        ----------
        t : float
            The time; 0 gives the image itself.
        region : index, optional
            The part that is needed.

        Returns
        -------
        numpy.ndarray
            An image.
        """
        return self._image[region] if t == 0 else self._enlarge(self._space(t))[region]

    def low_pass(self, t: float, region: Any = ...) -> np.ndarray:
        """
        What vanishes at a time or later.

        Parameters
        ----------
        t : float
            The time.
        region : index, optional
            The part that is needed.

        Returns
        -------
        numpy.ndarray
            An image.
        """
        return self._enlarge(self._space.low_pass(t))[region]

    def _enlarge(self, u: np.ndarray) -> np.ndarray:
        for axis in self._axes:
            u = np.repeat(u, self._factor, axis)
        return u[tuple(slice(n) for n in self._image.shape)]


def first_look(
    image: np.ndarray, parameters: dict[str, Any], report: Callable[[float], bool]
) -> FirstLook | None:
    """
    Compute the flow of a smaller copy of a large image.

    Parameters
    ----------
    image : numpy.ndarray
        The image.
    parameters : dict
        What `scale_space` is told about its axes.
    report : callable
        Is told the fraction of the work done; returns True to stop.

    Returns
    -------
    FirstLook or None
        None for small images, which need none, and for volumes.
    """
    channel = parameters.get("channel_axis")
    axes = tuple(k for k in range(image.ndim) if channel is None or k != channel % image.ndim)
    pixels = int(np.prod([image.shape[axis] for axis in axes]))
    if len(axes) != 2 or pixels <= _LARGE:
        return None
    from skimage_tvflow import scale_space

    factor = int(np.ceil(np.sqrt(pixels / _SMALL)))
    small = image
    for axis in axes:
        edges = np.arange(0, image.shape[axis], factor)
        counts = np.diff(np.append(edges, image.shape[axis]))
        shape = [-1 if k == axis else 1 for k in range(image.ndim)]
        small = np.add.reduceat(small, edges, axis) / counts.reshape(shape)
    spacing = tuple(factor * h for h in parameters.get("spacing", (1.0, 1.0)))
    values = {**parameters, "spacing": spacing}
    space = scale_space(
        small.astype(image.dtype), tol=1e-2, refine=False, callback=report, **values
    )
    return FirstLook(image, space, axes, factor)
