"""Everything about an image, the options and the output that can be wrong, before computing."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._errors import CliError, library_errors, say
from ._images import Picture, read_picture
from ._jobs import Job
from ._options import FlowOptions
from ._output import Array, refuse_format

TIGHT = 1e-5  # a tolerance below this is near the rounding of float32


@dataclass(frozen=True)
class Task:
    """An image that passed all checks, with the keywords it is computed with."""

    job: Job
    picture: Picture
    image: Array
    shared: Mapping[str, Any]


def check(job: Job, options: FlowOptions, *, quiet: bool = False) -> Task:
    """Read an image, and raise whatever is wrong with it, the options or the output's format.

    Parameters
    ----------
    job : Job
        Input and output.
    options : FlowOptions
        What the user set.
    quiet : bool, optional
        Do not say what the format of the file decided.

    Returns
    -------
    Task
        The image with the keywords for it.
    """
    picture = read_picture(job.source)
    refuse_values(picture)
    channel_axis = picture.channel_axis(options.channel_axis, options.shared.get("batch_axis"))
    shared = dict(options.shared)
    if channel_axis is not None:
        shared["channel_axis"] = channel_axis
        if options.channel_axis is None and not quiet:
            _say_channels(picture, channel_axis)
    task = Task(job, picture, _values(picture, options, quiet=quiet), shared)
    with library_errors(str(job.source)):
        solver_of(task, options).fit(task.image)
    refuse_format(job.target, picture, channel_axis)
    return task


def refuse_constant(task: Task, options: FlowOptions) -> None:
    """Raise if times are to be found for an image that has none."""
    with library_errors(str(task.job.source)):
        constant = not options.times and not np.any(total_variation_of(task.image, task.shared))
    if constant:
        raise CliError(
            f"{task.picture.path} is constant: nothing in it vanishes that times could be chosen "
            "by. Times of your own are needed. Type, for example, -t 0.1 -t 0.2"
        )


def refuse_values(picture: Picture) -> None:
    """Raise if the flow is not defined for the values of a file."""
    array, path = picture.array, picture.path
    if array.dtype.kind == "c":
        raise CliError(
            f"{path} holds complex values ({array.dtype}); real numbers are needed. "
            "Save its real and imaginary parts, or its magnitude, as files of their own."
        )
    if array.dtype.kind not in "fiub":
        raise CliError(
            f"{path} holds values of type {array.dtype}; numbers are needed. "
            "Save what is to be computed as an array of numbers."
        )
    if array.ndim == 0 or array.size == 0:
        raise CliError(
            f"{path} has the shape {array.shape}, in which there is nothing to compute; at least "
            "one axis, and no axis of length 0, is needed. Check how the file was made."
        )
    finite = np.isfinite(array)
    if not finite.all():
        first = tuple(int(i) for i in np.unravel_index(np.argmin(finite), array.shape))
        raise CliError(
            f"{path} holds NaN or infinity: {np.sum(~finite)} of {array.size} values, the first "
            f"({array[first]}) at {first}. Finite values are needed: fill these in, with the mean "
            "for example, where the file was made."
        )


def _say_channels(picture: Picture, axis: int) -> None:
    size = picture.array.shape[axis]
    alpha = " (alpha is one)" if picture.axes[axis] == "S" and size in (2, 4) else ""
    say(
        f"note: {picture.path}: its format says that axis {axis} holds {size} channels{alpha}; "
        "--channel-axis overrides this"
    )


def _values(picture: Picture, options: FlowOptions, *, quiet: bool) -> Array:
    """Return the numbers to compute with, of half the size where nothing is lost by that."""
    array = picture.array
    exact = array.dtype.kind in "iub" and array.dtype.itemsize <= 2
    narrow = exact and options.solver.get("tol", 1.0) >= TIGHT
    dtype = np.float32 if narrow else np.float64
    if options.unit_range and array.dtype.kind in "iu":
        return np.divide(array, np.iinfo(array.dtype).max, dtype=dtype)
    if options.unit_range and not quiet:
        say(f"note: {picture.path}: --unit-range leaves {array.dtype} values as they are")
    return array.astype(dtype) if exact else array


def total_variation_of(image: Array, shared: Mapping[str, Any]) -> Any:
    """Return the total variation, one for each item of a batch."""
    from skimage_tvflow import total_variation

    names = ("spacing", "channel_axis", "batch_axis", "coupled_channels")
    return total_variation(image, **{name: shared[name] for name in names if name in shared})


def times_of(task: Task, options: FlowOptions) -> list[float]:
    """Return the times asked for, or those up to extinction."""
    from skimage_tvflow import geometric_times

    if options.times:
        return list(options.times)
    return [float(t) for t in geometric_times(task.image, options.n_times, **task.shared)]


def solver_of(task: Task, options: FlowOptions) -> Any:
    """Return the estimator that computes a task."""
    from skimage_tvflow import ChambolleTVFlow

    return ChambolleTVFlow(**options.solver, **task.shared)


def refuse_without_matplotlib(what: str) -> None:
    """Raise if matplotlib, which draws `what`, is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CliError(
            f"matplotlib, which draws {what}, is missing. Type: pip install 'skimage-tvflow[plot]'"
        )


def refuse_device(options: FlowOptions) -> None:
    """Raise if there is no such device, before a file is blamed for it."""
    import torch

    from skimage_tvflow.inputs.devices import resolve_device

    with library_errors():
        resolve_device(options.shared.get("device"), home=torch.device("cpu"), dtype=torch.float32)
