"""Training of a network: updates, validation, and a state from which it can be continued."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.networks.unrolled import find_unusable_weight
from skimage_tvflow.learned.architectures import ARCHITECTURES, Network, architecture_of
from skimage_tvflow.learned.recipe import TrainingRecipe

__all__ = ["Trainer", "split_off_validation"]

# The moments that Adam keeps of every parameter.
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")

StopRequested = Callable[[float], bool]


class Trainer:
    """
    A training that can be saved after any epoch and continued later with the same result.

    Parameters
    ----------
    net : Network
        The network, which is trained in place.
    images, validation_images : sequence of arrays
        To learn from, and to measure the validation loss on.
    recipe : TrainingRecipe
        The numbers of the training.

    Attributes
    ----------
    losses, validation_losses : list of float
        The mean loss of every epoch, and the validation loss after it.
    """

    def __init__(
        self,
        net: Network,
        images: Sequence[np.ndarray],
        validation_images: Sequence[np.ndarray],
        recipe: TrainingRecipe,
    ) -> None:
        self._net, self.recipe = net, recipe
        self._rng = np.random.default_rng(recipe.seed)
        make_objective = ARCHITECTURES[architecture_of(net)].objective
        self._objective = make_objective(net, images, validation_images, recipe)
        self._optimizer = torch.optim.Adam(net.parameters(), recipe.lr)
        self._best = _copy(net.state_dict())
        self.losses: list[float] = []
        self.validation_losses: list[float] = []

    @property
    def finished(self) -> bool:  # numpydoc ignore=RT01
        """Whether all epochs are done, or early stopping ends the training."""
        recipe, losses = self.recipe, self.validation_losses
        if len(losses) >= recipe.max_epochs:
            return True
        if recipe.patience is None or not losses:
            return False
        return len(losses) - 1 - int(np.argmin(losses)) >= recipe.patience

    def run_epoch(self, stop_requested: StopRequested) -> bool:
        """
        Update the weights for one epoch.

        Parameters
        ----------
        stop_requested : callable
            Called after every update with the fraction of the whole training that is done; True
            ends the epoch at once.

        Returns
        -------
        bool
            Whether the epoch was completed.

        Raises
        ------
        FloatingPointError
            If the loss or the weights become NaN, infinite or too large to be used.
        """
        recipe, losses = self.recipe, []
        self._objective.begin_epoch()
        for update in range(recipe.updates_per_epoch):
            losses.append(self._update(len(self.losses) * recipe.updates_per_epoch + update))
            epochs = len(self.losses) + (update + 1) / recipe.updates_per_epoch
            if stop_requested(epochs / recipe.max_epochs):
                return False
        unusable = find_unusable_weight(self._net.state_dict())
        if unusable is not None:
            raise FloatingPointError(f"the weights of {unusable} are not finite, or absurdly large")
        self.losses.append(float(np.mean(losses)))
        self.validation_losses.append(self._objective.validation_loss())
        if self.validation_losses[-1] <= min(self.validation_losses):
            self._best = _copy(self._net.state_dict())
        return True

    def load_best_weights(self) -> None:
        """Give the network the weights with the smallest validation loss."""
        self._net.load_state_dict(self._best)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """
        Return what :meth:`restore` needs.

        Returns
        -------
        tuple of two dicts
            Tensors, and facts for a JSON file.
        """
        tensors = {f"net.{k}": v for k, v in self._net.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self._best.items()}
        for index, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{k}": v for k, v in moments.items()}
        # As tensors: thousands of numbers would not fit into the header of a file.
        tensors["losses"] = torch.from_numpy(np.array(self.losses))
        tensors["validation_losses"] = torch.from_numpy(np.array(self.validation_losses))
        return _copy(tensors), {"rng": self._rng.bit_generator.state}

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """
        Continue from what :meth:`state` returned.

        Parameters
        ----------
        tensors, facts : dict
            Of another training with the same recipe, images and start.

        Raises
        ------
        LookupError, RuntimeError, ValueError, TypeError, AttributeError
            If something is missing or has the wrong shape.
        """
        self._best = _with_prefix(tensors, "best.")
        # Loaded once to check them now; otherwise they would fail at the end of the training.
        self._net.load_state_dict(self._best)
        self._net.load_state_dict(_with_prefix(tensors, "net."))
        moments: dict[int, dict[str, Tensor]] = {}
        for i, parameter in enumerate(self._net.parameters()):
            moments[i] = {name: tensors[f"adam.{i}.{name}"] for name in _MOMENTS}
            for name, value in moments[i].items():
                if value.shape != (() if name == "step" else parameter.shape):
                    raise ValueError(f"adam.{i}.{name} has another shape than its weights")
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": moments})
        self._rng.bit_generator.state = facts["rng"]
        self.losses = tensors["losses"].tolist()
        self.validation_losses = tensors["validation_losses"].tolist()

    # The caller may have switched gradients off.
    @torch.enable_grad()
    def _update(self, update: int) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.lr_at(update)
        loss = self._objective.loss(self._rng)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._net.parameters(), self.recipe.gradient_clip)
        self._optimizer.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"after {update + 1} updates the loss is {value}")
        return value


def split_off_validation(
    images: Sequence[np.ndarray], fraction: float, seed: int
) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """
    Split images at random; a single image serves for both.

    Parameters
    ----------
    images : sequence of arrays
        All images.
    fraction : float
        Fraction of the images held out, at least one.
    seed : int
        Seed of the choice.

    Returns
    -------
    tuple of two sequences
        Images to learn from, and images held out.
    """
    count = max(1, round(fraction * len(images)))
    if len(images) <= count:
        return images, images
    order = np.random.default_rng([seed, 2]).permutation(len(images))
    return [images[k] for k in order[count:]], [images[k] for k in order[:count]]


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
