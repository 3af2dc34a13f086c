"""`skimage-tvflow train`: weights for `TVFlowNet`, learned from images without targets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli import loaded
from skimage_tvflow.cli.files import read_picture
from skimage_tvflow.cli.jobs import files_of, refuse_existing, refuse_unwritable
from skimage_tvflow.cli.program import CliError
from skimage_tvflow.cli.report import print_json, print_line, reporting

SUFFIX = ".safetensors"
_SIDE = {2: 128, 3: 48}  # of images that are made, by the number of their axes


def train(
    images: Sequence[Path],
    output: Path,
    synthetic: int,
    axes: int,
    parameters: Mapping[str, Any],
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Train a network, and write its weights."""
    _refuse(images, output, synthetic, axes, parameters)
    refuse_unwritable(output.parent, [output.name])
    refuse_existing(output, force=force)
    from skimage_tvflow import TVFlowNet

    loaded()
    start = time.perf_counter()
    with reporting("training") as progress:
        callback = progress.stage("reading")
        seed = parameters["random_state"]
        made = _make(synthetic, axes, seed, callback)
        shown = list(_read(images, callback) if images else made)
        estimator = TVFlowNet(**parameters).fit(shown, callback=progress.stage("epochs"))
        output.parent.mkdir(parents=True, exist_ok=True)
        estimator.save_pretrained(output)
    losses = estimator.validation_loss_curve_
    record = {
        "output": str(output),
        "images": len(shown),
        "axes": estimator.n_spatial_dims_,
        "epochs": estimator.n_iter_,
        "loss": losses[-1] if losses else None,
        "seconds": time.perf_counter() - start,
    }
    if as_json:
        print_json(record)
        return
    loss = "" if record["loss"] is None else f", validation loss {record['loss']:.3g}"
    print_line(
        f"{_counted(len(shown), 'image')} -> {output}: {_counted(record['epochs'], 'epoch')}"
        f"{loss}, {_counted(round(record['seconds']), 'second')}"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _refuse(
    images: Sequence[Path], output: Path, synthetic: int, axes: int, parameters: Mapping[str, Any]
) -> None:
    if bool(images) == bool(synthetic):
        given = "neither" if not images else "both"
        raise CliError(
            f"images to read and --synthetic: {given} was given, and one of them is needed. Type "
            "the name of a folder of images, or --synthetic 500"
        )
    if output.suffix != SUFFIX:
        raise CliError(
            f"the output {output} does not end in {SUFFIX}, the format of weights. "
            f"Type -o {output.with_suffix(SUFFIX) if output.name else f'weights{SUFFIX}'}"
        )
    if axes not in _SIDE or synthetic < 0:
        raise CliError(
            f"--axes must be 2 or 3, and --synthetic at least 1, got {axes} and {synthetic}. "
            "Type --axes 2 --synthetic 500"
        )
    if parameters["max_epochs"] == 0 and parameters["weights"] is None:
        raise CliError(
            "--max-epochs 0 without --weights would write weights that have learned nothing. Type "
            "--max-epochs 1, or leave it out"
        )
    if parameters["random_state"] < 0:
        raise CliError(f"--random-state must be >= 0, got {parameters['random_state']}. Type 0.")


def _make(count: int, axes: int, seed: int, callback: Any) -> Iterator[np.ndarray]:
    from skimage_tvflow._synthetic import dead_leaves

    for number in range(count):
        callback(number / count)
        yield dead_leaves(np.random.default_rng([seed, number]), (_SIDE[axes],) * axes)


def _read(images: Sequence[Path], callback: Any) -> Iterator[np.ndarray]:
    """Every image, channels and times one by one, integers in parts of their largest value."""
    files = [file for image in images for file in files_of(image)]
    for number, path in enumerate(files):
        callback(number / len(files))
        picture = read_picture(path)
        array = picture.array
        if array.dtype.kind in "iu":
            array = array / np.iinfo(array.dtype).max
        separate = [axis for axis, letter in enumerate(picture.axes) if letter in "SCT"]
        array = np.moveaxis(array, separate, range(len(separate)))
        yield from array.reshape(-1, *array.shape[len(separate) :])
