"""Which file becomes which, checked as far as possible before anything is read."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from skimage_tvflow.atomic_write import atomic_write
from skimage_tvflow.cli.files import ANY_VALUES, IMAGE_SUFFIXES
from skimage_tvflow.cli.program import CliError, refuse

# Added to the name of an image in a folder of results, by command.
ENDINGS = {
    "flow": ["_tvflow.tif"],
    "spectrum": ["_bands.tif", "_residual.tif", "_spectrum.csv", "_spectrum.png"],
    "filter": ["_filtered.tif"],
    "denoise": ["_denoised.tif"],
}
Job = tuple[Path, list[Path]]  # an input and the outputs it becomes


def plan_jobs(
    images: Sequence[Path], destination: str, command: str, *, force: bool, only_tiff: str
) -> list[Job]:
    """Pair inputs with outputs: none named twice, none an input, none existing unless `force`.

    `only_tiff` says why, if no other format than TIFF and NumPy's can hold the results.
    """
    output, endings, suffix = Path(destination), ENDINGS[command], Path(destination).suffix.lower()
    sources = [file for image in images for file in files_of(image, output)]
    into_folder = output.is_dir() or destination.endswith(("/", os.sep))
    several, n = len(sources) > 1 or any(image.is_dir() for image in images), len(endings)
    bare, is_file = output.with_suffix(""), suffix in {*IMAGE_SUFFIXES, ".csv"} or output.is_file()
    if not into_folder:
        refuse(
            {
                f"{len(sources)} image(s) of a folder or list become files of their own, not "
                f"{output}. Type a folder: -o {bare}": several and is_file,
                f"an image becomes {n} files, not {output}. Type how their names begin, or a "
                f"folder: -o {bare}": n > 1 and suffix in {*IMAGE_SUFFIXES, ".csv"},
                f"the output {output} has no extension, which says the format. Type "
                f"-o {output}.tif, or -o {output}/ for a folder.": not (several or n > 1 or suffix),
                f"{only_tiff}, which {suffix} files cannot hold. Type a name that ends in .tif: "
                f"-o {bare}.tif": only_tiff and not several and suffix not in ANY_VALUES,
            }
        )
    if into_folder or several:
        jobs = [(s, [output / (s.stem + ending) for ending in endings]) for s in sources]
    elif n > 1:
        jobs = [(sources[0], [output.with_name(output.name + ending) for ending in endings])]
    else:
        jobs = [(sources[0], [output])]
    targets = [target for _, targets in jobs for target in targets]
    refuse_outputs(targets, force=force)
    uses = Counter(os.path.realpath(path) for path in (*sources, *targets))
    twice = next((path for path in uses if uses[path] > 1), None)
    refuse({f"{twice} is an input, or written twice. Type another name after -o.": twice})
    return jobs


def files_of(image: Path, output: Path | None = None) -> list[Path]:
    """Return the file itself, or the images directly inside a folder, without earlier outputs."""
    if image.is_file():
        return [image]
    hint = "Check the name, or type ls to see what is there."
    with suppress(ValueError):
        hint = f"If it is a time, type -t before it: -t {float(str(image)):g}"
    refuse(
        {
            f"there is no file or folder {image}. {hint}": not image.exists(),
            f"{image} is a pipe or a device. Save what it gives to a file": not image.is_dir(),
        }
    )
    # Results of an earlier run into the same folder are not its images.
    own = output is not None and output.exists() and output.samefile(image)
    results = tuple(ending for endings in ENDINGS.values() for ending in endings) if own else ()
    files = [file for file in sorted(image.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES]
    files = [file for file in files if file.is_file() and not file.name.startswith(".")]
    files = [file for file in files if not file.name.endswith(results)]
    known = ", ".join(sorted(IMAGE_SUFFIXES))
    refuse({f"the folder {image} has no images ({known}) directly inside. Type another": not files})
    return files


def refuse_outputs(targets: Sequence[Path], *, force: bool) -> None:
    """Raise if files of these names, all in one folder, cannot be made or may not be replaced."""
    folder, names = targets[0].parent, [target.name for target in targets]
    while not folder.exists():
        names.append(folder.name)
        folder = folder.parent
    try:
        # Trying is the only answer that holds for permissions, read-only disks and network drives.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"nothing can be written in {folder} ({error.strerror or error})"
        raise CliError(f"{reason}. Type another folder after -o.") from error
    for name in names:
        with suppress(FileNotFoundError):
            os.lstat(folder / name)  # raises if a name is too long for the disk
    _refuse_existing(targets, force=force)


def _refuse_existing(targets: Sequence[Path], *, force: bool) -> None:
    for path in targets:
        is_file, is_special = path.is_file(), path.exists() and not path.is_file()
        refuse(
            {
                f"the output {path} is a folder, a pipe or a device. Type another name": is_special,
                f"the output {path} exists. Type --force to overwrite it.": is_file and not force,
            }
        )


@contextmanager
def whole_files(targets: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """Give names to write to, one for each target; the targets appear when all are written."""
    with ExitStack() as stack:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield [stack.enter_context(atomic_write(target)) for target in targets]
        _refuse_existing(targets, force=force)  # another process may have written one meanwhile
