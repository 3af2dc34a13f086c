r"""What the network of the paper is trained on: the loss (9) of TVflowNET.

Grossmann, Dittmer, Korolev and Schönlieb, "Unsupervised Learning of the Total Variation Flow",
arXiv:2206.04406 (2022). For images f and times t that are uniform in [0, 1], with the terms of
:mod:`skimage_tvflow.core.losses` and :math:`u_t` by automatic differentiation, in forward mode, of
the network in t,

.. math::

    \mathcal{L} = \overline{(u_t - \mathrm{div}\,\phi)^2}
    + \left( \overline{|Du| - \langle Du, \phi \rangle} \right)^2
    + \overline{(|\phi| - 1)_+} + \overline{(f - u(0))^2} ,

where the line is the mean over pixels: the integral over an image of unit area.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import losses
from skimage_tvflow.core.networks.semi_resnet import SemiResNet
from skimage_tvflow.core.published_network import LAST_TIME
from skimage_tvflow.learned.patches import PatchSampler
from skimage_tvflow.learned.recipe import (
    STARTS_PER_PATCH,
    VALIDATION_PATCHES,
    TrainingRecipe,
)

__all__ = ["ResidualObjective"]


class ResidualObjective:
    """
    Losses of random patches at random times.

    Parameters
    ----------
    net : SemiResNet
        The network.
    images, validation_images : sequence of arrays
        To learn from, and to measure the validation loss on.
    recipe : TrainingRecipe
        The numbers of the training.
    """

    def __init__(
        self,
        net: SemiResNet,
        images: Sequence[np.ndarray],
        validation_images: Sequence[np.ndarray],
        recipe: TrainingRecipe,
    ) -> None:
        self._net, self._recipe = net, recipe
        self._patches = PatchSampler(images, recipe.patch_size)
        rng = np.random.default_rng([recipe.seed, 1])
        held_out = PatchSampler(validation_images, recipe.patch_size)
        self._held_out = held_out.draw_at_published_contrast(rng, VALIDATION_PATCHES)
        self._held_out_times = _uniform_times(rng, VALIDATION_PATCHES)

    def begin_epoch(self) -> None:
        """Do nothing: every update has patches of its own."""

    def loss(self, rng: np.random.Generator) -> Tensor:
        """
        Return the loss of new patches.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        Tensor of shape ()
            With the history for backpropagation.
        """
        count = self._recipe.batch_size
        patches = self._patches.draw_at_published_contrast(rng, count)
        return _loss(self._net, patches, _uniform_times(rng, count))

    def validation_loss(self) -> float:
        """
        Return the loss of held out patches.

        Returns
        -------
        float
            The loss.
        """
        with torch.no_grad():
            return float(_loss(self._net, self._held_out, self._held_out_times))


def _uniform_times(rng: np.random.Generator, count: int) -> Tensor:
    return torch.from_numpy(rng.uniform(0, LAST_TIME, count)).float()


def _loss(net: SemiResNet, f: Tensor, t: Tensor) -> Tensor:
    """Return the loss of images f, (N, 1, *spatial), at the times t, (N,)."""
    pixels, spacing = f[0].numel(), (1.0,) * (f.ndim - 2)
    found = torch.func.jvp(lambda time: net(f, time), (t,), (torch.ones_like(t),))
    (u, z), (u_t, _) = found[0], found[1]
    # The terms are of trajectories, (T, N, C, ...): here of one time for every image.
    u, u_t, phi = u[None], u_t[None], z[None, :, None]
    starts = max(1, round(STARTS_PER_PATCH * len(f)))
    start, _ = net(f[:starts], torch.zeros_like(t[:starts]))
    gap = losses.subgradient_residual(u, phi, spacing) / pixels
    return (
        losses.pde_residual(u_t, phi, spacing).mean() / pixels
        + gap.square().mean()
        + losses.constraint_violation(phi).mean() / pixels
        + losses.initial_residual(start, f[:starts]).mean() / pixels
    )
