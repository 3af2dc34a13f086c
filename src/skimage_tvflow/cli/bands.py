"""`skimage-tvflow spectrum` and `filter`: the bands of images, all of them or some."""

from __future__ import annotations

import csv
import importlib.util
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.jobs import refuse_typed_format
from skimage_tvflow.cli.program import CliError, say
from skimage_tvflow.cli.report import column, print_line, print_table
from skimage_tvflow.cli.run import Computed, Task, run
from skimage_tvflow.cli.tiff import write_tiff
from skimage_tvflow.number_format import format_number

if TYPE_CHECKING:
    from skimage_tvflow import SpectralDecomposition

N_BANDS = 32


def refuse_without_matplotlib(what: str) -> None:
    """Raise if matplotlib, which draws `what`, is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CliError(
            f"matplotlib, which draws {what}, is missing. Type: pip install 'skimage-tvflow[plot]'"
        )


def _band_times(options: Options) -> list[float] | int:
    """Return the times at which to take images apart, or how many to choose."""
    if options.t and options.times is not None:
        raise CliError(
            f"--times {options.times} and -t were both given; the number of the times or the times "
            "themselves are needed. Leave one of the two out."
        )
    count = N_BANDS if options.times is None else int(options.times)
    return sorted(set(options.t)) if options.t else count


def _count(times: list[float] | int) -> int:
    return times if isinstance(times, int) else len(times)


def _decompose_nothing(estimator: Any, times: Any) -> SpectralDecomposition:
    """Take two equal pixels apart, to find out what is wrong with the times of the bands."""
    from skimage_tvflow import spectral_decompose

    listed = times if isinstance(times, list) else [1.0, 2.0]
    return spectral_decompose(np.zeros(2, np.float32), listed, flow=estimator)


def _decompose(task: Task, times: Any) -> tuple[SpectralDecomposition, float]:
    """Take an image apart; return the seconds, too."""
    from skimage_tvflow import spectral_decompose

    start = time.perf_counter()
    parts = task.call("bands", spectral_decompose, task.image, times, flow=task.estimator)
    return parts, time.perf_counter() - start


def spectrum(options: Options) -> None:
    """Write the bands of every image, its residual, and its spectrum as table and picture."""
    refuse_without_matplotlib("the spectrum")
    times = _band_times(options)

    def compute(task: Task) -> Computed:
        parts, seconds = _decompose(task, times)
        record = {
            "dtype": parts.residual.dtype.name,
            "times": parts.times,
            "l1": parts.power_spectrum("l1"),
            "l2": parts.power_spectrum("l2"),
            "seconds": seconds,
        }
        # A band has no opacity, so that of the image is left out of all of them.
        write = partial(write_tiff, axes=task.picture.axes, tags=task.picture.tags)
        writers = [
            partial(write, array=parts.bands, times=list(parts.times)),
            partial(write, array=parts.residual),
            partial(_write_table, parts=parts),
            partial(_draw, parts=parts),
        ]
        return record, writers

    def show(record: Mapping[str, Any]) -> None:
        print_table(
            f"{record['input']} -> {', '.join(record['output'])}",
            column("t", record["times"])
            | column("L1", list(record["l1"]), 6)
            | column("L2", list(record["l2"]), 6),
        )

    check = partial(_decompose_nothing, times=times)
    run("spectrum", options, {}, compute, show, n_frames=_count(times), check=check)


def _write_table(path: Path, parts: SpectralDecomposition) -> None:
    l1, l2 = parts.power_spectrum("l1"), parts.power_spectrum("l2")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*["image"] * (l1.ndim - 1), "t", "l1", "l2"])
        for index in np.ndindex(l1.shape[1:]):  # in a batch, the number of the image comes first
            for k, t in enumerate(parts.times):
                writer.writerow([*index, float(t), float(l1[k, *index]), float(l2[k, *index])])


def _draw(path: Path, parts: SpectralDecomposition) -> None:
    from matplotlib.figure import Figure

    from skimage_tvflow import plot_spectrum

    figure = Figure(figsize=(6.4, 6.4), layout="constrained")  # pyplot would look for a screen
    upper, lower = figure.subplots(2, 1, sharex=True)
    plot_spectrum(parts, upper, kind="l1").set_xlabel("")
    plot_spectrum(parts, lower, kind="l2")
    figure.align_ylabels()
    figure.savefig(path, dpi=110)


def filter_(options: Options) -> None:
    """Keep the bands of every image that one of --band, --low and --high names."""
    times = _band_times(options)
    first, last, stop = _edges(options)
    if not stop:
        what = "without the residual many values are negative, and {} files hold none"
        refuse_typed_format(options.output, what, "a format for floating-point numbers")

    def keep(parts: SpectralDecomposition) -> Any:
        return (parts.band_stop if stop else parts.band_pass)(first, last)

    def compute(task: Task) -> Computed:
        parts, seconds = _decompose(task, times)
        filtered = np.asarray(keep(parts))
        n_bands = len(parts.times)
        n_kept = int(np.sum(((first <= parts.times) & (parts.times < last)) != stop))
        if n_kept in (0, n_bands):
            say(
                f"warning: {task.picture.path}: {'all' if n_kept else 'none'} of the {n_bands} "
                f"bands are kept; they vanish between t = {format_number(parts.times[0])} and t = "
                f"{format_number(parts.times[-1])}. Try a time between these, or more of them with "
                "--times"
            )
        record = {
            "dtype": filtered.dtype.name,
            "times": parts.times,
            "bands_kept": n_kept,
            "seconds": seconds,
        }
        return record, [partial(task.write, array=filtered)]

    def show(record: Mapping[str, Any]) -> None:
        print_line(
            f"{record['input']} -> {record['output']}: {record['bands_kept']} of "
            f"{len(record['times'])} bands kept, {record['seconds']:.3f} seconds"
        )

    def check(estimator: Any) -> None:
        keep(_decompose_nothing(estimator, times))

    run("filter", options, {}, compute, show, n_frames=_count(times), check=check)


def _edges(options: Options) -> tuple[float, float, bool]:
    """Return the first time of a band, the first after it, and whether to take it away."""
    edges = {"--band": options.band, "--low": options.low, "--high": options.high}
    names = [name for name, value in edges.items() if value is not None]
    if len(names) != 1:
        raise CliError(
            f"{' and '.join(names) or 'none of --band, --low and --high'} were given; just one "
            "of them is needed. Type, for example, --band 0.5 2"
        )
    if options.stop and options.band is None:
        other = "--high" if options.high is None else "--low"
        raise CliError(f"--stop was given with {names[0]}; it needs --band. Type {other} instead.")
    if options.band is None:
        # What vanishes late is all but what vanishes early, so that the residual stays with it.
        return 0.0, edges[names[0]], options.high is None
    try:
        return float(options.band[0]), float(options.band[1]), options.stop
    except ValueError:
        raise CliError(
            f"--band must be two times, got {' '.join(options.band)}. Type, for example, "
            "--band 0.5 2"
        ) from None
