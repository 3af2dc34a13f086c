"""What all commands on images do: read a file, check it, compute, write, report; then the next."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli import loaded
from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.axes import choose_axes
from skimage_tvflow.cli.files import read_picture, refuse_format, write_picture
from skimage_tvflow.cli.jobs import Job, plan_jobs, whole_files
from skimage_tvflow.cli.picture import Array, Picture
from skimage_tvflow.cli.program import BadImage, CliError, is_for_the_user, is_out_of_memory, say
from skimage_tvflow.cli.report import Progress, print_json, reporting

TIGHT = 1e-5  # a tolerance below this is near the rounding of float32


@dataclass(frozen=True)
class Task:
    """An image that is ready to be computed: its values were multiplied by `scale`."""

    picture: Picture
    image: Array
    scale: float
    axes: Mapping[str, Any]  # the keywords that all functions of the library share
    estimator: Any
    progress: Progress

    def call(self, what: str, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Call a function of the library, and show its progress as that of `what`."""
        return function(*args, callback=self.progress.stage(what), **keywords)

    def write(self, path: Path, array: Array, times: Sequence[float] = ()) -> None:
        """Write what was computed from the image, in the format that the name says."""
        write_picture(path, array, self.picture, times, scale=self.scale)


# What a command made of an image: what to report, and what writes each of the outputs.
Computed = tuple[dict[str, Any], Sequence[Callable[[Path], None]]]


def run(
    command: str,
    options: Options,
    solver: Mapping[str, Any],
    compute: Callable[[Task], Computed],
    show: Callable[[Mapping[str, Any]], None],
    *,
    n_frames: int,
    check: Callable[[Any], object] | None = None,
) -> None:
    """Compute every image; one that cannot be computed does not stop the others.

    `solver` are parameters of ChambolleTVFlow, `n_frames` is how many frames an image becomes, and
    `check` raises if the options cannot be right for any image.
    """
    jobs = plan_jobs(options.images, options.output, command, force=options.force)
    from skimage_tvflow import ChambolleTVFlow

    loaded()
    given = {**solver, "tol": options.tol, "device": options.device}
    given = {name: value for name, value in given.items() if value is not None}
    estimator = ChambolleTVFlow(**given).fit(np.zeros(2, np.float32))
    if check is not None:
        check(estimator)
    records, failures = [], []
    for job in jobs:
        try:
            record = _process(job, options, given, compute, n_frames)
        except BadImage as error:
            if len(jobs) == 1:
                raise
            if options.debug:
                say(traceback.format_exc().rstrip())
            say(f"error: {error}")
            failures.append({"input": str(job.source), "message": str(error)})
            continue
        records.append(record)
        if not options.json:
            show(record)
    if options.json and records:
        print_json({"files": records, "errors": failures} if failures else {"files": records})
    if failures:
        raise CliError(
            f"{len(failures)} of {len(jobs)} images could not be computed, for the reasons above. "
            "Mend or leave out these files, and type --force to repeat the others too."
        )


def _process(
    job: Job,
    options: Options,
    solver: Mapping[str, Any],
    compute: Callable[[Task], Computed],
    n_frames: int,
) -> dict[str, Any]:
    """Read, compute and write one image; return what to report of it."""
    from skimage_tvflow import ChambolleTVFlow

    image = None
    try:
        with reporting(str(job.source)) as progress:
            progress.stage("reading", job.source.stat().st_size)
            picture = read_picture(job.source, options.series)
            axes, notes = choose_axes(picture, options)
            image, scale = _values(picture, options, notes)
            for note in notes:
                say(f"note: {job.source}: {note}")
            refuse_format(job.targets[0], picture, axes.get("channel_axis"))
            estimator = ChambolleTVFlow(**{**solver, **axes})
            estimator.fit(image)  # raises what is wrong with the image before computing
            task = Task(picture, image, scale, axes, estimator, progress)
            record, writers = compute(task)
            progress.stage("writing", n_frames * image.nbytes)
            with whole_files(job.targets, force=options.force) as partials:
                for write, partial in zip(writers, partials, strict=True):
                    write(partial)
    except Exception as error:
        better = _about(job.source, image, n_frames, error)
        if better is error:
            raise
        raise better from error
    targets = [str(target) for target in job.targets]
    return {
        "input": str(job.source),
        "output": targets if len(targets) > 1 else targets[0],
        "shape": picture.array.shape,
        **{name: axes.get(name) for name in ("channel_axis", "batch_axis", "spacing")},
        **record,
    }


def _about(path: Path, image: Array | None, n_frames: int, error: Exception) -> Exception:
    """Return an error that names the file, unless it is a fault of the program."""
    if is_for_the_user(error):
        return BadImage(f"{path}: {error}")
    if is_out_of_memory(error):
        reason = (str(error).strip() or "out of memory").splitlines()[0]
        if image is None:
            size = f"The file alone has {path.stat().st_size / 1e9:.3g} GB."
        else:
            shape = " x ".join(map(str, image.shape))
            size = (
                f"{n_frames} frames of {shape} {image.dtype} values take "
                f"{n_frames * image.nbytes / 1e9:.3g} GB, and the solver needs several times one "
                f"frame, {image.nbytes / 1e9:.3g} GB, in addition."
            )
        return BadImage(
            f"{path}: out of memory ({reason}). {size} Type fewer times, cut the image, or use a "
            "machine with more memory."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return BadImage(
            f"{error.filename or path} cannot be used ({error.strerror}). A file that you have "
            "the permission to read is needed. Type another one."
        )
    return error


def _values(picture: Picture, options: Options, notes: list[str]) -> tuple[Array, float]:
    """Return the numbers to compute with, of half the size where nothing is lost by that."""
    array = picture.array
    exact = array.dtype.kind in "iub" and array.dtype.itemsize <= 2
    narrow = exact and (options.tol is None or options.tol >= TIGHT)
    dtype = np.float32 if narrow else np.float64
    if options.unit_range and array.dtype.kind in "iu":
        largest = np.iinfo(array.dtype).max
        return np.divide(array, largest, dtype=dtype), 1 / largest
    if options.unit_range:
        notes.append(f"--unit-range leaves {array.dtype} values as they are")
    return (array.astype(dtype) if exact else array), 1.0
