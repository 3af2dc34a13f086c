"""How a network is trained: what a user chooses, what "auto" stands for, and every constant."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = [
    "CONTRASTS",
    "FINAL_LR_FRACTION",
    "RESTART_PROBABILITY",
    "STARTS_PER_PATCH",
    "STEPS_PER_UPDATE",
    "STEPS_PER_WINDOW",
    "STEP_GROWTH",
    "VALIDATION_PATCHES",
    "VALIDATION_STEPS",
    "WARM_UP_UPDATES",
    "TrainingOptions",
    "TrainingRecipe",
]

# --- What "auto" stands for. Unrolled networks:
# Updates = pixels of all images / 1000, but at least 8 and at most 8000. With more than 8000 the
# validation loss of the shipped networks no longer fell.
_PIXELS_PER_UPDATE = 1000
_FEWEST_UPDATES, _MOST_UPDATES = 8, 8000
# An epoch has at most this many updates; after it the loss is validated and a checkpoint written.
_UPDATES_PER_EPOCH = 100
# The largest learning rate of Adam.
_LR = 3e-3
# Side of a patch and patches per update, by the number of spatial axes.
_PATCH_SIZE = {2: 48, 3: 20}
_TRAIN_BATCH_SIZE = {2: 4, 3: 2}

# --- Semi-resnets: the paper has 55 epochs, images of 96 x 96 and a rate of 5e-4. An epoch has as
# many updates as the images have patches, over those of an update.
_PUBLISHED_EPOCHS = 55
_PUBLISHED_PATCH_SIZE = {2: 96, 3: 24}
_PUBLISHED_BATCH_SIZE = {2: 4, 3: 2}
_PUBLISHED_LR = 5e-4

# early_stopping ends the training after this many epochs without a smaller validation loss. That of
# a semi-resnet is rough until the learning rate falls: 10 would end it half way.
_PATIENCE = {"unrolled": 10, "semi-resnet": _PUBLISHED_EPOCHS}

# --- Learning rate of update k of K: lr * min(1, (k + 1) / WARM_UP_UPDATES) * (F + (1 - F) c),
# where c = (1 + cos(pi k / K)) / 2 and F = FINAL_LR_FRACTION.
WARM_UP_UPDATES = 50
FINAL_LR_FRACTION = 0.02
# Gradients are shortened to this norm. Without it a single patch of high contrast can undo many
# updates.
_GRADIENT_CLIP = {"unrolled": 0.1, "semi-resnet": 1.0}

# --- Which time steps are learned. New patches start with steps of window / n, n log-uniform
# between these numbers; the default n_steps=16 lies between them.
STEPS_PER_WINDOW = (8, 50)
# An update goes back through this many time steps.
STEPS_PER_UPDATE = 10
# Before each update, new patches are drawn with this probability. Otherwise the trajectories go on
# with steps longer by a factor log-uniform in [1, STEP_GROWTH]; so the network sees late times too.
RESTART_PROBABILITY = 0.4
STEP_GROWTH = 2.0
# Half of the patches have the contrast of their image, times a factor log-uniform between these.
CONTRASTS = (0.2, 2.5)

# --- The start u(0) of a semi-resnet is compared with the image for this share of the patches: it
# takes an evaluation of its own, and is learned soon.
STARTS_PER_PATCH = 0.25

# --- The validation loss is that of this many fixed patches, over this many time steps.
VALIDATION_PATCHES = 16
VALIDATION_STEPS = 16


@dataclass(frozen=True)
class TrainingRecipe:
    """
    The numbers of one training.

    Attributes
    ----------
    updates_per_epoch, max_epochs : int
        Length of the training.
    patch_size : int
        Side of the patches.
    batch_size : int
        Patches per update.
    lr : float
        Largest learning rate of Adam.
    gradient_clip : float
        The norm to which gradients are shortened.
    patience : int or None
        Epochs without a smaller validation loss after which training stops.
    seed : int
        Seed of everything random.
    """

    updates_per_epoch: int
    max_epochs: int
    patch_size: int
    batch_size: int
    lr: float
    gradient_clip: float
    patience: int | None
    seed: int

    def lr_at(self, update: int) -> float:
        """
        Return the learning rate of an update.

        Parameters
        ----------
        update : int
            Number of updates before it.

        Returns
        -------
        float
            The rate, by the formula at WARM_UP_UPDATES.
        """
        total = self.updates_per_epoch * self.max_epochs
        cosine = 0.5 * (1 + math.cos(math.pi * update / total))
        warm_up = min(1.0, (update + 1) / WARM_UP_UPDATES)
        return self.lr * warm_up * (FINAL_LR_FRACTION + (1 - FINAL_LR_FRACTION) * cosine)


@dataclass(frozen=True)
class TrainingOptions:
    """
    The user's choices; "auto" is resolved by `recipe`.

    Attributes
    ----------
    max_epochs, lr, patch_size, batch_size : number or "auto"
        As in `TVFlowNet`.
    validation_fraction : float
        Fraction of the images held out.
    early_stopping : bool
        Whether to stop when the validation loss no longer falls.
    seed : int
        Seed of everything random.
    """

    max_epochs: int | str
    lr: float | str
    patch_size: int | str
    batch_size: int | str
    validation_fraction: float
    early_stopping: bool
    seed: int

    def recipe(self, n_pixels: int, n_spatial: int, architecture: str) -> TrainingRecipe:
        """
        Replace every "auto" by a number.

        Parameters
        ----------
        n_pixels : int
            Pixels of all images together.
        n_spatial : int
            Spatial axes of the images.
        architecture : str
            What is trained.

        Returns
        -------
        TrainingRecipe
            The numbers of the training.
        """
        published = architecture == "semi-resnet"
        sides = _PUBLISHED_PATCH_SIZE if published else _PATCH_SIZE
        counts = _PUBLISHED_BATCH_SIZE if published else _TRAIN_BATCH_SIZE
        patch_size = int(_or_auto(self.patch_size, sides[n_spatial]))
        batch_size = int(_or_auto(self.batch_size, counts[n_spatial]))
        if published:
            per_epoch = math.ceil(n_pixels / (batch_size * patch_size**n_spatial))
            epochs = _PUBLISHED_EPOCHS
        else:
            updates = int(np.clip(n_pixels / _PIXELS_PER_UPDATE, _FEWEST_UPDATES, _MOST_UPDATES))
            per_epoch = min(updates, _UPDATES_PER_EPOCH)
            epochs = math.ceil(updates / per_epoch)
        return TrainingRecipe(
            updates_per_epoch=per_epoch,
            max_epochs=int(_or_auto(self.max_epochs, epochs)),
            patch_size=patch_size,
            batch_size=batch_size,
            lr=float(_or_auto(self.lr, _PUBLISHED_LR if published else _LR)),
            gradient_clip=_GRADIENT_CLIP[architecture],
            patience=_PATIENCE[architecture] if self.early_stopping else None,
            seed=self.seed,
        )


def _or_auto(value: float | str, auto: float) -> float | str:
    return auto if value == "auto" else value
