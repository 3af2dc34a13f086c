"""What `TVFlowNet.fit` may be given, as separate images of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from skimage_tvflow.inputs.arrays import ingest
from skimage_tvflow.inputs.axes import ImageAxes

__all__ = ["entries_of", "listed", "refuse_grid", "separate"]


def entries_of(images: Any) -> Sequence[Any] | None:
    """
    Return the images of a collection.

    Parameters
    ----------
    images : object
        What `fit` was given.

    Returns
    -------
    sequence or None
        The entries of a list of images or of a Dataset, of whose tuples the first ones; None for
        an image or a stack, also as nested lists of numbers.
    """
    if isinstance(images, torch.utils.data.Dataset):
        entries = (images[k] for k in range(len(images)))  # type: ignore[arg-type]
        return [entry[0] if isinstance(entry, tuple) else entry for entry in entries]
    if not isinstance(images, list | tuple) or (images and np.ndim(images[0]) < 2):
        return None
    return images


def listed(
    entries: Sequence[Any], *, batch_axis: int | None, channel_axis: int | None, spacing: Any
) -> list[np.ndarray]:
    """
    Take a list of images apart.

    Parameters
    ----------
    entries : sequence of array-like
        Images of any sizes.
    batch_axis, channel_axis, spacing : object
        Parameters of the estimator, which speak of every image.

    Returns
    -------
    list of ndarray
        As of `separate`.

    Raises
    ------
    ValueError, TypeError
        If there is none, one is not what it must be, or images and volumes are mixed.
    """
    found = []
    for number, entry in enumerate(entries):
        data = ingest(entry, device="cpu", name=f"images[{number}]")
        axes = ImageAxes.resolve(
            data.tensor.shape, batch_axis=batch_axis, channel_axis=channel_axis
        )
        refuse_grid(axes, axes.spacing(spacing))
        found += separate(axes.to_core(data.tensor))
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


def refuse_grid(axes: ImageAxes, spacing: Sequence[float]) -> None:
    """
    Raise if a network cannot look at an image.

    Parameters
    ----------
    axes : ImageAxes
        Those of the image.
    spacing : sequence of float
        One per spatial axis.

    Raises
    ------
    ValueError
        If the spacing differs between axes, or there are more than three.
    """
    if len(set(spacing)) > 1:
        raise ValueError(
            f"spacing={tuple(spacing)} differs between axes, and the network knows only grids of "
            "equal spacing. Resample the image, pass spacing=1.0, or use ChambolleTVFlow."
        )
    if axes.n_spatial > 3:
        raise ValueError(
            f"The image has {axes.n_spatial} spatial axes, and the network takes up to 3. "
            "Pass batch_axis or channel_axis for axes that are not in space."
        )


def separate(u: torch.Tensor) -> list[np.ndarray]:
    """
    Take items and channels apart; signals become images of one row.

    Parameters
    ----------
    u : Tensor of shape (N, C, *spatial)
        Images of the core.

    Returns
    -------
    list of ndarray, float32
        Each with two or three axes.
    """
    shape = u.shape[2:] if u.ndim > 3 else (1, *u.shape[2:])
    return list(u.cpu().numpy().astype(np.float32).reshape(-1, *shape))
