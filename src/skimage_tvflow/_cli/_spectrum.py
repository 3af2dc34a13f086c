"""`skimage-tvflow spectrum`: the bands of an image, its residual and its spectrum as files."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._bands import decompose
from ._check import Task, refuse_constant, refuse_without_matplotlib
from ._command import common_record, run_jobs
from ._jobs import SPECTRUM, plan_jobs
from ._options import FlowOptions
from ._output import whole_files
from ._report import mean_column, print_table, time_column
from ._tiff import write_tiff

if TYPE_CHECKING:
    from skimage_tvflow import SpectralDecomposition


def run(
    images: Sequence[Path], output: str, options: FlowOptions, *, force: bool, as_json: bool
) -> None:
    """Take every image apart.

    Parameters
    ----------
    images : sequence of Path
        Files and folders.
    output : str
        What the names of the files begin with, or a folder for several images.
    options : FlowOptions
        What the user set.
    force : bool
        Overwrite existing outputs.
    as_json : bool
        Report for machines.
    """
    refuse_without_matplotlib("the spectrum")
    run_jobs(
        plan_jobs(images, output, SPECTRUM, force=force),
        options,
        refuse=lambda task: refuse_constant(task, options),
        compute=lambda task: _compute(task, options, force=force),
        show=_show,
        as_json=as_json,
    )


def _compute(task: Task, options: FlowOptions, *, force: bool) -> dict[str, Any]:
    start = time.perf_counter()
    parts = decompose(task, options)
    seconds = time.perf_counter() - start
    picture = task.picture
    with whole_files(task.job.targets, force=force) as (bands, residual, table, drawing):
        write_tiff(bands, parts.bands, picture.axes, picture.tags, list(parts.times))
        write_tiff(residual, parts.residual, picture.axes, picture.tags, [])
        _write_table(table, parts)
        _draw(drawing, parts)
    return {
        **common_record(task),
        "output": [str(target) for target in task.job.targets],
        "dtype": parts.residual.dtype.name,
        "times": parts.times,
        "l1": parts.power_spectrum("l1"),
        "l2": parts.power_spectrum("l2"),
        "seconds": seconds,
    }


def _write_table(path: Path, parts: SpectralDecomposition) -> None:
    batch = parts.spectrum.ndim == 2
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*["image"] * batch, "t", "l1", "l2"])
        writer.writerows(_rows(parts))


def _rows(parts: SpectralDecomposition) -> Iterator[list[float]]:
    """The lines of the table; of a batch, with the number of the image first."""
    l1, l2 = parts.power_spectrum("l1"), parts.power_spectrum("l2")
    for index in np.ndindex(l1.shape[1:]):
        for k, t in enumerate(parts.times):
            yield [*index, float(t), float(l1[k, *index]), float(l2[k, *index])]


def _draw(path: Path, parts: SpectralDecomposition) -> None:
    from matplotlib.figure import Figure

    from skimage_tvflow import plot_spectrum

    # Not by way of pyplot, which looks for a screen.
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    plot_spectrum(parts, upper, kind="l1").set_xlabel("")
    plot_spectrum(parts, lower, kind="l2")
    figure.align_ylabels()
    figure.savefig(path, dpi=110)


def _show(record: Mapping[str, Any]) -> None:
    print_table(
        f"{record['input']} -> {', '.join(record['output'])}",
        time_column(record["times"])
        | mean_column("L1", list(record["l1"]))
        | mean_column("L2", list(record["l2"])),
    )
