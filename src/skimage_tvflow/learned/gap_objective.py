r"""What the unrolled network is trained on: nothing but the equation.

The loss is the gap of Brezis and Ekeland, :math:`J(u_k) - \langle Du_k, z_k \rangle \ge 0`, divided
by the total variation at the first of the steps. It is zero for implicit Euler steps and only for
them, so no solution has to be known. After an update, the same patches go on with longer steps,
until new ones are drawn at random; so the network learns at times that spread over decades.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.networks.operators import duality_gap
from skimage_tvflow.core.networks.unrolled import NetworkState, UnrolledNet
from skimage_tvflow.learned.patches import PatchSampler
from skimage_tvflow.learned.recipe import (
    RESTART_PROBABILITY,
    STEP_GROWTH,
    STEPS_PER_UPDATE,
    STEPS_PER_WINDOW,
    VALIDATION_PATCHES,
    VALIDATION_STEPS,
    TrainingRecipe,
)

__all__ = ["GapObjective"]

# The loss of a constant patch, whose total variation is 0, is divided by this instead.
_SMALLEST_VARIATION = 1e-3


class GapObjective:
    """
    Losses of random patches.

    Parameters
    ----------
    net : UnrolledNet
        The network.
    images, validation_images : sequence of arrays
        To learn from, and to measure the validation loss on.
    recipe : TrainingRecipe
        The numbers of the training.
    """

    def __init__(
        self,
        net: UnrolledNet,
        images: Sequence[np.ndarray],
        validation_images: Sequence[np.ndarray],
        recipe: TrainingRecipe,
    ) -> None:
        self._net, self._recipe = net, recipe
        self._patches = PatchSampler(images, recipe.patch_size)
        self._held_out = PatchSampler(validation_images, recipe.patch_size).draw(
            np.random.default_rng([recipe.seed, 1]), VALIDATION_PATCHES
        )
        self._state: NetworkState | None = None

    def begin_epoch(self) -> None:
        """Forget the patches of the last update."""
        self._state = None

    def loss(self, rng: np.random.Generator) -> Tensor:
        """
        Return the loss of new patches, or of the last ones at later times.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        Tensor of shape ()
            With the history for backpropagation.
        """
        if self._state is None or rng.random() < RESTART_PROBABILITY:
            state = self._draw_state(rng)
        else:
            growth = np.exp(rng.uniform(0, math.log(STEP_GROWTH), len(self._state.g)))
            state = self._state.with_steps_longer(torch.from_numpy(growth).float())
        loss, state = _mean_gap(self._net, state, STEPS_PER_UPDATE)
        self._state = state.detached()
        return loss

    def validation_loss(self) -> float:
        """
        Return the loss of held out patches.

        Returns
        -------
        float
            The loss.
        """
        patches, windows = self._held_out
        with torch.no_grad():
            state = self._start(patches, windows / VALIDATION_STEPS)
            loss, _ = _mean_gap(self._net, state, VALIDATION_STEPS)
        return float(loss)

    def _draw_state(self, rng: np.random.Generator) -> NetworkState:
        """Return new patches, each with steps of its own length."""
        count = self._recipe.batch_size
        patches, windows = self._patches.draw(rng, count)
        fewest, most = np.log(STEPS_PER_WINDOW)
        n_steps = np.exp(rng.uniform(fewest, most, count))
        return self._start(patches, windows / torch.from_numpy(n_steps).float())

    def _start(self, patches: Tensor, step: Tensor) -> NetworkState:
        return self._net.start(patches / step.reshape(-1, *[1] * (patches.ndim - 1)))


def _mean_gap(net: UnrolledNet, state: NetworkState, n_steps: int) -> tuple[Tensor, NetworkState]:
    """Return the mean over steps and items of gap(u_k, z_k) / J(u_0), and the last state."""
    variation = duality_gap(state.g, torch.zeros_like(state.z)).clamp(min=_SMALLEST_VARIATION)
    total = variation.new_zeros(())
    for after in net(state, n_steps):
        total = total + (duality_gap(after.g, after.z) / variation).mean()
        state = after
    return total / n_steps, state
