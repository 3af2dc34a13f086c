"""Which file goes where, with everything checked that can be checked before computing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ._errors import CliError
from ._images import IMAGE_SUFFIXES
from ._output import refuse_existing, refuse_unwritable


@dataclass(frozen=True)
class Naming:
    """How a command names what it makes of an image.

    Attributes
    ----------
    endings : tuple of str
        One for each file, put behind the name of the image in a folder. If there are several, what
        is typed for a single image is what their names begin with.
    """

    endings: tuple[str, ...]

    def in_folder(self, folder: Path, source: Path) -> tuple[Path, ...]:
        return tuple(folder / (source.stem + ending) for ending in self.endings)

    def typed(self, output: Path) -> tuple[Path, ...]:
        if len(self.endings) > 1:
            _refuse_format_for_prefix(output, len(self.endings))
            return tuple(output.with_name(output.name + ending) for ending in self.endings)
        if not output.suffix:
            raise CliError(
                f"the output {output} has no extension, which says the format. "
                f"Type -o {output}.tif, or -o {output}/ for a folder."
            )
        return (output,)


FLOW = Naming(("_tvflow.tif",))
SPECTRUM = Naming(("_bands.tif", "_residual.tif", "_spectrum.csv", "_spectrum.png"))
FILTER = Naming(("_filtered.tif",))
DENOISE = Naming(("_denoised.tif",))
RESULTS = tuple(ending for naming in (FLOW, SPECTRUM, FILTER, DENOISE) for ending in naming.endings)


@dataclass(frozen=True)
class Job:
    """One input file and the outputs it becomes."""

    source: Path
    targets: tuple[Path, ...]

    @property
    def target(self) -> Path:
        """The first output, of most commands the only one."""
        return self.targets[0]


def plan_jobs(
    images: Sequence[Path], destination: str, naming: Naming, *, force: bool
) -> list[Job]:
    """Pair inputs with outputs.

    Parameters
    ----------
    images : sequence of Path
        Files and folders.
    destination : str
        A file for one input file, otherwise a folder; a slash at its end says folder.
    naming : Naming
        What the command writes.
    force : bool
        Whether outputs may exist.

    Returns
    -------
    list of Job
        At least one; no output is named twice, none is an input, none exists unless `force`.
    """
    output = Path(destination)
    sources = [file for image in images for file in files_of(image, output)]
    into_folder = (
        len(sources) > 1
        or any(image.is_dir() for image in images)
        or output.is_dir()
        or destination.endswith(("/", os.sep))
    )
    if into_folder:
        _refuse_file_for_folder(output, len(sources))
        jobs = [Job(source, naming.in_folder(output, source)) for source in sources]
    else:
        jobs = [Job(sources[0], naming.typed(output))]
    targets = [target for job in jobs for target in job.targets]
    refuse_unwritable(targets[0].parent, [target.name for target in targets])
    _refuse_clashes(jobs)
    for target in targets:
        refuse_existing(target, force=force)
    return jobs


def files_of(image: Path, output: Path | None = None) -> list[Path]:
    """Return the file itself, or the images directly inside a folder, without earlier outputs.

    Parameters
    ----------
    image : Path
        A file or a folder.
    output : Path, optional
        Where outputs go.

    Returns
    -------
    list of Path
        At least one.
    """
    if not image.exists():
        raise CliError(
            f"there is no file or folder {image}; an existing image is needed. "
            + (
                f"If it is a time, type -t before it: -t {image}"
                if _is_number(str(image))
                else "Check the name, or type ls to see what is there."
            )
        )
    if not image.is_dir():
        return [image]
    try:
        entries = sorted(image.iterdir())
    except OSError as error:
        raise CliError(
            f"the folder {image} cannot be read ({error.strerror or error}); the permission to "
            "read it is needed. Type the names of the files, or another folder."
        ) from error
    # Results of an earlier run into the same folder are not its images.
    own = output is not None and output.exists() and output.samefile(image)
    files = [
        entry
        for entry in entries
        if entry.suffix.lower() in IMAGE_SUFFIXES
        and entry.is_file()
        and not entry.name.startswith(".")
        and not (own and entry.name.endswith(RESULTS))
    ]
    if not files:
        raise CliError(
            f"the folder {image} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}) directly "
            "inside; at least one is needed. Type the folder that has them, or the files' names."
        )
    return files


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_file_for_folder(output: Path, n_images: int) -> None:
    looks_like_file = output.is_file() or output.suffix.lower() in IMAGE_SUFFIXES
    if looks_like_file and not output.is_dir():
        raise CliError(
            f"{n_images} image(s) of a folder or list cannot go into one file {output}; a folder "
            f"is needed. Type -o {output.with_suffix('')}"
        )


def _refuse_format_for_prefix(output: Path, n_files: int) -> None:
    if output.suffix.lower() in {*IMAGE_SUFFIXES, ".csv"}:
        raise CliError(
            f"an image becomes {n_files} files, which do not fit into {output}; what their names "
            f"begin with, or a folder, is needed. Type -o {output.with_suffix('')}"
        )


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    taken: dict[str, Path] = {}
    inputs = {os.path.realpath(job.source) for job in jobs}
    for source, target in ((job.source, target) for job in jobs for target in job.targets):
        where = os.path.realpath(target)
        if where in inputs:
            raise CliError(
                f"the output {target} is an input; another name is needed, "
                "as inputs are never overwritten. Type another one after -o."
            )
        if where in taken:
            raise CliError(
                f"{taken[where]} and {source} would both become {target}; every image "
                "needs an output of its own. Run them one by one, into different folders."
            )
        taken[where] = source
