"""`skimage-tvflow flow`: read, check everything, compute, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow._rounding import plain

from ._check import N_TIMES, Task, check, refuse_device, solver_of, total_variation_of
from ._errors import library_errors, say
from ._images import TIFF_SUFFIXES, Picture
from ._jobs import plan_jobs
from ._options import FlowOptions
from ._output import Array, whole_file, write_integers
from ._progress import Clock, progress
from ._report import print_json, print_table, spoken_warnings
from ._tiff import write_tiff

SHORT = 0.01  # of the extinction time: below this nothing that is more than fine vanishes
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
    refuse_device(options)
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


def _compute(task: Task, options: FlowOptions, *, force: bool) -> dict[str, Any]:
    job = task.job
    with progress(job.source.name) as show, library_errors(str(job.source)):
        times = _times(task, options)
        clock = Clock(times, show)
        solver = solver_of(task, options)
        result = solver.solve(task.image, times, certify=False, callback=clock)
        seconds = clock.stop()
        variation = [total_variation_of(frame, task.shared) for frame in result.u]
    with whole_file(job.target, force=force) as partial:
        _write(partial, np.asarray(result.u), times, task.picture, options)
    return {
        "input": str(job.source),
        "output": str(job.target),
        "shape": task.picture.array.shape,
        "dtype": result.u.dtype.name,
        "channel_axis": task.shared.get("channel_axis"),
        "times": times,
        "total_variation": variation,
        "seconds": seconds[-1],
        "seconds_at_times": seconds,
        "error_estimate": result.error_estimate,
        "converged": result.converged,
    }


def _times(task: Task, options: FlowOptions) -> list[float]:
    """Return the times to compute; warn when only the finest will have vanished at the last."""
    from skimage_tvflow import extinction_time, geometric_times

    if not options.times:
        return [float(t) for t in geometric_times(task.image, N_TIMES, **task.shared)]
    longest = options.times[-1]
    if longest > 0:  # a time of 0 alone asks for the image itself
        extinction = float(np.max(extinction_time(task.image, rtol=ROUGHLY, **task.shared)))
        if longest < SHORT * extinction:
            _warn_short(task, longest, extinction, unit_range=options.unit_range)
    return list(options.times)


def _warn_short(task: Task, longest: float, extinction: float, *, unit_range: bool) -> None:
    dtype = task.picture.array.dtype
    integers = np.issubdtype(dtype, np.integer) and not unit_range
    say(
        f"warning: {task.job.source}: t = {plain(longest, 6)} is under 1 % of the extinction time, "
        f"about {plain(extinction, 2)}, so only noise and the finest structures vanish. "
        f"Try -t {plain(0.1 * extinction, 2)} for larger ones"
        + (f", or --unit-range for {dtype} values" if integers else "")
    )


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
