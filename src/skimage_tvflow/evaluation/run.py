"""An evaluation that can be interrupted: one file for every image that is done."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skimage_tvflow.atomic_write import atomic_write
from skimage_tvflow.evaluation.measures import Record, measure
from skimage_tvflow.evaluation.methods import ready
from skimage_tvflow.evaluation.protocol import Reference

__all__ = ["Evaluation", "one_thread"]


class Evaluation:
    """
    Some methods on some images.

    Parameters
    ----------
    folder : Path
        Where what is done is kept, and found again.
    names : sequence of str
        The methods.
    device : str
        Where they compute.
    """

    def __init__(self, folder: Path, names: Sequence[str], device: str) -> None:
        self._folder, self._names = folder, names
        self._device = device
        self._estimators: dict[str, Any] = {}

    @property
    def hardware(self) -> str:  # numpydoc ignore=RT01
        """The name of the processor that computes."""
        if self._device.startswith("cuda"):
            return torch.cuda.get_device_name(self._device)
        return f"{platform.processor() or platform.machine()}, one thread"

    def record(self, name: str, image: np.ndarray, report: Callable[[float], object]) -> Record:
        """
        Return the numbers of an image, from its file if they are there.

        Parameters
        ----------
        name : str
            Of the image.
        image : ndarray
            The image.
        report : callable
            Told the fraction of the image's methods that are done.

        Returns
        -------
        dict
            As `measure` returns it.
        """
        path, settings = self._folder / f"{name}.json", self._settings(image)
        found = _read(path, settings)
        if found is not None:
            return found
        if not self._estimators:
            for method in self._names:
                self._estimators[method] = ready(method, self._device)
                # Compile now: it happens once, and would count as the time of the first image.
                self._estimators[method].transform(image[:16, :16], [0.01])
        reference = Reference.of(image)
        record, last = measure(reference, self._estimators, report)
        frames = np.stack([reference.steps[-1], *last.values()]).astype(np.float32)
        with atomic_write(path.with_suffix(".npy")) as partial:
            np.save(partial, frames)
        with atomic_write(path) as partial:
            partial.write_text(json.dumps({"settings": settings, **record}), encoding="utf-8")
        return record

    def frames(self, name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """
        Return the last frames of an image that is done.

        Parameters
        ----------
        name : str
            Of the image.

        Returns
        -------
        tuple
            That of the model-driven flow, and those of the methods by name.
        """
        steps, *last = np.load((self._folder / f"{name}.json").with_suffix(".npy"))
        return steps, dict(zip(self._names, last, strict=True))

    def _settings(self, image: np.ndarray) -> Record:
        digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
        return {
            "methods": list(self._names),
            "image": digest[:16],
            "device": self._device,
            "hardware": self.hardware,
        }


def _read(path: Path, settings: Record) -> Record | None:
    """The record in a file, or None if there is none, it is damaged, or others are its settings."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_same = isinstance(record, dict) and record.pop("settings", None) == settings
    return record if is_same else None


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and the compiled kernels take a single thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
