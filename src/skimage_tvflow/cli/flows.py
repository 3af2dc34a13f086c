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
        known = {**task.axes, **task.limits}
        if not times:
            found = geometric_times(image, N_TIMES, callback=stage(), **known)
            chosen = [float(t) for t in found]
        elif times[-1] > 0:  # a time of 0 alone asks for the image itself
            found = extinction_time(image, rtol=ROUGHLY, callback=stage(), **known)
            _warn_short(task, times[-1], float(np.max(found)), unit_range=options.unit_range)
        callback = task.progress.stage("flow", chosen)
        solve = partial(task.estimator.solve, image, chosen, **task.limits)
        result = solve(certify=False, callback=callback)
        seconds, frames = task.progress.seconds(), np.asarray(result.u)
        energy = [total_variation(frame, **known) for frame in frames]
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
        from skimage_tvflow.applications import denoise, noise_level

        axes, image = _axes_of_pixels(task, options), task.image
        clean = denoise(
            image,
            options.sigma,
            variance_stabilize=options.variance_stabilize,
            callback=task.progress.stage("noise"),
            **axes,
            **task.limits,
        )
        batch, sigmas = task.axes.get("batch_axis"), options.sigma
        if sigmas is None:
            known = {name: axes[name] for name in {"channel_axis", "batch_axis"} & axes.keys()}
            sigmas = noise_level(image, **known, **task.limits)
        origin = "estimated" if options.sigma is None else "given"
        inside = slice(None) if task.mask is None else np.broadcast_to(task.mask, image.shape)
        removed = float(np.std((image - np.asarray(clean))[inside]))
        shown = (
            f"noise of standard deviation {format_number(float(np.mean(sigmas)))} ({origin}); the "
            f"result differs from the image by {format_number(removed)}"
        )
        if batch is not None:
            sigmas = np.broadcast_to(sigmas, image.shape[batch]).tolist()
        record = {"sigma": sigmas, "sigma_from": origin, "removed": removed}
        return record, shown, [partial(task.write, array=np.asarray(clean))]

    run("denoise", options, {}, compute, n_frames=1)


def _axes_of_pixels(task: Task, options: Options) -> dict[str, Any]:
    """Return the keywords of the solver; noise belongs to pixels, so only their shape counts."""
    axes = dict(task.axes)
    if options.spacing is None and "spacing" in axes:
        spacing = axes.pop("spacing")
        axes |= {"spacing": tuple(h / min(spacing) for h in spacing)} if len({*spacing}) > 1 else {}
    return axes if options.tol is None else {**axes, "tol": options.tol}
