"""`skimage-tvflow flow`: read, check everything, compute, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._errors import CliError, library_errors, say
from ._images import TIFF_SUFFIXES, Picture, read_picture
from ._jobs import Job, plan_jobs
from ._options import FlowOptions
from ._output import Array, refuse_format, whole_file, write_integers
from ._report import print_json, print_table, progress_bar, spoken_warnings
from ._tiff import write_tiff

N_TIMES = 12
SHORT = 0.01  # of the extinction time: below this hardly anything happens to an image
ROUGHLY = 0.5  # a warning about a factor of a hundred must not take longer than the flow itself


def run(
    images: Sequence[Path], output: str, options: FlowOptions, *, force: bool, as_json: bool
) -> None:
    """Compute the flow of every image.

    Parameters
    ----------
    images : sequence of Path
        Files and folders.
    output : str
        A file for one input file, otherwise a folder; a slash at its end says folder.
    options : FlowOptions
        What the user set.
    force : bool
        Overwrite existing outputs.
    as_json : bool
        Report for machines.
    """
    jobs = plan_jobs(images, output, force=force)
    # All inputs are read before the first is computed: a mistake in the last must not cost an hour.
    # They are read again later, as many images together may not fit into the memory.
    first, *others = jobs
    task = check(first, options)
    for job in others:
        check(job, options)
    records = []
    for job in jobs:
        if job is not first:
            task = check(job, options, quiet=True)
        with spoken_warnings(str(job.source)):
            record = _compute(task, options, force=force)
        records.append(record)
        if not as_json:
            _show(record)
    if as_json:
        print_json({"files": records})


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
    channel_axis = picture.channel_axis(options.channel_axis, options.shared.get("batch_axis"))
    shared = dict(options.shared)
    if channel_axis is not None:
        shared["channel_axis"] = channel_axis
        if options.channel_axis is None and not quiet:
            _say_channels(picture, channel_axis)
    task = Task(job, picture, _values(picture, options, quiet=quiet), shared)
    with library_errors(str(job.source)):
        _solver(task, options).fit(task.image)
    refuse_format(job.target, picture, channel_axis)
    if job.target.suffix.lower() not in TIFF_SUFFIXES and len(options.times) != 1:
        raise CliError(
            f"{len(options.times) or N_TIMES} times cannot go into one {job.target.suffix} file; a "
            f"TIFF stack is needed. Type -o {job.target.with_suffix('.tif')}, or a single -t."
        )
    return task


def _say_channels(picture: Picture, axis: int) -> None:
    size = picture.array.shape[axis]
    alpha = " (alpha is one)" if picture.axes[axis] == "S" and size in (2, 4) else ""
    say(
        f"note: {picture.path}: its format says that axis {axis} holds {size} channels{alpha}; "
        "--channel-axis overrides this"
    )


def _values(picture: Picture, options: FlowOptions, *, quiet: bool) -> Array:
    array = picture.array
    if not options.unit_range:
        return array
    if np.issubdtype(array.dtype, np.integer):
        return array / np.iinfo(array.dtype).max
    if not quiet:
        say(f"note: {picture.path}: --unit-range leaves {array.dtype} values as they are")
    return array


def _solver(task: Task, options: FlowOptions) -> Any:
    from skimage_tvflow import ChambolleTVFlow

    return ChambolleTVFlow(**options.solver, **task.shared)


def _compute(task: Task, options: FlowOptions, *, force: bool) -> dict[str, Any]:
    job = task.job
    with progress_bar(job.source.name) as show, library_errors(str(job.source)):
        times = _times(task, options)
        clock = Clock(times, show)
        solver = _solver(task, options)
        result = solver.solve(task.image, times, certify=False, callback=clock)
        seconds = clock.stop()
        variation = [_total_variation(frame, task.shared) for frame in result.u]
    job.target.parent.mkdir(parents=True, exist_ok=True)  # only folders for several may be missing
    with whole_file(job.target, force=force) as partial:
        _write(partial, np.asarray(result.u), times, task.picture, options)
    return {
        "input": str(job.source),
        "output": str(job.target),
        "shape": task.picture.array.shape,
        "channel_axis": task.shared.get("channel_axis"),
        "times": times,
        "total_variation": variation,
        "seconds": seconds[-1],
        "seconds_at_times": seconds,
        "error_estimate": result.error_estimate,
        "converged": result.converged,
    }


def _times(task: Task, options: FlowOptions) -> list[float]:
    """Return the times to compute; warn when the image will hardly have changed at the last."""
    from skimage_tvflow import extinction_time, geometric_times

    if not options.times:
        return [float(t) for t in geometric_times(task.image, N_TIMES, **task.shared)]
    extinction = float(np.max(extinction_time(task.image, rtol=ROUGHLY, **task.shared)))
    longest = options.times[-1]
    if longest < SHORT * extinction:
        dtype = task.picture.array.dtype
        integers = np.issubdtype(dtype, np.integer) and not options.unit_range
        say(
            f"warning: {task.job.source}: t = {longest:g} is under 1 % of the extinction time, "
            f"about {extinction:.2g}, so the image hardly changes. Try -t {0.1 * extinction:.2g}"
            + (f", or --unit-range for {dtype} values" if integers else "")
        )
    return list(options.times)


def _total_variation(frame: Array, shared: Mapping[str, Any]) -> Any:
    from skimage_tvflow import total_variation

    names = ("spacing", "channel_axis", "batch_axis", "coupled_channels")
    return total_variation(frame, **{name: shared[name] for name in names if name in shared})


def _write(
    path: Path, u: Array, times: Sequence[float], picture: Picture, options: FlowOptions
) -> None:
    single = len(options.times) == 1
    if path.suffix.lower() in TIFF_SUFFIXES:
        write_tiff(path, u[0] if single else u, picture.axes, picture.tags, times)
    else:
        write_integers(path, u[0], picture.array.dtype, unit_range=options.unit_range)


def _show(record: Mapping[str, Any]) -> None:
    title = f"{record['input']} -> {record['output']}"
    print_table(title, record["times"], record["total_variation"], record["seconds_at_times"])


class Clock:
    """A callback of the solver that notes when each time was reached.

    Parameters
    ----------
    times : sequence of float
        The times, increasing.
    show : callable
        Takes the fraction that is done.
    """

    def __init__(self, times: Sequence[float], show: Callable[[float], None]) -> None:
        self._times = list(times)
        self._show = show
        self._start = time.perf_counter()
        self._reached: list[float] = []

    def __call__(self, progress: Any) -> bool:
        """Note the progress; never ask the solver to stop."""
        now = time.perf_counter() - self._start
        done = sum(t <= progress.time * (1 + 1e-9) for t in self._times)
        self._reached += [now] * (done - len(self._reached))
        self._show(progress.fraction)
        return False

    def stop(self) -> list[float]:
        """Return the seconds at which each time was reached; those not reported, now."""
        missing = len(self._times) - len(self._reached)
        return self._reached + [time.perf_counter() - self._start] * missing
