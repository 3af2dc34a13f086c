"""Which file becomes which, checked as far as possible before anything is read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from skimage_tvflow.atomic_write import atomic_write
from skimage_tvflow.cli.files import ANY_VALUES, IMAGE_SUFFIXES
from skimage_tvflow.cli.program import CliError

# Added to the name of an image in a folder of results, by command.
ENDINGS = {
    "flow": ("_tvflow.tif",),
    "spectrum": ("_bands.tif", "_residual.tif", "_spectrum.csv", "_spectrum.png"),
    "filter": ("_filtered.tif",),
    "denoise": ("_denoised.tif",),
}
_RESULTS = tuple(ending for endings in ENDINGS.values() for ending in endings)


@dataclass(frozen=True)
class Job:
    """One input file and the outputs it becomes."""

    source: Path
    targets: tuple[Path, ...]


def plan_jobs(images: Sequence[Path], destination: str, command: str, *, force: bool) -> list[Job]:
    """Pair inputs with outputs: none named twice, none an input, none existing unless `force`."""
    output, endings = Path(destination), ENDINGS[command]
    sources = [file for image in images for file in files_of(image, output)]
    several = len(sources) > 1 or any(image.is_dir() for image in images)
    if several or output.is_dir() or destination.endswith(("/", os.sep)):
        if not output.is_dir() and (output.exists() or output.suffix.lower() in IMAGE_SUFFIXES):
            raise CliError(
                f"{len(sources)} image(s) of a folder or list cannot go into one file {output}; a "
                f"folder is needed. Type -o {output.with_suffix('')}"
            )
        jobs = [Job(s, tuple(output / (s.stem + ending) for ending in endings)) for s in sources]
    else:
        jobs = [Job(sources[0], _named(output, endings))]
    refuse_outputs([target for job in jobs for target in job.targets], force=force)
    taken = {os.path.realpath(job.source): job.source for job in jobs}
    for job in jobs:
        for target in job.targets:
            other = taken.setdefault(os.path.realpath(target), target)
            if other is not target:
                what = f"is the input {other}" if other in sources else "is written twice"
                raise CliError(
                    f"the output {target} {what}; every image needs an output of its own, and "
                    "inputs are never overwritten. Type another name after -o, or run the images "
                    "one by one."
                )
    return jobs


def _named(output: Path, endings: Sequence[str]) -> tuple[Path, ...]:
    if len(endings) == 1 and not output.suffix:
        raise CliError(
            f"the output {output} has no extension, which says the format. "
            f"Type -o {output}.tif, or -o {output}/ for a folder."
        )
    if len(endings) > 1 and output.suffix.lower() in {*IMAGE_SUFFIXES, ".csv"}:
        raise CliError(
            f"an image becomes {len(endings)} files, which do not fit into {output}; what their "
            f"names begin with, or a folder, is needed. Type -o {output.with_suffix('')}"
        )
    if len(endings) > 1:
        return tuple(output.with_name(output.name + ending) for ending in endings)
    return (output,)


def files_of(image: Path, output: Path | None = None) -> list[Path]:
    """Return the file itself, or the images directly inside a folder, without earlier outputs."""
    if image.is_file():
        return [image]
    if not image.exists():
        hint = "Check the name, or type ls to see what is there."
        with suppress(ValueError):
            hint = f"If it is a time, type -t before it: -t {float(str(image)):g}"
        raise CliError(f"there is no file or folder {image}; an existing image is needed. {hint}")
    if not image.is_dir():
        raise CliError(
            f"{image} is a pipe or a device; a regular file is needed. Save what it gives to a "
            "file, and type the name of that."
        )
    # Results of an earlier run into the same folder are not its images.
    own = output is not None and output.exists() and output.samefile(image)
    files = [
        entry
        for entry in sorted(image.iterdir())
        if entry.suffix.lower() in IMAGE_SUFFIXES
        and entry.is_file()
        and not entry.name.startswith(".")
        and not (own and entry.name.endswith(_RESULTS))
    ]
    if not files:
        raise CliError(
            f"the folder {image} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}) directly "
            "inside; at least one is needed. Type the folder that has them, or the files' names."
        )
    return files


def refuse_typed_format(destination: str, what: str, needed: str, instead: str = "") -> None:
    """Raise if a file was typed as output whose format cannot hold what was asked for."""
    target = Path(destination)
    is_folder = destination.endswith(("/", os.sep)) or target.is_dir()
    if target.suffix and target.suffix.lower() not in ANY_VALUES and not is_folder:
        raise CliError(
            f"{what.format(target.suffix)}; {needed} is needed. "
            f"Type a name that ends in .tif: -o {target.with_suffix('.tif')}{instead}"
        )


def refuse_outputs(targets: Sequence[Path], *, force: bool) -> None:
    """Raise if files of these names, all in one folder, cannot be made or may not be replaced."""
    folder = targets[0].parent
    made = []
    while not folder.exists():
        made.append(folder.name)
        folder = folder.parent
    try:
        # Trying is the only answer that holds for permissions, read-only disks and network drives.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CliError(
            f"nothing can be written in {folder} ({error.strerror or error}). A folder with the "
            "permission to write is needed. Type another one after -o."
        ) from error
    for name in (*made, *(target.name for target in targets)):
        with suppress(FileNotFoundError):
            os.lstat(folder / name)  # tells a name that is too long for the disk
    for target in targets:
        refuse_existing(target, force=force)


def refuse_existing(target: Path, *, force: bool) -> None:
    """Raise if there is something at `target` that may not be replaced."""
    if target.exists() and not target.is_file():
        raise CliError(
            f"the output {target} is a folder, a pipe or a device; the name of a regular file is "
            "needed. Type another one after -o."
        )
    if target.exists() and not force:
        raise CliError(
            f"the output {target} exists; nothing is overwritten unasked. "
            "Type --force to overwrite it, or another name after -o."
        )


@contextmanager
def whole_files(targets: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """Give names to write to, one for each target; the targets appear when all are written."""
    try:
        with ExitStack() as stack:
            for target in targets:
                target.parent.mkdir(parents=True, exist_ok=True)
            yield [stack.enter_context(atomic_write(target)) for target in targets]
            for target in targets:  # another process may have written one meanwhile
                refuse_existing(target, force=force)
    except OSError as error:
        raise CliError(
            f"{error.filename or targets[0]} cannot be written ({error.strerror or error}). A "
            "folder with room and the permission to write is needed. Type another one after -o."
        ) from error
