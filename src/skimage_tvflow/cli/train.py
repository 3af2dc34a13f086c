"""`skimage-tvflow train`: weights for `TVFlowNet`, learned from images without targets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli import loaded
from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.files import read_picture
from skimage_tvflow.cli.jobs import files_of, refuse_outputs
from skimage_tvflow.cli.program import CliError
from skimage_tvflow.cli.report import print_json, print_line, reporting

SUFFIX = ".safetensors"
_SIDE = {2: 128, 3: 48}  # of images that are made, by the number of their axes


def train(options: Options) -> None:
    """Train a network, and write its weights."""
    output = Path(options.output)
    _refuse(options, output)
    refuse_outputs([output], force=options.force)
    from skimage_tvflow import TVFlowNet

    loaded()
    start = time.perf_counter()
    names = ("weights", "random_state", "checkpoint_dir")
    estimator = TVFlowNet(
        max_epochs="auto" if options.max_epochs is None else options.max_epochs,
        **{name: getattr(options, name) for name in names},
    )
    with reporting("training") as progress:
        reading = progress.stage("reading")
        images = list(_read(options, reading) if options.images else _make(options, reading))
        estimator.fit(images, callback=progress.stage("epochs"))
        output.parent.mkdir(parents=True, exist_ok=True)
        estimator.save_pretrained(output)
    losses = estimator.validation_loss_curve_
    record: dict[str, Any] = {
        "output": str(output),
        "images": len(images),
        "axes": estimator.n_spatial_dims_,
        "epochs": estimator.n_iter_,
        "loss": losses[-1] if losses else None,
        "seconds": time.perf_counter() - start,
    }
    if options.json:
        print_json(record)
        return
    loss = f", validation loss {losses[-1]:.3g}" if losses else ""
    print_line(
        f"{_counted(len(images), 'image')} -> {output}: {_counted(estimator.n_iter_, 'epoch')}"
        f"{loss}, {_counted(round(record['seconds']), 'second')}"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _refuse(options: Options, output: Path) -> None:
    if bool(options.images) == (options.synthetic > 0):
        given = "both" if options.images else "neither"
        raise CliError(
            f"images to read and --synthetic: {given} was given, and one of them is needed. Type "
            "the name of a folder of images, or --synthetic 500"
        )
    if output.suffix != SUFFIX:
        raise CliError(
            f"the output {output} does not end in {SUFFIX}, the format of weights. "
            f"Type -o {output.with_suffix(SUFFIX) if output.name else f'weights{SUFFIX}'}"
        )
    if options.axes not in _SIDE:
        raise CliError(f"--axes must be 2 or 3, got {options.axes}. Type --axes 2")
    if options.random_state < 0:
        raise CliError(f"--random-state must be >= 0, got {options.random_state}. Type 0.")
    if options.max_epochs == 0 and options.weights is None:
        raise CliError(
            "--max-epochs 0 without --weights would write weights that have learned nothing. Type "
            "--max-epochs 1, or leave it out"
        )


def _make(options: Options, callback: Callable[[Any], bool]) -> Iterator[np.ndarray]:
    from skimage_tvflow.learned.synthetic import dead_leaves

    shape = (_SIDE[options.axes],) * options.axes
    for number in range(options.synthetic):
        callback(number / options.synthetic)
        yield dead_leaves(np.random.default_rng([options.random_state, number]), shape)


def _read(options: Options, callback: Callable[[Any], bool]) -> Iterator[np.ndarray]:
    """Every image, channels and times one by one, integers in parts of their largest value."""
    files = [file for image in options.images for file in files_of(image)]
    for number, path in enumerate(files):
        callback(number / len(files))
        picture = read_picture(path)
        array = picture.array
        if array.dtype.kind in "iu":
            array = array / np.iinfo(array.dtype).max
        separate = [axis for axis, letter in enumerate(picture.axes) if letter in "SCT"]
        array = np.moveaxis(array, separate, range(len(separate)))
        yield from array.reshape(-1, *array.shape[len(separate) :])
