"""The ablation of the paper: which activation, at an equal budget of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from skimage_tvflow.estimators.net import TVFlowNet
from skimage_tvflow.evaluation.methods import training_images
from skimage_tvflow.evaluation.protocol import TIMES, compare, model_driven
from skimage_tvflow.evaluation.tables import ABLATION

__all__ = ["SEEDS", "ablate"]

SEEDS = (0, 1, 2)
# Smaller patches and a higher rate than those of the paper, so that short trainings tell.
_PATCH_SIZE, _LR = 48, 2e-3


def ablate(
    folder: Path,
    n_epochs: int,
    images: Sequence[np.ndarray],
    report: Callable[[float], object],
) -> dict[str, list[float]]:
    """
    Train semi-ResNets with every activation from every seed, and compare them.

    Parameters
    ----------
    folder : Path
        Trained networks are kept here, and found again.
    n_epochs : int
        Epochs of every training.
    images : sequence of ndarray
        What they are compared on.
    report : callable
        Told the fraction done.

    Returns
    -------
    dict
        For each activation the mean PSNR of each of its networks, in dB.
    """
    references = [model_driven(image) for image in images]
    found: dict[str, list[float]] = {}
    runs = [(activation, seed) for activation in ABLATION for seed in SEEDS]
    for number, (activation, seed) in enumerate(runs):
        report(number / len(runs))
        net = _trained(folder, activation, seed, n_epochs)
        psnr = [compare(net.transform(f, TIMES), u).psnr for f, u in zip(images, references)]
        found.setdefault(activation, []).append(float(np.mean(psnr)))
    return found


def _trained(folder: Path, activation: str, seed: int, n_epochs: int) -> TVFlowNet:
    path = folder / f"{activation}-{seed}-{n_epochs}.safetensors"
    if path.is_file():
        return TVFlowNet.from_pretrained(path)
    net = TVFlowNet(
        architecture="semi-resnet",
        activation=activation,
        max_epochs=n_epochs,
        lr=_LR,
        patch_size=_PATCH_SIZE,
        early_stopping=False,
        random_state=seed,
    )
    net.fit(training_images()).save_pretrained(path)
    return net
