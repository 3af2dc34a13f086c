"""`skimage-tvflow flow` and `denoise`: an image at several times, and one without its noise."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.program import say
from skimage_tvflow.cli.report import flow_table
from skimage_tvflow.cli.run import Computed, Task, run
from skimage_tvflow.number_format import format_number

N_TIMES = 12
SHORT = 0.01  # of the extinction time: earlier only noise and the finest structures vanish
ROUGHLY = 0.3  # accuracy of that time, which must not take longer than the flow itself


def flow(options: Options) -> None:
    """Compute the flow of every image."""
    times = sorted(set(options.t or []))

    def compute(task: Task) -> Computed:
        from skimage_tvflow import extinction_time, geometric_times, total_variation

        chosen, image, stage = times, task.image, partial(task.progress.stage, "extinction time")
        if not times:
            found = geometric_times(image, N_TIMES, callback=stage(), **task.axes)
            chosen = [float(t) for t in found]
        elif times[-1] > 0:  # a time of 0 alone asks for the image itself
            found = extinction_time(image, rtol=ROUGHLY, callback=stage(), **task.axes)
            _warn_short(task, times[-1], float(np.max(found)), unit_range=options.unit_range)
        callback = task.progress.stage("flow", chosen)
        result = task.estimator.solve(image, chosen, certify=False, callback=callback)
        seconds, frames = task.progress.seconds(), np.asarray(result.u)
        energy = [total_variation(frame, **task.axes) for frame in frames]
        record = {
            "dtype": frames.dtype.name,
            "times": chosen,
            "total_variation": energy,
            "seconds_at_times": seconds,
            "error_estimate": result.error_estimate,
            "converged": result.converged,
        }
        written = frames[0] if len(times) == 1 else frames
        writer = partial(task.write, array=written, times=chosen)
        return record, flow_table(chosen, energy, seconds), [writer]

    n_frames = len(times) or N_TIMES
    solver = {name: getattr(options, name) for name in ("n_steps", "order", "max_num_iter")}
    only_tiff = f"there are {n_frames} times" if n_frames > 1 else ""
    run("flow", options, {**solver, "t": times or None}, compute, n_frames, only_tiff=only_tiff)


def _warn_short(task: Task, longest: float, extinction: float, *, unit_range: bool) -> None:
    """Warn when only the finest will have vanished at the last of the times asked for."""
    dtype = task.picture.array.dtype
    scaled = dtype.kind in "iu" and not unit_range
    if longest < SHORT * extinction:
        say(
            f"warning: {task.path}: t = {format_number(longest, 6)} is under 1 % of the "
            f"extinction time, about {format_number(extinction, 2)}, so only noise and the finest "
            f"structures vanish. Try -t {format_number(0.1 * extinction, 2)} for larger ones"
            + f", or --unit-range for {dtype} values"
            * scaled
        )


def denoise(options: Options) -> None:
    """Remove the noise of every image; of a batch, image by image."""

    def compute(task: Task) -> Computed:
        from skimage_tvflow import ChambolleTVFlow
        from skimage_tvflow.applications import denoise, noise_level

        batch, axes = task.axes.get("batch_axis"), _axes_of_one(task, options)
        # By default denoise chooses the solver; another is only needed to pass options on.
        by_default = axes.keys() <= {"channel_axis"}
        keywords = axes if by_default else {"flow": ChambolleTVFlow(**axes)}
        sigmas, cleaned = [], []
        for image in [task.image] if batch is None else np.moveaxis(task.image, batch, 0):
            sigma = options.sigma
            if sigma is None:
                sigma = noise_level(image, channel_axis=axes.get("channel_axis"))
            callback = task.progress.stage("noise")
            cleaned.append(np.asarray(denoise(image, sigma, callback=callback, **keywords)))
            sigmas.append(sigma)
        clean = cleaned[0] if batch is None else np.stack(cleaned, axis=batch)
        origin = "estimated" if options.sigma is None else "given"
        removed = float(np.std(task.image - clean))
        shown = (
            f"noise of standard deviation {format_number(float(np.mean(sigmas)))} ({origin}); the "
            f"result differs from the image by {format_number(removed)}"
        )
        record = {"sigma": sigmas if batch is not None else sigmas[0], "sigma_from": origin}
        return record | {"removed": removed}, shown, [partial(task.write, array=clean)]

    run("denoise", options, {}, compute, n_frames=1)


def _axes_of_one(task: Task, options: Options) -> dict[str, Any]:
    """Return the keywords of the solver for one image of the batch."""
    axes, ndim = dict(task.axes), task.image.ndim
    batch, channel = axes.pop("batch_axis", None), axes.get("channel_axis")
    if batch is not None and channel is not None:
        axes["channel_axis"] = channel % ndim - (channel % ndim > batch % ndim)
    if options.spacing is None and "spacing" in axes:
        # Noise belongs to pixels, whatever their size: only their shape counts.
        spacing = axes.pop("spacing")
        axes |= {"spacing": tuple(h / min(spacing) for h in spacing)} if len({*spacing}) > 1 else {}
    return axes if options.tol is None else {**axes, "tol": options.tol}
