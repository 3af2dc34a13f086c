"""`skimage-tvflow train`: weights for `TVFlowNet`, learned from images without targets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli import loaded, report
from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.files import read_picture
from skimage_tvflow.cli.jobs import files_of, refuse_outputs
from skimage_tvflow.cli.program import about, refuse

_SIDE = {2: 128, 3: 48}  # of images that are made, by the number of their axes


def train(options: Options) -> None:
    """Train a network, and write its weights."""
    output = Path(options.output)
    name = (output if output.name else Path("weights")).with_suffix(".safetensors")
    unclear = bool(options.images) == (options.synthetic > 0)
    untrained, seed = options.max_epochs == 0 and not options.weights, options.random_state
    refuse(
        {
            "either images or --synthetic are needed, and not both. Type --synthetic 500": unclear,
            f"{output} does not end in .safetensors. Type -o {name}": output.suffix != name.suffix,
            f"--axes must be 2 or 3, got {options.axes}. Type --axes 2": options.axes not in _SIDE,
            f"--random-state must be >= 0, got {seed}. Type 0": seed < 0,
            "weights that have learned nothing are not written. Type --max-epochs 1": untrained,
        }
    )
    refuse_outputs([output], force=options.force)
    from skimage_tvflow import TVFlowNet

    loaded.set()
    start = time.perf_counter()
    estimator = TVFlowNet(
        max_epochs="auto" if options.max_epochs is None else options.max_epochs,
        architecture=options.architecture,
        activation=options.activation,
        lr="auto" if options.lr is None else options.lr,
        weights=options.weights,
        random_state=seed,
        checkpoint_dir=options.checkpoint_dir,
    )
    with report.reporting("training") as progress:
        images = list((_read if options.images else _make)(options, progress.stage("reading")))
        estimator.fit(images, callback=progress.stage("epochs"))
        output.parent.mkdir(parents=True, exist_ok=True)
        estimator.save_pretrained(output)
    seconds, n, epochs = time.perf_counter() - start, len(images), estimator.n_iter_
    loss = (estimator.validation_loss_curve_ or [float("nan")])[-1]
    record: dict[str, Any] = {"output": str(output), "images": n, "epochs": epochs, "loss": loss}
    if options.json:
        report.print_json(record | {"axes": estimator.n_spatial_dims_, "seconds": seconds})
    else:
        done = f"images {n}, epochs {epochs}, validation loss {loss:.3g}"
        report.show(str(output), done, seconds)


def _make(options: Options, callback: Callable[[Any], bool]) -> Iterator[np.ndarray]:
    from skimage_tvflow.learned.synthetic import dead_leaves

    shape = (_SIDE[options.axes],) * options.axes
    for number in range(options.synthetic):
        callback(number / options.synthetic)
        yield dead_leaves(np.random.default_rng([options.random_state, number]), shape)


def _read(options: Options, callback: Callable[[Any], bool]) -> Iterator[np.ndarray]:
    """Every image, channels and times one by one, integers in parts of their largest value."""
    from skimage_tvflow import ChambolleTVFlow

    files = [file for image in options.images for file in files_of(image)]
    for number, path in enumerate(files):
        callback(number / len(files))
        picture = read_picture(path)
        array = picture.array
        with about(path):
            ChambolleTVFlow().fit(array)  # raises what is wrong with the values
        if array.dtype.kind in "iu":
            array = array / np.iinfo(array.dtype).max
        separate = [axis for axis, letter in enumerate(picture.axes) if letter in "SCT"]
        array = np.moveaxis(array, separate, range(len(separate)))
        yield from array.reshape(-1, *array.shape[len(separate) :])
