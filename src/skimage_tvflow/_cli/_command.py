"""What all commands on images do: check everything first, then compute one image after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._check import Task, check, refuse_device
from ._jobs import Job
from ._options import FlowOptions
from ._report import print_json, spoken_warnings


def run_jobs(
    jobs: Sequence[Job],
    options: FlowOptions,
    *,
    refuse: Callable[[Task], None],
    compute: Callable[[Task], dict[str, Any]],
    show: Callable[[Mapping[str, Any]], None],
    as_json: bool,
) -> None:
    """Check all images, then compute and report each.

    Parameters
    ----------
    jobs : sequence of Job
        What becomes what.
    options : FlowOptions
        What the user set.
    refuse : callable
        Raises what this command alone cannot take.
    compute : callable
        Computes an image, writes the outputs, and returns the record of it.
    show : callable
        Shows a record to people.
    as_json : bool
        Report for machines.
    """
    refuse_device(options)
    # All inputs are read before the first is computed: a mistake in the last must not cost an hour.
    # They are read again later, as many images together may not fit into the memory.
    first, *others = jobs
    task = check(first, options)
    refuse(task)
    for job in others:
        refuse(check(job, options))
    records = []
    for job in jobs:
        if job is not first:
            task = check(job, options, quiet=True)
        with spoken_warnings(str(job.source)):
            record = compute(task)
        records.append(record)
        if not as_json:
            show(record)
    if as_json:
        print_json({"files": records})


def common_record(task: Task) -> dict[str, Any]:
    """Return what the records of all commands say of an image."""
    return {
        "input": str(task.job.source),
        "output": str(task.job.target),
        "shape": task.picture.array.shape,
        "channel_axis": task.shared.get("channel_axis"),
    }
