"""From images and parameters to trained weights: the recipe, progress, checkpoints."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.core.networks.unrolled import UnrolledNet
from skimage_tvflow.estimators.callbacks import Callback, StoppedByCallback
from skimage_tvflow.estimators.result import Progress as Done
from skimage_tvflow.learned import weight_files
from skimage_tvflow.learned.training import Patches, Recipe, Trainer

__all__ = ["CHECKPOINT", "TrainingPlan", "train"]

CHECKPOINT = "checkpoint.safetensors"

_UPDATES_PER_EPOCH = 100
_PATIENCE = 10
_LR = 3e-3
# Of what a network can learn, an update takes in so many pixels; more updates than the most gain
# little.
_PIXELS_PER_UPDATE = 1000
_FEWEST_UPDATES, _MOST_UPDATES = 8, 8000
_PATCH_SIZE = {2: 48, 3: 20}
_BATCH_SIZE = {2: 4, 3: 2}


@dataclass(frozen=True)
class TrainingPlan:
    """
    What an estimator asks of a training; "auto" is answered by the recipe.

    Attributes
    ----------
    max_epochs, lr, patch_size, batch_size : number or "auto"
        As in the estimator.
    validation_fraction : float
        Share of the images held out.
    early_stopping : bool
        Whether to stop when the validation loss does not fall any more.
    checkpoint_dir : Path or None
        Where to keep a checkpoint.
    seed : int
        Of everything random.
    verbose : bool
        Whether to show a progress bar.
    """

    max_epochs: int | str
    lr: float | str
    patch_size: int | str
    batch_size: int | str
    validation_fraction: float
    early_stopping: bool
    checkpoint_dir: Path | None
    seed: int
    verbose: bool

    def recipe(self, n_pixels: int, n_spatial: int) -> Recipe:
        """
        Answer what is "auto".

        Parameters
        ----------
        n_pixels : int
            How many there are to learn from.
        n_spatial : int
            Axes of the images.

        Returns
        -------
        Recipe
            Of the training.
        """
        n_updates = int(np.clip(n_pixels / _PIXELS_PER_UPDATE, _FEWEST_UPDATES, _MOST_UPDATES))
        per_epoch = min(n_updates, _UPDATES_PER_EPOCH)
        epochs = _or_auto(self.max_epochs, math.ceil(n_updates / per_epoch))
        return Recipe(
            updates_per_epoch=per_epoch,
            max_epochs=int(epochs),
            patch_size=int(_or_auto(self.patch_size, _PATCH_SIZE[n_spatial])),
            batch_size=int(_or_auto(self.batch_size, _BATCH_SIZE[n_spatial])),
            lr=float(_or_auto(self.lr, _LR)),
            patience=_PATIENCE if self.early_stopping else None,
            seed=self.seed,
        )


def _or_auto(value: float | str, auto: float) -> float | str:
    return auto if value == "auto" else value


def train(
    net: UnrolledNet, images: Sequence[np.ndarray], plan: TrainingPlan, callback: Callback | None
) -> tuple[list[float], list[float]]:
    """
    Train a network in place.

    Parameters
    ----------
    net : UnrolledNet
        The network.
    images : sequence of arrays
        Two-dimensional or three-dimensional, float32.
    plan : TrainingPlan
        What is asked for.
    callback : callable or None
        Is told the fraction done; returning True ends the training.

    Returns
    -------
    tuple of two lists of float
        Loss and validation loss of every epoch.
    """
    recipe = plan.recipe(sum(image.size for image in images), net.design.n_spatial)
    shown, held_out = _split(images, plan)
    trainer = Trainer(
        net, Patches(shown, recipe.patch_size), Patches(held_out, recipe.patch_size), recipe
    )
    checkpoint = None
    if plan.checkpoint_dir is not None:
        checkpoint = _Checkpoint(plan.checkpoint_dir, trainer, _identity(net, images, plan, recipe))
        checkpoint.take_up()
    try:
        with _Bar(plan.verbose, recipe.max_epochs) as bar:
            while not trainer.finished:
                trainer.epoch(_report(trainer, recipe, bar, callback))
                if checkpoint is not None:
                    checkpoint.write()
            bar.show(recipe.max_epochs, trainer.validation_losses)
    except StoppedByCallback:
        pass
    trainer.finish()
    return trainer.losses, trainer.validation_losses


def _split(
    images: Sequence[np.ndarray], plan: TrainingPlan
) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """Images to learn from, and those held out; a single one serves for both."""
    count = max(1, round(plan.validation_fraction * len(images)))
    if len(images) <= count:
        return images, images
    order = np.random.default_rng([plan.seed, 2]).permutation(len(images))
    return [images[k] for k in order[count:]], [images[k] for k in order[:count]]


def _report(
    trainer: Trainer, recipe: Recipe, bar: _Bar, callback: Callback | None
) -> Callable[[float], None]:
    def report(part: float) -> None:
        epochs = len(trainer.losses) + part
        bar.show(epochs, trainer.validation_losses)
        if callback is not None and callback(Done(epochs / recipe.max_epochs, 0.0)):
            raise StoppedByCallback

    return report


class _Bar:
    """A progress bar, or nothing."""

    def __init__(self, shown: bool, n_epochs: int) -> None:
        self._progress = None
        if shown:
            # Only those who look at it pay for its import.
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns)
            self._task = self._progress.add_task("training", total=n_epochs)

    def __enter__(self) -> _Bar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, epochs: float, losses: Sequence[float]) -> None:
        if self._progress is None:
            return
        text = f"training, loss {losses[-1]:.5f}" if losses else "training"
        self._progress.update(self._task, completed=epochs, description=text)


def _identity(
    net: UnrolledNet, images: Sequence[np.ndarray], plan: TrainingPlan, recipe: Recipe
) -> dict[str, Any]:
    """What decides how a training ends."""
    return {
        "recipe": asdict(recipe),
        "validation_fraction": plan.validation_fraction,
        "images": _digest(images),
        "start": _digest(value.numpy() for value in net.state_dict().values()),
    }


def _digest(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


class _Checkpoint:
    """A file from which an interrupted training goes on as if nothing had happened."""

    def __init__(self, folder: Path, trainer: Trainer, identity: dict[str, Any]) -> None:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(
                f"checkpoint_dir={os.fspath(folder)!r} is a file, and a folder is needed. Pass "
                f"checkpoint_dir={os.fspath(folder) + '.d'!r}, say, or remove the file."
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / CHECKPOINT
        self._trainer = trainer
        self._identity = identity

    def take_up(self) -> None:
        """Go on from the file, if there is one."""
        if not self._path.is_file():
            return
        tensors, facts = weight_files.read_tensors(self._path)
        try:
            found = dict(json.loads(facts["training"]))
        except (KeyError, ValueError, TypeError) as error:
            raise self._damage(error) from error
        for what, value in self._identity.items():
            if found.get(what) != value:
                raise ValueError(
                    f"{os.fspath(self._path)} is of another training: its {what} is "
                    f"{found.get(what)!r}, and here it is {value!r}. Pass the same images and "
                    "parameters, another checkpoint_dir, or remove the file."
                )
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise self._damage("it has NaN or infinite numbers")
        try:
            self._trainer.restore(tensors, found["state"])
        except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise self._damage(error) from error

    def _damage(self, reason: object) -> ValueError:
        in_a_line = " ".join(str(reason).split())
        return ValueError(
            f"{os.fspath(self._path)} is no whole checkpoint ({in_a_line}), and training cannot go "
            "on from it. Remove the file, or pass another checkpoint_dir."
        )

    def write(self) -> None:
        """Replace the file, at once."""
        tensors, state = self._trainer.state()
        facts = {**self._identity, "state": state}
        weight_files.write_tensors(self._path, tensors, {"training": json.dumps(facts)})
