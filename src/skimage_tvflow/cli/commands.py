"""`skimage-tvflow flow` and `denoise`: an image at several times, and one without its noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.jobs import refuse_typed_format
from skimage_tvflow.cli.picture import Array
from skimage_tvflow.cli.program import say
from skimage_tvflow.cli.report import column, print_line, print_table
from skimage_tvflow.cli.run import Computed, Task, run
from skimage_tvflow.number_format import format_number

N_TIMES = 12
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


def flow(options: Options) -> None:
    """Compute the flow of every image."""
    times = sorted(set(options.t or []))
    if len(times) != 1:
        what = f"{len(times) or N_TIMES} times cannot go into one {{}} file"
        refuse_typed_format(options.output, what, "a TIFF stack", ", or a single -t")

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
        return record, [partial(task.write, array=written, times=chosen)]

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
            + f", or --unit-range for {dtype} values"
            * (dtype.kind in "iu" and not unit_range)
        )


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
        return record, [partial(task.write, array=clean)]

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
    if sigma is None and np.ptp(image) == 0:
        sigma = 0.0  # the estimate for a single pixel would be NaN
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
