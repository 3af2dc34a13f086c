"""`skimage-tvflow train`: weights for `TVFlowNet`, learned from images without targets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ._check import refuse_values
from ._errors import CliError, library_errors
from ._images import read_picture
from ._jobs import files_of
from ._output import refuse_existing, refuse_unwritable
from ._progress import progress
from ._report import print_json, spoken_warnings

SUFFIX = ".safetensors"
# The sides of images that are made rather than read.
_SYNTHETIC_SIDE = {2: 128, 3: 48}


@dataclass(frozen=True)
class TrainOptions:
    """What the user set.

    Attributes
    ----------
    synthetic : int
        How many images to make instead of reading any.
    axes : int
        Their spatial axes, 2 or 3.
    start : str or None
        Weights to start from.
    epochs : int or None
        None leaves them to the recipe.
    seed : int
        Of everything random.
    checkpoints : Path or None
        Folder of the checkpoint.
    """

    synthetic: int
    axes: int
    start: str | None
    epochs: int | None
    seed: int
    checkpoints: Path | None


def run(
    images: Sequence[Path], output: Path, options: TrainOptions, *, force: bool, as_json: bool
) -> None:
    """Train a network, and write its weights.

    Parameters
    ----------
    images : sequence of Path
        Files and folders; none for synthetic images.
    output : Path
        The file of weights.
    options : TrainOptions
        What the user set.
    force : bool
        Overwrite an existing file.
    as_json : bool
        Report for machines.
    """
    _refuse(images, output, options)
    refuse_unwritable(output.parent, [output.name])
    refuse_existing(output, force=force)
    shown = list(_read(images) if images else _made(options))
    start = time.perf_counter()
    with spoken_warnings("train"), library_errors(), progress("training", "") as show:
        flow = _trained(shown, options, show)
        output.parent.mkdir(parents=True, exist_ok=True)
        flow.save_pretrained(output)
    seconds = time.perf_counter() - start
    record = {
        "output": str(output),
        "images": len(shown),
        "axes": flow.n_spatial_dims_,
        "epochs": flow.n_iter_,
        "loss": flow.validation_loss_curve_[-1] if flow.validation_loss_curve_ else None,
        "seconds": seconds,
    }
    if as_json:
        print_json(record)
        return
    loss = "" if record["loss"] is None else f", validation loss {record['loss']:.3g}"
    typer.echo(
        f"{_counted(len(shown), 'image')} -> {output}: {_counted(flow.n_iter_, 'epoch')}{loss}, "
        f"{_counted(round(seconds), 'second')}"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _refuse(images: Sequence[Path], output: Path, options: TrainOptions) -> None:
    if bool(images) == bool(options.synthetic):
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
    if options.axes not in _SYNTHETIC_SIDE:
        raise CliError(f"--axes must be 2 or 3, got {options.axes}. Type --axes 2")
    if options.epochs == 0 and options.start is None:
        raise CliError(
            "--epochs 0 without --from would write weights that have learned nothing. Type "
            "--epochs 1, or leave it out"
        )
    for name, value, least in (
        ("--synthetic", options.synthetic, 0),
        ("--epochs", options.epochs, 0),
        ("--seed", options.seed, 0),
    ):
        if value is not None and value < least:
            raise CliError(f"{name} must be >= {least}, got {value}. Type {name} {least}")


def _trained(shown: list[np.ndarray], options: TrainOptions, show: Any) -> Any:
    from skimage_tvflow import TVFlowNet

    flow = TVFlowNet(
        weights=options.start,
        max_epochs="auto" if options.epochs is None else options.epochs,
        random_state=options.seed,
        checkpoint_dir=options.checkpoints,
    )
    return flow.fit(shown, callback=lambda done: show(done.fraction))


def _made(options: TrainOptions) -> Iterator[np.ndarray]:
    from skimage_tvflow.learned.synthetic import dead_leaves

    shape = (_SYNTHETIC_SIDE[options.axes],) * options.axes
    for number in range(options.synthetic):
        yield dead_leaves(np.random.default_rng([options.seed, number]), shape)


def _read(images: Sequence[Path]) -> Iterator[np.ndarray]:
    """Every image, channels one by one, integers in parts of their largest value."""
    for path in (file for image in images for file in files_of(image)):
        picture = read_picture(path)
        refuse_values(picture)
        array, axis = picture.array, picture.channel_axis(None, None)
        if array.dtype.kind in "iu":
            array = array / np.iinfo(array.dtype).max
        yield from [array] if axis is None else np.moveaxis(array, axis, 0)
