"""From what `TVFlowNet.fit` is given to separate images that a network can be trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.arrays import ingest
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.caller import stacklevel_of_caller

__all__ = ["as_image_list", "check_grid", "split_image", "split_images", "warn_of_colours"]

# A last axis of this length, behind two longer ones, is more often colours than slices.
_COLOUR_COUNTS = (3, 4)


def as_image_list(images: Any) -> Sequence[Any] | None:
    """
    Return the images of a collection.

    Parameters
    ----------
    images : object
        What `fit` was given.

    Returns
    -------
    sequence or None
        The entries of a list of images, or the first entries of a Dataset's tuples; None for one
        array, also one written as nested lists of numbers.
    """
    if isinstance(images, torch.utils.data.Dataset):
        entries = (images[k] for k in range(len(images)))  # type: ignore[arg-type]
        return [entry[0] if isinstance(entry, tuple) else entry for entry in entries]
    if not isinstance(images, list | tuple) or (images and np.ndim(images[0]) < 2):
        return None
    return images


def split_images(
    entries: Sequence[Any], *, batch_axis: int | None, channel_axis: int | None, spacing: Any
) -> list[np.ndarray]:
    """
    Split every image of a list into its items and channels.

    Parameters
    ----------
    entries : sequence of array-like
        Images of any sizes.
    batch_axis, channel_axis, spacing : object
        Parameters of the estimator, which hold for every image.

    Returns
    -------
    list of ndarray
        The results of `split_image`, one after the other.

    Raises
    ------
    ValueError, TypeError
        If the list is empty, an image is not valid, or images and volumes are mixed.
    """
    found = []
    for number, entry in enumerate(entries):
        data = ingest(entry, device="cpu", name=f"images[{number}]")
        axes = ImageAxes.resolve(
            data.tensor.shape, batch_axis=batch_axis, channel_axis=channel_axis
        )
        check_grid(axes, axes.spacing(spacing))
        found += split_image(axes.to_core(data.tensor))
    if not found:
        raise ValueError(
            "There is no image to learn from: got an empty list. Pass at least one image."
        )
    if len({image.ndim for image in found}) > 1:
        raise ValueError(
            "Images must all have two, or all have three spatial axes, got both. Train a network "
            "for each kind: pass only images, or only volumes."
        )
    return found


def split_image(u: torch.Tensor) -> list[np.ndarray]:
    """
    Split an image into its items and channels.

    Parameters
    ----------
    u : Tensor of shape (N, C, *spatial)
        Images in the layout of the core.

    Returns
    -------
    list of ndarray, float32
        Each with 2 or 3 axes, mean 0 and values of size 1; signals become images of one row.
    """
    shape = u.shape[2:] if u.ndim > 3 else (1, *u.shape[2:])
    separate = u.cpu().numpy().reshape(-1, *shape)
    return [_standardised(image) for image in separate]


def check_grid(axes: ImageAxes, spacing: Sequence[float]) -> None:
    """
    Raise if a network cannot process an image.

    Parameters
    ----------
    axes : ImageAxes
        The axes of the image.
    spacing : sequence of float
        One per spatial axis.

    Raises
    ------
    ValueError
        If the spacing differs between axes, or there are more than three.
    """
    if len(set(spacing)) > 1:
        raise ValueError(
            f"spacing={tuple(spacing)} differs between axes, and the network is for grids of "
            "equal spacing. Resample the image, pass spacing=1.0, or use ChambolleTVFlow."
        )
    if axes.n_spatial > 3:
        raise ValueError(
            f"The image has {axes.n_spatial} spatial axes, and the network takes up to 3. "
            "Pass batch_axis or channel_axis for axes that are not in space."
        )


def warn_of_colours(images: Sequence[np.ndarray]) -> None:
    """
    Warn the caller of the caller if a volume looks like an image with colours.

    Parameters
    ----------
    images : sequence of ndarray
        Of `split_images`.
    """
    for image in images:
        *sizes, last = image.shape
        if image.ndim == 3 and last in _COLOUR_COUNTS and min(sizes) > max(_COLOUR_COUNTS):
            warnings.warn(
                f"An image with spatial axes {image.shape} is learned from as a volume of {last} "
                "slices along its last axis. If these are colours, type channel_axis=-1. If they "
                "are slices, put their axis first: numpy.moveaxis(image, -1, 0).",
                UserWarning,
                stacklevel=stacklevel_of_caller(),
            )
            return


def _standardised(image: np.ndarray) -> np.ndarray:
    """Return the image minus its mean, divided by a power of two, in float32.

    The mean would cost digits in float32, and values such as 1e200 do not fit into it. The network
    sees no difference: it is trained on the image without its mean, over its standard deviation.
    """
    if image.min() == image.max():
        return np.zeros(image.shape, np.float32)
    # Divided twice: before the mean, whose sum may overflow, and after it.
    centred = _to_size_one(image.astype(np.float64))
    centred -= centred.mean()
    return _to_size_one(centred).astype(np.float32)


def _to_size_one(image: np.ndarray) -> np.ndarray:
    _, exponent = np.frexp(np.abs(image).max())
    return np.ldexp(image, -int(exponent))
