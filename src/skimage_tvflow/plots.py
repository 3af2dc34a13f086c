"""Pictures of a flow and of its spectral decomposition, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skimage_tvflow.inputs.arrays import ingest
from skimage_tvflow.inputs.numbers import check_number
from skimage_tvflow.number_format import format_number
from skimage_tvflow.spectral.decomposition import SpectralDecomposition

COLUMNS = 4
N_GROUPS = 2 * COLUMNS - 1  # groups of bands that, with the residual, fill two rows
N_NAMED = 10  # number of colours in matplotlib's cycle: more lines get no legend
CLIPPED = 0.5  # per cent of the pixels that may be clipped, or a few extreme ones set the contrast
FAINT = 0.02  # smallest range shown, as part of the image's: a smaller one would show rounding


def plot_spectrum(decomposition: SpectralDecomposition, ax: Any = None, *, kind: str = "l1") -> Any:
    """Draw the spectrum of a decomposition over time.

    The axis of time is logarithmic if the times are closer to a geometric than to an arithmetic
    progression, otherwise linear.

    Parameters
    ----------
    decomposition : SpectralDecomposition
        The result of `spectral_decompose`; every image of a batch gets its own line.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    kind : {"l1", "l2"}, optional
        Which spectrum, as for `SpectralDecomposition.power_spectrum`.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If `kind` is neither.

    See Also
    --------
    plot_bands : Show the bands themselves.

    Examples
    --------
    >>> from skimage import data
    >>> from skimage_tvflow import geometric_times, plot_spectrum, spectral_decompose
    >>> image = data.camera()[::8, ::8] / 255
    >>> parts = spectral_decompose(image, geometric_times(image, 8))
    >>> plot_spectrum(parts).get_xscale()
    'log'
    """
    heights = decomposition.power_spectrum(kind)
    ax = _grid(ax, 1, (6.0, 4.0)).ravel()[0]
    lines = ax.plot(decomposition.times, heights, marker="o", markersize=3)
    if heights.ndim == 2 and len(lines) <= N_NAMED:
        ax.legend(lines, [f"image {k}" for k in range(len(lines))])
    if _are_geometric(decomposition.times):
        ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("time t")
    ax.set_ylabel(f"spectrum S(t), {kind.upper()}")
    return ax


def plot_bands(
    decomposition: SpectralDecomposition, axes: Any = None, *, n: int | None = None
) -> np.ndarray:
    """Show the bands of a 2-D image side by side, and the residual.

    Neighbouring bands are added up to groups. In each group grey is 0, and black and white are the
    largest negative and positive values; the residual is shown with the range of the image.

    Parameters
    ----------
    decomposition : SpectralDecomposition
        The result of `spectral_decompose` for a 2-D image, gray or with red, green and blue along
        its last axis.
    axes : array of matplotlib Axes, optional
        Where to draw; axes that are not needed are left blank. A new figure by default.
    n : int, optional
        Largest number of groups; by default as many as `axes` has room for, or seven.

    Returns
    -------
    ndarray of matplotlib Axes
        `axes`, or the new ones.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If the image is not 2-D, `n` is not a positive integer, or there are too few `axes`.

    See Also
    --------
    plot_spectrum : Draw how much vanishes at each time.

    Examples
    --------
    >>> from skimage import data
    >>> from skimage_tvflow import geometric_times, plot_bands, spectral_decompose
    >>> image = data.camera()[::8, ::8] / 255
    >>> parts = spectral_decompose(image, geometric_times(image, 8))
    >>> [ax.get_title() for ax in plot_bands(parts, n=2).ravel()[2:]]
    ['residual']
    """
    residual = _read_image(decomposition.residual, "the decomposed image")
    bands = ingest(decomposition.bands).tensor.cpu().numpy()
    if n is None:
        n = N_GROUPS if axes is None else max(np.size(axes) - 1, 1)
    n = min(check_number(n, "n", 1, example=7, integer=True), len(bands))
    groups = np.array_split(np.arange(len(bands)), n)
    images = [bands[group].sum(0) for group in groups]
    grid = _grid(axes, len(images) + 1)
    whole = sum(images) + residual
    for ax, group, image in zip(grid.ravel(), groups, images):
        reach = max(np.percentile(np.abs(image), 100 - CLIPPED), FAINT * np.ptp(whole))
        ends = dict.fromkeys(decomposition.times[group[[0, -1]]])  # one for a single band
        title = " to ".join(format_number(t, 2) for t in ends)
        _show(ax, image, -reach, reach, f"t = {title}")
    _show(grid.ravel()[len(images)], residual, whole.min(), whole.max(), "residual")
    return grid


def plot_scale_space(frames: Any, times: Sequence[float], axes: Any = None) -> np.ndarray:
    """Show the flow of a 2-D image at several times side by side.

    All frames are shown with the same range, from their smallest to their largest value.

    Parameters
    ----------
    frames : sequence or array of T images
        Each 2-D, or 2-D with red, green and blue along its last axis.
    times : sequence of T floats
        One for each.
    axes : array of matplotlib Axes, optional
        Where to draw; axes that are not needed are left blank. A new figure by default.

    Returns
    -------
    ndarray of matplotlib Axes
        `axes`, or the new ones.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If the frames are not 2-D images, there are not as many as times, or there are too few
        `axes`.

    Examples
    --------
    >>> from skimage import data
    >>> from skimage_tvflow import plot_scale_space, tv_flow
    >>> image = data.camera()[::8, ::8] / 255
    >>> times = [0.0, 0.1, 0.2]
    >>> [ax.get_title() for ax in plot_scale_space(tv_flow(image, times), times)[0]]
    ['t = 0', 't = 0.1', 't = 0.2']
    """
    images = [_read_image(frame, "a frame") for frame in frames]
    if len(images) != len(times) or not images:
        raise ValueError(
            f"There are {len(images)} frames and {len(times)} times, and one time for each of at "
            "least one frame is needed. Pass what the flow returned with the times it was given."
        )
    grid = _grid(axes, len(images))
    low, high = min(map(np.min, images)), max(map(np.max, images))
    for ax, image, t in zip(grid.ravel(), images, times):
        _show(ax, image, low, high, f"t = {format_number(t)}")
    return grid


def _show(ax: Any, image: np.ndarray, low: float, high: float, title: str) -> None:
    """Draw one image, with `low` black and `high` white, and nothing around it but a title."""
    if image.ndim == 3:
        # Leave alpha out: a band of it is no colour and would make the picture transparent.
        image = np.clip((image[..., :3] - low) / max(high - low, np.finfo(float).tiny), 0, 1)
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    ax.set_title(title, fontsize=11)
    ax.set_axis_off()


def _are_geometric(times: np.ndarray) -> bool:
    """Tell whether times are closer to a geometric than to an arithmetic progression."""
    if len(times) < 3 or times[0] <= 0:
        return False
    uneven = [np.std(steps) / np.mean(steps) for steps in (np.diff(np.log(times)), np.diff(times))]
    return bool(uneven[0] < uneven[1])


def _read_image(image: Any, what: str) -> np.ndarray:
    """Read an image that can be drawn: 2-D, gray or with its colours last."""
    values = ingest(image).tensor.cpu().numpy()
    if values.ndim != 2 and (values.ndim != 3 or values.shape[-1] not in (3, 4)):
        raise ValueError(
            f"{what} has the shape {values.shape}, and a 2-D image, with 3 or 4 channels last if "
            "any, is needed. Pass a 2-D slice, one image of a batch, or the channels last."
        )
    return values


def _grid(axes: Any, n_images: int, size: tuple[float, float] = (2.6, 2.8)) -> np.ndarray:
    """Return an array of at least as many axes as images, the others blank."""
    if axes is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                "matplotlib is needed to draw pictures, and it is not installed. "
                "Type: pip install 'skimage-tvflow[plot]'"
            ) from error
        columns = min(COLUMNS, n_images)
        rows = -(-n_images // columns)
        figure = plt.figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    grid = np.atleast_1d(np.asarray(axes, dtype=object))
    if grid.size < n_images:
        raise ValueError(
            f"axes holds {grid.size}, and {n_images} are needed, one for each image. Pass "
            f"{n_images} axes, or leave axes out for a new figure."
        )
    for ax in grid.ravel()[n_images:]:
        ax.set_axis_off()
    return grid
