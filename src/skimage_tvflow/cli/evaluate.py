"""`skimage-tvflow evaluate`: the tables and the figure of the paper, for a folder of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skimage_tvflow.cli import loaded, report
from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.bands import refuse_without_matplotlib
from skimage_tvflow.cli.files import read_picture
from skimage_tvflow.cli.jobs import files_of, refuse_outputs, whole_files
from skimage_tvflow.cli.program import about, refuse

_RESULTS = ("evaluation.md", "evaluation.csv", "evaluation.png")
_SIZES = range(16, 4097)


def evaluate(options: Options) -> None:
    """Run all methods on all images; write tables and a figure."""
    folder, output, size = options.folder, Path(options.output), options.size
    limit, epochs = options.limit, options.ablation
    refuse(
        {
            f"{folder} is no folder. Type that of the images": not folder.is_dir(),
            f"{output} is a file, not a folder. Type -o {output}.d": output.is_file(),
            f"--size must be from 16 to 4096, got {size}. Type --size 96": size not in _SIZES,
            f"--limit must be >= 1, got {limit}. Type --limit 100": limit is not None and limit < 1,
            f"--ablation must be >= 0, got {epochs}. Type --ablation 50": epochs < 0,
        }
    )
    refuse_without_matplotlib()
    files = files_of(folder)[:limit]
    targets = [output / name for name in _RESULTS]
    refuse_outputs(targets, force=True)
    from skimage_tvflow.evaluation.ablation import ablate
    from skimage_tvflow.evaluation.figure import draw
    from skimage_tvflow.evaluation.methods import METHODS
    from skimage_tvflow.evaluation.run import Evaluation, one_thread
    from skimage_tvflow.evaluation.tables import as_csv, as_markdown, make_tables

    names = list(METHODS)
    if options.methods is not None:
        names = list(dict.fromkeys(options.methods.split(",")))
    unknown = ", ".join(name for name in names if name not in METHODS)
    refuse({f"there is no method {unknown}. Type some of {','.join(METHODS)}": unknown})
    loaded.set()
    images = {path.name: _read(path, size) for path in files}
    kept = output / "images"
    kept.mkdir(parents=True, exist_ok=True)
    evaluation = Evaluation(kept, names, options.device or "cpu")
    with one_thread(), report.reporting("evaluate") as progress:
        records = []
        for number, (name, image) in enumerate(images.items()):
            show = progress.stage(f"{name}, {number + 1} of {len(images)}")
            records.append(evaluation.record(name, image, show))
        ablation = {}
        if epochs:
            show = progress.stage("ablation")
            ablation = ablate(kept, epochs, list(images.values()), show)
    tables = make_tables(records, ablation, options.device or "cpu")
    first = next(iter(images))
    notes = [
        f"{len(images)} images of {size} x {size} pixels in [0, 1]; fifty times up to t = 0.2; "
        "mean and standard deviation over the images.",
        f"Computed on: {evaluation.hardware}.",
    ]
    if ablation:
        notes.append(f"Ablation: {epochs} epochs for each of three seeds.")
    with whole_files(targets, force=True) as (markdown, csv, picture):
        markdown.write_text(as_markdown(tables, notes), encoding="utf-8")
        csv.write_text(as_csv(tables), encoding="utf-8")
        draw(images[first], *evaluation.frames(first)).savefig(picture, dpi=110)
    report.print_line(f"wrote {', '.join(str(target) for target in targets)}")


def _read(path: Path, size: int) -> np.ndarray:
    from skimage_tvflow.evaluation.protocol import to_gray_square

    with about(path):
        return to_gray_square(read_picture(path).array, size)
