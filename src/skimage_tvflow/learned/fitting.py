"""The loop over epochs: validation images, checkpoint, progress bar."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from skimage_tvflow.learned.architectures import Network, architecture_of
from skimage_tvflow.learned.checkpoint import TrainingCheckpoint, identify_training
from skimage_tvflow.learned.recipe import TrainingOptions
from skimage_tvflow.learned.training import Trainer, split_off_validation

__all__ = ["train"]

# Pixels of an update for one thread of torch. With fewer, threads wait for each other: on two busy
# cores two of them took eight times as long for the default patches as one.
_PIXELS_PER_THREAD = 2**16


class _TorchThreads:
    """How many threads torch takes, back as it was after the last training that limits it."""

    def __init__(self) -> None:
        self._lock, self._limits, self._usual = threading.Lock(), 0, 1

    @contextmanager
    def limited(self, most: int) -> Iterator[None]:
        with self._lock:
            if not self._limits:
                self._usual = torch.get_num_threads()
            self._limits += 1
            torch.set_num_threads(min(most, self._usual))
        try:
            yield
        finally:
            with self._lock:
                self._limits -= 1
                torch.set_num_threads(self._usual)


_TORCH_THREADS = _TorchThreads()


def train(
    net: Network,
    images: Sequence[np.ndarray],
    options: TrainingOptions,
    *,
    checkpoint_dir: Path | None = None,
    show_bar: bool = False,
    stop_requested: Callable[[float], bool] | None = None,
) -> tuple[list[float], list[float]]:
    """
    Train a network in place.

    Parameters
    ----------
    net : Network
        The network; in the end it has the weights with the smallest validation loss.
    images : sequence of arrays, float32
        All with 2, or all with 3 axes.
    options : TrainingOptions
        The user's choices.
    checkpoint_dir : Path, optional
        Folder of the checkpoint.
    show_bar : bool, optional
        Whether to show a progress bar.
    stop_requested : callable, optional
        Called after every update with the fraction of the work that is done; True ends the
        training.

    Returns
    -------
    tuple of two lists of float
        Loss and validation loss of every epoch.

    Raises
    ------
    FloatingPointError
        If the loss or the weights become NaN, infinite or too large to be used.
    ValueError, OSError
        If the checkpoint belongs to another training, or cannot be read or written.
    """
    n_pixels = sum(image.size for image in images)
    recipe = options.recipe(n_pixels, net.design.n_spatial, architecture_of(net))
    fraction = options.validation_fraction
    trainer = Trainer(net, *split_off_validation(images, fraction, options.seed), recipe)
    checkpoint = None
    if checkpoint_dir is not None:
        identity = identify_training(net, images, fraction, recipe)
        checkpoint = TrainingCheckpoint(checkpoint_dir, trainer, identity)
        checkpoint.resume()
    with _progress_bar(show_bar) as show:

        def stop(done: float) -> bool:
            show(done, trainer.validation_losses)
            return stop_requested is not None and stop_requested(done)

        pixels = recipe.batch_size * recipe.patch_size**net.design.n_spatial
        with _TORCH_THREADS.limited(max(1, pixels // _PIXELS_PER_THREAD)):
            while not trainer.finished and trainer.run_epoch(stop):
                if checkpoint is not None:
                    checkpoint.write()
        if trainer.finished and len(trainer.losses) < recipe.max_epochs:
            # Early stopping is the end of the work too.
            stop(1.0)
    trainer.load_best_weights()
    return trainer.losses, trainer.validation_losses


@contextmanager
def _progress_bar(shown: bool) -> Iterator[Callable[[float, Sequence[float]], None]]:
    """Give a function that is told the fraction done and the validation losses so far."""
    if not shown:
        yield lambda done, losses: None
        return
    # Imported only where a bar is shown, as the import takes .1 s.
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("training", total=1.0)

        def show(done: float, losses: Sequence[float]) -> None:
            text = f"training, loss {losses[-1]:.5f}" if losses else "training"
            bar.update(task, completed=done, description=text)

        yield show
