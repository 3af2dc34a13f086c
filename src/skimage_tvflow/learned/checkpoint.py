"""The file from which an interrupted training continues as if nothing had happened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.learned.architectures import Network
from skimage_tvflow.learned.recipe import TrainingRecipe
from skimage_tvflow.learned.tensor_files import (
    UnusableFileError,
    encode,
    read_tensors,
    write_bytes,
)
from skimage_tvflow.learned.training import Trainer

__all__ = ["CHECKPOINT", "TrainingCheckpoint", "identify_training"]

CHECKPOINT = "checkpoint.safetensors"


class TrainingCheckpoint:
    """
    The checkpoint of one training.

    Parameters
    ----------
    folder : Path
        Where the file is; it is made if missing.
    trainer : Trainer
        The training.
    identity : dict
        What :func:`identify_training` returned.

    Raises
    ------
    NotADirectoryError
        If the folder is a file.
    """

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

    def resume(self) -> None:
        """
        Continue from the file, if there is one.

        Raises
        ------
        ValueError
            If the file is damaged, or belongs to another training.
        OSError
            If it cannot be read.
        """
        if not self._path.exists():
            return
        try:
            tensors, facts = read_tensors(self._path)
        except UnusableFileError as error:
            raise self._damage(error) from error
        for what, value in self._identity.items():
            if facts.get(what) != value:
                raise ValueError(
                    f"{os.fspath(self._path)} belongs to another training: its {what} is "
                    f"{facts.get(what)!r}, and here it is {value!r}. Pass the same images and "
                    "parameters, another checkpoint_dir, or remove the file."
                )
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise self._damage("it has NaN or infinite numbers")
        try:
            self._trainer.restore(tensors, facts["state"])
        except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise self._damage(error) from error

    def write(self) -> None:
        """
        Replace the file by the present state, whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written; it names the file.
        """
        tensors, state = self._trainer.state()
        write_bytes(self._path, encode(tensors, {**self._identity, "state": state}))

    def _damage(self, reason: object) -> ValueError:
        in_one_line = " ".join(str(reason).split())
        return ValueError(
            f"{os.fspath(self._path)} is not a whole checkpoint ({in_one_line}), and training "
            "cannot continue from it. Remove the file, or pass another checkpoint_dir."
        )


def identify_training(
    net: Network,
    images: Sequence[np.ndarray],
    validation_fraction: float,
    recipe: TrainingRecipe,
) -> dict[str, Any]:
    """
    Return everything that determines the result of a training.

    Parameters
    ----------
    net : Network
        The network before training.
    images : sequence of arrays
        All images.
    validation_fraction : float
        Fraction of the images held out.
    recipe : TrainingRecipe
        The numbers of the training.

    Returns
    -------
    dict
        For a JSON file.
    """
    return {
        "recipe": asdict(recipe),
        "validation_fraction": validation_fraction,
        "images": _digest(images),
        "start": _digest(value.numpy() for value in net.state_dict().values()),
    }


def _digest(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
