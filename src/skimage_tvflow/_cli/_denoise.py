"""`skimage-tvflow denoise`: images without their noise."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ._check import Task, solver_of
from ._command import common_record, run_jobs
from ._errors import CliError, library_errors
from ._jobs import DENOISE, plan_jobs
from ._options import FlowOptions
from ._output import whole_file, write_frame
from ._progress import progress, watched


def run(
    images: Sequence[Path],
    output: str,
    options: FlowOptions,
    sigma: float | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Denoise every image.

    Parameters
    ----------
    images : sequence of Path
        Files and folders.
    output : str
        A file for one input file, otherwise a folder; a slash at its end says folder.
    options : FlowOptions
        What the user set.
    sigma : float or None
        Standard deviation of the noise; None to estimate it.
    force : bool
        Overwrite existing outputs.
    as_json : bool
        Report for machines.
    """
    if sigma is not None and not 0 < sigma < math.inf:
        raise CliError(
            f"--sigma must be a finite number > 0, got {sigma}. Type, for example, --sigma 0.1"
        )
    run_jobs(
        plan_jobs(images, output, DENOISE, force=force),
        options,
        refuse=lambda task: None,
        compute=lambda task: _compute(task, options, sigma, force=force),
        show=_show,
        as_json=as_json,
    )


def _compute(
    task: Task, options: FlowOptions, sigma: float | None, *, force: bool
) -> dict[str, Any]:
    from skimage_tvflow.applications import denoise

    start = time.perf_counter()
    with progress(task.job.source.name) as show, library_errors(str(task.job.source)):
        chosen: dict[str, Any] = dict(task.shared)
        # Its own choice of a solver is made for it; another is only needed to pass options on.
        if options.solver or chosen.keys() - {"channel_axis"}:
            chosen = {"flow": watched(solver_of(task, options), show)}
        clean = np.asarray(denoise(task.image, sigma, **chosen))
    seconds = time.perf_counter() - start
    with whole_file(task.job.target, force=force) as partial:
        write_frame(partial, clean, task.picture, unit_range=options.unit_range)
    return {
        **common_record(task),
        "dtype": clean.dtype.name,
        "sigma": sigma,
        "removed": float(np.std(task.image - clean)),
        "seconds": seconds,
    }


def _show(record: Mapping[str, Any]) -> None:
    typer.echo(
        f"{record['input']} -> {record['output']}: noise of standard deviation "
        f"{record['removed']:.4g} removed, {record['seconds']:.3f} seconds"
    )
