"""Figure 1 of the paper: an image, its flow by every method, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["draw"]

# Differences from the model-driven flow are shown this many times as large.
_ENLARGED = 10


def draw(image: np.ndarray, steps: np.ndarray, last: Mapping[str, np.ndarray]) -> Any:
    """
    Draw the last frame of all methods.

    Parameters
    ----------
    image, steps : ndarray of shape (size, size)
        The image, and the last frame of the model-driven flow.
    last : mapping
        The last frame of every method, by name.

    Returns
    -------
    matplotlib Figure
        Two rows: frames, and differences.
    """
    from matplotlib.figure import Figure  # pyplot would look for a screen

    shown = {"image": image, "model-driven": steps} | dict(last)
    figure = Figure(figsize=(1.7 * len(shown), 3.8), layout="constrained")
    axes = figure.subplots(2, len(shown), squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for column, (name, u) in enumerate(shown.items()):
        axes[0, column].imshow(u, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes[0, column].set_title(name, fontsize=8)
        if name != "model-driven":
            reach = 0.5 / _ENLARGED
            axes[1, column].imshow(
                u - steps, cmap="gray", vmin=-reach, vmax=reach, interpolation="nearest"
            )
    axes[1, 1].set_title(f"differences,\n{_ENLARGED} times enlarged", y=0.3, fontsize=8)
    return figure
