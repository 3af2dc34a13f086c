"""What all commands on images do: read a file, check it, compute, write, report; then the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli import loaded, report
from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.files import read_mask, read_picture, refuse_format, write_picture
from skimage_tvflow.cli.jobs import Job, plan_jobs, whole_files
from skimage_tvflow.cli.picture import Array, Picture, choose_axes
from skimage_tvflow.cli.program import BadImage, about, refuse, say, tell

TIGHT = 1e-5  # a tolerance below this is near the rounding of float32


@dataclass(frozen=True)
class Task:
    """An image that is ready to be computed: its values were multiplied by `scale`."""

    path: Path
    picture: Picture
    image: Array
    scale: float
    axes: Mapping[str, Any]  # the keywords that all functions of the library share
    mask: Array | None
    estimator: Any
    progress: report.StageReport

    @property
    def limits(self) -> dict[str, Any]:
        """The mask as a keyword of the library, if there is one."""
        return {} if self.mask is None else {"mask": self.mask}

    def write(self, path: Path, array: Array, times: Sequence[float] = ()) -> None:
        """Write what was computed from the image, in the format that the name says."""
        write_picture(path, array, self.picture, times, scale=self.scale)


# The result of a command for one image: facts for --json, words or a table for people, and one
# writing function per output.
Computed = tuple[dict[str, Any], report.Table | str, list[Callable[[Path], None]]]
Compute = Callable[[Task], Computed]


def run(
    command: str,
    options: Options,
    solver: Mapping[str, Any],
    compute: Compute,
    n_frames: int,
    check: Callable[[Any], object] = lambda estimator: None,
    only_tiff: str = "",
) -> None:
    """Compute every image; one that cannot be computed does not stop the others.

    `solver` are parameters of ChambolleTVFlow, `n_frames` is how many frames an image becomes, and
    `check` raises if the options cannot be right for any image.
    """
    force, images = options.force, options.images
    jobs = plan_jobs(images, options.output, command, force=force, only_tiff=only_tiff)
    from skimage_tvflow import ChambolleTVFlow

    loaded.set()
    given = {**solver, "tol": options.tol, "device": options.device}
    solver = {name: value for name, value in given.items() if value is not None}
    check(ChambolleTVFlow(**solver).fit(np.zeros(2, np.float32)))
    records, failures = [], []
    for job in jobs:
        try:
            records.append(_process(job, options, solver, compute, n_frames))
        except BadImage as error:
            if len(jobs) == 1:
                raise
            tell(error, debug=options.debug)
            failures.append({"input": str(job[0]), "message": str(error)})
    if options.json:
        report.print_json({"files": records, "errors": failures})
    n_bad = f"{len(failures)} of {len(jobs)} images could not be computed, for the reasons above"
    refuse({f"{n_bad}. Mend them and type only their names; the others are written.": failures})


def _process(
    job: Job, options: Options, solver: Mapping[str, Any], compute: Compute, n_frames: int
) -> dict[str, Any]:
    """Read, compute and write one image; return what to report of it."""
    from skimage_tvflow import ChambolleTVFlow

    path, targets = job
    start = time.perf_counter()
    with report.reporting(str(path)) as progress:
        with about(path):
            n_bytes = path.stat().st_size
        progress.stage("reading", n_bytes=n_bytes)
        with about(path, f"The file alone has {n_bytes / 1e9:.3g} GB. "):
            picture = read_picture(path, options.series)
            axes, notes = choose_axes(picture, options)
            image, scale = _values(picture, options, notes)
            wrong = f"{image.dtype} values cannot be written. Save the real and the imaginary part"
            refuse({f"{wrong} as two files, or use tv_flow in Python": image.dtype.kind == "c"})
            mask = read_mask(image, options.mask, nan_is_missing=options.nan_is_missing)
        if mask is None and image.dtype.kind == "f" and not np.isfinite(image).all():
            notes.append("--nan-is-missing takes values that are no numbers as no data")
        for note in notes:
            say(f"note: {path}: {note}")
        refuse_format(targets[0], picture, axes.get("channel_axis"))
        frames = f"{n_frames} frames of {' x '.join(map(str, image.shape))} {image.dtype} values"
        needed = f"{n_frames * image.nbytes / 1e9:.3g} GB, and the solver needs several more"
        with about(path, f"{frames} take {needed}. "):
            estimator = ChambolleTVFlow(**{**solver, **axes})
            # Raises what is wrong with the image before computing.
            estimator.staged_transform(image, 0.0, mask=mask)
            task = Task(path, picture, image, scale, axes, mask, estimator, progress)
            record, shown, writers = compute(task)
        progress.stage("writing", n_bytes=n_frames * image.nbytes)
        with whole_files(targets, force=options.force) as partials:
            for write, partial in zip(writers, partials, strict=True):
                write(partial)
    names, seconds = [str(target) for target in targets], time.perf_counter() - start
    if not options.json:
        report.show(f"{path} -> {', '.join(names)}", shown, seconds)
    return {
        "input": str(path),
        "output": names if len(names) > 1 else names[0],
        "shape": picture.array.shape,
        **{name: axes.get(name) for name in ("channel_axis", "batch_axis", "spacing")},
        "seconds": seconds,
        **record,
    }


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
