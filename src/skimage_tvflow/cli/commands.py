"""The commands on images: flow, spectrum, filter, denoise."""

from __future__ import annotations

import csv
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.files import ANY_VALUES
from skimage_tvflow.cli.picture import Array
from skimage_tvflow.cli.program import CliError, say
from skimage_tvflow.cli.report import column, print_line, print_table
from skimage_tvflow.cli.run import Computed, Task, run
from skimage_tvflow.cli.tiff import write_tiff
from skimage_tvflow.number_format import format_number

if TYPE_CHECKING:
    from skimage_tvflow import SpectralDecomposition

N_TIMES, N_BANDS = 12, 32  # of a flow, of a decomposition
SHORT = 0.01  # of the extinction time: earlier only noise and the finest structures vanish
ROUGHLY = 0.3  # accuracy of that time, which must not take longer than the flow itself


class Clock:
    """A callback that notes when each of the increasing times of a flow was reached."""

    def __init__(self, times: Sequence[float], callback: Callable[[Any], bool]) -> None:
        self._times, self._callback = times, callback
        self._start, self._reached = time.perf_counter(), list[float]()

    def __call__(self, progress: Any) -> bool:
        """Note the time; pass the progress on."""
        now = time.perf_counter() - self._start
        done = sum(t <= progress.time * (1 + 1e-9) for t in self._times)
        self._reached += [now] * (done - len(self._reached))
        return self._callback(progress)

    def stop(self) -> list[float]:
        """Return the seconds at which each time was reached; those not reported, now."""
        missing = len(self._times) - len(self._reached)
        return self._reached + [time.perf_counter() - self._start] * missing


