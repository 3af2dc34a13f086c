"""`skimage-tvflow flow`: read, check everything, compute, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.number_format import plain

from ._check import Task, refuse_constant, solver_of, times_of, total_variation_of
from ._command import common_record, run_jobs
from ._errors import CliError, library_errors, say
from ._images import TIFF_SUFFIXES, Picture
from ._jobs import FLOW, plan_jobs
from ._options import FlowOptions
from ._output import Array, whole_file, write_frame
from ._progress import Clock, progress
from ._report import mean_column, print_table, seconds_column, time_column
from ._tiff import write_tiff

SHORT = 0.01  # of the extinction time: below this nothing that is more than fine vanishes
ROUGHLY = 0.3  # a warning about a factor of a hundred must not take longer than the flow itself


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
    run_jobs(
        plan_jobs(images, output, FLOW, force=force),
        options,
        refuse=lambda task: _refuse(task, options),
        compute=lambda task: _compute(task, options, force=force),
        show=_show,
        as_json=as_json,
    )


def _refuse(task: Task, options: FlowOptions) -> None:
    refuse_constant(task, options)
    target = task.job.target
    if target.suffix.lower() not in TIFF_SUFFIXES and len(options.times) != 1:
        raise CliError(
            f"{len(options.times) or options.n_times} times cannot go into one {target.suffix} "
            f"file; a TIFF stack is needed. Type -o {target.with_suffix('.tif')}, or a single -t."
        )


def _compute(task: Task, options: FlowOptions, *, force: bool) -> dict[str, Any]:
    job = task.job
    with progress(job.source.name) as show, library_errors(str(job.source)):
        times = times_of(task, options)
        _warn_short(task, options)
        clock = Clock(times, show)
        solver = solver_of(task, options)
        result = solver.solve(task.image, times, certify=False, callback=clock)
        seconds = clock.stop()
        variation = [total_variation_of(frame, task.shared) for frame in result.u]
    with whole_file(job.target, force=force) as partial:
        _write(partial, np.asarray(result.u), times, task.picture, options)
    return {
        **common_record(task),
        "dtype": result.u.dtype.name,
        "times": times,
        "total_variation": variation,
        "seconds": seconds[-1],
        "seconds_at_times": seconds,
        "error_estimate": result.error_estimate,
        "converged": result.converged,
    }


def _warn_short(task: Task, options: FlowOptions) -> None:
    """Warn when only the finest will have vanished at the last of the times asked for."""
    from skimage_tvflow import extinction_time

    longest = options.times[-1] if options.times else 0.0
    if longest == 0:  # a time of 0 alone asks for the image itself
        return
    extinction = float(np.max(extinction_time(task.image, rtol=ROUGHLY, **task.shared)))
    if longest >= SHORT * extinction:
        return
    dtype = task.picture.array.dtype
    integers = np.issubdtype(dtype, np.integer) and not options.unit_range
    say(
        f"warning: {task.job.source}: t = {plain(longest, 6)} is under 1 % of the extinction time, "
        f"about {plain(extinction, 2)}, so only noise and the finest structures vanish. "
        f"Try -t {plain(0.1 * extinction, 2)} for larger ones"
        + (f", or --unit-range for {dtype} values" if integers else "")
    )


def _write(
    path: Path, u: Array, times: Sequence[float], picture: Picture, options: FlowOptions
) -> None:
    if len(options.times) == 1:
        write_frame(path, u[0], picture, times, unit_range=options.unit_range)
    else:
        write_tiff(path, u, picture.axes, picture.tags, times)


def _show(record: Mapping[str, Any]) -> None:
    print_table(
        f"{record['input']} -> {record['output']}",
        time_column(record["times"])
        | mean_column("TV", record["total_variation"])
        | seconds_column(record["seconds_at_times"]),
    )
