"""`skimage-tvflow spectrum` and `filter`: the bands of images, all of them or some."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.program import refuse, say
from skimage_tvflow.cli.report import column
from skimage_tvflow.cli.run import Computed, Task, run
from skimage_tvflow.cli.tiff import write_tiff
from skimage_tvflow.number_format import format_number

N_BANDS = 32
Result = Callable[[Task, Any], Computed]  # from the bands of an image
Use = Callable[[Any], object]


def refuse_without_matplotlib() -> None:
    """Raise if matplotlib, which draws the pictures, is not installed."""
    message = "matplotlib, which draws, is missing. Type: pip install 'skimage-tvflow[plot]'"
    refuse({message: importlib.util.find_spec("matplotlib") is None})


def _run(
    command: str, options: Options, result: Result, use: Use = lambda _: None, only_tiff: str = ""
) -> None:
    """Take every image apart; `use` is tried first, on two equal pixels."""
    both = f"--times {options.times} and -t were both given. Leave one of the two out."
    refuse({both: options.t and options.times is not None})
    count = N_BANDS if options.times is None else options.times
    times: Any = sorted(set(options.t)) if options.t else count

    def compute(task: Task) -> Computed:
        from skimage_tvflow import spectral_decompose

        callback = task.progress.stage("bands")
        flow, limits = task.estimator, task.limits
        parts = spectral_decompose(task.image, times, flow=flow, **limits, callback=callback)
        return result(task, parts)

    def check(estimator: Any) -> None:
        from skimage_tvflow import spectral_decompose

        trial = times if options.t else [1.0, 2.0]
        use(spectral_decompose(np.zeros(2, np.float32), trial, flow=estimator))

    n_frames = len(times) if options.t else count
    run(command, options, {}, compute, n_frames, check, only_tiff)


def spectrum(options: Options) -> None:
    """Write the bands of every image, its residual, and its spectrum as table and picture."""
    refuse_without_matplotlib()

    def result(task: Task, parts: Any) -> Computed:
        l1, l2 = parts.power_spectrum("l1"), parts.power_spectrum("l2")
        # A band has no opacity, so that of the image is left out of all of them.
        picture = task.picture
        write = partial(write_tiff, axes=picture.axes, tags=picture.tags, spacing=picture.physical)
        writers: Any = [
            partial(write, array=parts.bands, times=list(parts.times)),
            partial(write, array=parts.residual),
            partial(_write_table, times=parts.times, l1=l1, l2=l2),
            partial(_draw, parts=parts),
        ]
        shown = column("t", parts.times) | column("L1", l1, 6) | column("L2", l2, 6)
        return {"times": parts.times, "l1": l1, "l2": l2}, shown, writers

    _run("spectrum", options, result)


def _write_table(path: Path, times: Any, l1: Any, l2: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*["image"] * (l1.ndim - 1), "t", "l1", "l2"])
        for index in np.ndindex(l1.shape[1:]):  # in a batch, the number of the image comes first
            for k, t in enumerate(times):
                writer.writerow([*index, float(t), float(l1[k, *index]), float(l2[k, *index])])


def _draw(path: Path, parts: Any) -> None:
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
    band, low, high, stop = options.band, options.low, options.high, options.stop
    n_given = 3 - [band, low, high].count(None)
    given = "more than one" if n_given else "none"
    one = f"{given} of --band, --low and --high is given, and just one is needed. "
    refuse(
        {
            one + "Type, for example, --band 0.5 2": n_given != 1,
            "--stop needs --band. Leave it out, or type --band 0.5 2 --stop": stop and not band,
        }
    )
    # What vanishes late is all but what vanishes early, so that the residual stays with it.
    first, last = band or (0.0, high if low is None else low)
    stop = stop or low is not None

    def use(parts: Any) -> Any:
        return (parts.band_stop if stop else parts.band_pass)(first, last)

    def result(task: Task, parts: Any) -> Computed:
        n, times = len(parts.times), parts.times
        n_kept = int(np.sum(((first <= times) & (times < last)) != stop))
        if n_kept in (0, n):
            span = f"t = {format_number(times[0])} and t = {format_number(times[-1])}"
            say(
                f"warning: {task.path}: {'all' if n_kept else 'none'} of the {n} bands are kept; "
                f"they vanish between {span}. Try a time between these, or more --times"
            )
        writer = partial(task.write, array=np.asarray(use(parts)))
        return {"times": times, "bands_kept": n_kept}, f"{n_kept} of {n} bands kept", [writer]

    only_tiff = "" if stop else "without the residual many values are negative"
    _run("filter", options, result, use, only_tiff)