def refuse_without_matplotlib(what: str) -> None:
    """Raise if matplotlib, which draws `what`, is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CliError(
            f"matplotlib, which draws {what}, is missing. Type: pip install 'skimage-tvflow[plot]'"
        )


def _refuse_format(options: Options, what: str, needed: str, instead: str = "") -> None:
    """Raise if a file was typed as output whose format cannot hold what was asked for."""
    target = Path(options.output)
    is_folder = options.output.endswith("/") or target.is_dir()
    if target.suffix and target.suffix.lower() not in ANY_VALUES and not is_folder:
        raise CliError(
            f"{what.format(target.suffix)}; {needed} is needed. "
            f"Type a name that ends in .tif: -o {target.with_suffix('.tif')}{instead}"
        )


def flow(options: Options) -> None:
    """Compute the flow of every image."""
    times = sorted(set(options.t or []))
    if len(times) != 1:
        what = f"{len(times) or N_TIMES} times cannot go into one {{}} file"
        _refuse_format(options, what, "a TIFF stack", ", or a single -t")

    def compute(task: Task) -> Computed:
        from skimage_tvflow import geometric_times, total_variation

        chosen = times
        if not times:
            found = task.call("extinction time", geometric_times, task.image, N_TIMES, **task.axes)
            chosen = [float(t) for t in found]
        elif times[-1] > 0:  # a time of 0 alone asks for the image itself
            _warn_short(task, times[-1], unit_range=options.unit_range)
        clock = Clock(chosen, task.progress.stage("flow"))
        result = task.estimator.solve(task.image, chosen, certify=False, callback=clock)
        seconds = clock.stop()
        frames = np.asarray(result.u)
        record = {
            "dtype": frames.dtype.name,
            "times": chosen,
            "total_variation": [total_variation(frame, **task.axes) for frame in frames],
            "seconds": seconds[-1],
            "seconds_at_times": seconds,
            "error_estimate": result.error_estimate,
            "converged": result.converged,
        }
        written = frames[0] if len(times) == 1 else frames
        return Computed(record, [partial(task.write, array=written, times=chosen)])

    def show(record: Mapping[str, Any]) -> None:
        print_table(
            f"{record['input']} -> {record['output']}",
            column("t", record["times"])
            | column("TV", record["total_variation"], 6)
            | {"seconds": [f"{second:.3f}" for second in record["seconds_at_times"]]},
        )

    solver = {name: getattr(options, name) for name in ("n_steps", "order", "max_num_iter")}
    given = {**solver, "t": times or None}
    run("flow", options, given, compute, show, n_frames=len(times) or N_TIMES)


def _warn_short(task: Task, longest: float, *, unit_range: bool) -> None:
    """Warn when only the finest will have vanished at the last of the times asked for."""
    from skimage_tvflow import extinction_time

    found = task.call("extinction time", extinction_time, task.image, rtol=ROUGHLY, **task.axes)
    extinction = float(np.max(found))
    dtype = task.picture.array.dtype
    if longest < SHORT * extinction:
        say(
            f"warning: {task.picture.path}: t = {format_number(longest, 6)} is under 1 % of the "
            f"extinction time, about {format_number(extinction, 2)}, so only noise and the finest "
            f"structures vanish. Try -t {format_number(0.1 * extinction, 2)} for larger ones"
            + (
                f", or --unit-range for {dtype} values"
                if dtype.kind in "iu" and not unit_range
                else ""
            )
        )


def _band_times(options: Options) -> tuple[Any, int]:
    """Return the times at which to take images apart, or their number, and their number."""
    if options.t and options.times is not None:
        raise CliError(
            f"--times {options.times} and -t were both given; the number of the times or the times "
            "themselves are needed. Leave one of the two out."
        )
    times = sorted(set(options.t or []))
    number = len(times) or (N_BANDS if options.times is None else options.times)
    return times or number, number


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
    times, number = _band_times(options)

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
        return Computed(record, writers)

    def show(record: Mapping[str, Any]) -> None:
        print_table(
            f"{record['input']} -> {', '.join(record['output'])}",
            column("t", record["times"])
            | column("L1", list(record["l1"]), 6)
            | column("L2", list(record["l2"]), 6),
        )

    check = partial(_decompose_nothing, times=times)
    run("spectrum", options, {}, compute, show, n_frames=number, check=check)


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


def filter_bands(options: Options) -> None:
    """Keep the bands of every image that one of --band, --low and --high names."""
    times, number = _band_times(options)
    first, last, stop = _edges(options)
    if not stop:
        what = "without the residual many values are negative, and {} files hold none"
        _refuse_format(options, what, "a format for floating-point numbers")

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
        return Computed(record, [partial(task.write, array=filtered)])

    def show(record: Mapping[str, Any]) -> None:
        print_line(
            f"{record['input']} -> {record['output']}: {record['bands_kept']} of "
            f"{len(record['times'])} bands kept, {record['seconds']:.3f} seconds"
        )

    def check(estimator: Any) -> None:
        keep(_decompose_nothing(estimator, times))

    run("filter", options, {}, compute, show, n_frames=number, check=check)


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


def denoise(options: Options) -> None:
    """Remove the noise of every image; of a batch, image by image."""

    def compute(task: Task) -> Computed:
        start = time.perf_counter()
        axes, ndim = dict(task.axes), task.image.ndim
        batch = axes.pop("batch_axis", None)
        images = [task.image] if batch is None else np.moveaxis(task.image, batch, 0)
        if batch is not None and "channel_axis" in axes:
            channel = axes["channel_axis"] % ndim
            axes["channel_axis"] = channel - (channel > batch % ndim)
        found = [_denoise_one(task, image, axes, options) for image in images]
        sigmas = [used for _, used in found]
        clean = found[0][0] if batch is None else np.stack([u for u, _ in found], axis=batch)
        record = {
            "dtype": clean.dtype.name,
            "sigma": sigmas[0] if batch is None else sigmas,
            "sigma_estimated": options.sigma is None,
            "removed": float(np.std(task.image - clean)),
            "seconds": time.perf_counter() - start,
        }
        return Computed(record, [partial(task.write, array=clean)])

    def show(record: Mapping[str, Any]) -> None:
        print_line(
            f"{record['input']} -> {record['output']}: standard deviation of the noise "
            f"{format_number(float(np.mean(record['sigma'])))} "
            f"({'estimated' if record['sigma_estimated'] else 'given'}), of what was removed "
            f"{format_number(record['removed'])}; {record['seconds']:.3f} seconds"
        )

    run("denoise", options, {}, compute, show, n_frames=1)


def _denoise_one(
    task: Task, image: Array, axes: dict[str, Any], options: Options
) -> tuple[Array, float]:
    """Return an image without its noise, and the standard deviation of the noise."""
    from skimage.restoration import estimate_sigma

    from skimage_tvflow import ChambolleTVFlow
    from skimage_tvflow.applications import denoise

    sigma = options.sigma
    if sigma is None:
        channel_axis = axes.get("channel_axis")
        sigma = float(estimate_sigma(image, channel_axis=channel_axis, average_sigmas=True))
    if options.spacing is None and "spacing" in axes:
        # Noise belongs to pixels, whatever their size: only their shape counts.
        smallest = min(axes["spacing"])
        axes = {**axes, "spacing": tuple(h / smallest for h in axes["spacing"])}
        if max(axes["spacing"]) == 1:
            del axes["spacing"]
    chosen: dict[str, Any] = axes
    # By default denoise chooses the solver; another is only needed to pass options on.
    if options.tol is not None or axes.keys() - {"channel_axis"}:
        given = {**axes, "tol": options.tol} if options.tol is not None else axes
        chosen = {"flow": ChambolleTVFlow(**given)}
    return np.asarray(task.call("noise", denoise, image, sigma, **chosen)), sigma
