r"""Training of a network of :mod:`.network` on nothing but the equation.

The loss is the gap of Brezis and Ekeland, :math:`J(u_k) - \langle Du_k, z_k \rangle \ge 0`, in
parts of the total variation that there was: it is zero for implicit Euler steps, and only for
them, so that no solution has to be known. A batch of patches goes on from where it was, with longer
steps, until chance starts a new one: in the long run times spread over decades.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.integrators.network import WINDOW
from skimage_tvflow.core.networks.unrolled import NetworkState, UnrolledNet, gap

# How steps are drawn: so many to a window at least and at most, log-uniformly.
_FEWEST, _MOST = 8, 50
# Steps between two updates of the weights, and the chance that new patches are taken then.
_STEPS_PER_UPDATE = 10
_RESTART = 0.4
# Steps grow by at most this, log-uniformly, where patches go on.
_GROWTH = 2.0
# Contrasts of half the patches, beside that of their image.
_CONTRASTS = (0.2, 2.5)
_WARM_UP = 50
_LAST_RATE = 0.02
_CLIP = 0.1
_VALIDATION_PATCHES, _VALIDATION_STEPS = 16, 16


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    updates_per_epoch, max_epochs : int
    patch_size, batch_size : int
    lr : float, the largest learning rate of Adam; it warms up, and falls as a cosine
    patience : int or None, epochs without a better validation loss after which training stops
    seed : int
    """

    updates_per_epoch: int
    max_epochs: int
    patch_size: int
    batch_size: int
    lr: float
    patience: int | None
    seed: int


class Patches:
    """Random patches of images, turned, flipped and at random contrast.

    Parameters
    ----------
    images : sequence of arrays of the same number of axes, 2 or 3, float32
    size : length of the sides of a patch; what is shorter is taken whole
    """

    def __init__(self, images: Sequence[np.ndarray], size: int) -> None:
        self._images = images
        self._deviations = [float(image.std(dtype=np.float64)) for image in images]
        self._size = size

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """Patches without their means, (count, 1, *shape), and the window of each, (count,).

        The first image that is drawn says how large they are, and smaller ones are passed over: one
        small image among large ones does not shorten all patches.
        """
        chosen: list[np.ndarray] = []
        windows = []
        shape: tuple[int, ...] = ()
        while len(chosen) < count:
            which = int(rng.integers(len(self._images)))
            image = self._images[which]
            shape = shape or self._shape(image)
            if any(n < m for n, m in zip(image.shape, shape)):
                continue
            begin = [int(rng.integers(n - m + 1)) for n, m in zip(image.shape, shape)]
            patch = image[tuple(slice(b, b + m) for b, m in zip(begin, shape))]
            patch = self._turned(rng, patch)
            contrast = np.exp(rng.uniform(*np.log(_CONTRASTS))) if rng.random() < 0.5 else 1.0
            deviation = self._deviations[which]
            chosen.append(np.ascontiguousarray(patch - patch.mean()))
            # The network sees only the image over the step, so the contrast is that of time.
            windows.append(WINDOW * deviation / contrast if deviation > 0 else 1.0)
        patches = torch.from_numpy(np.stack(chosen).astype(np.float32))[:, None]
        return patches, torch.tensor(windows, dtype=torch.float32)

    def _shape(self, image: np.ndarray) -> tuple[int, ...]:
        """That of patches of an image; they are turned, so as long as its shortest side allows."""
        side = min([self._size, *(n for n in image.shape if n > 1)])
        return tuple(min(side, n) for n in image.shape)

    def _turned(self, rng: np.random.Generator, patch: np.ndarray) -> np.ndarray:
        order, axes = list(range(patch.ndim)), [a for a, n in enumerate(patch.shape) if n > 1]
        for axis, other in zip(axes, rng.permutation(axes)):
            order[axis] = int(other)
        flips = tuple(axis for axis in axes if rng.random() < 0.5)
        return np.flip(patch.transpose(order), flips)


class Trainer:
    """A training that can be put down at the end of any epoch and taken up again.

    Parameters
    ----------
    net : UnrolledNet
        It is trained in place.
    patches, validation : Patches
    recipe : Recipe
    """

    def __init__(
        self, net: UnrolledNet, patches: Patches, validation: Patches, recipe: Recipe
    ) -> None:
        self._net, self._patches, self.recipe = net, patches, recipe
        self._rng = np.random.default_rng(recipe.seed)
        drawn = np.random.default_rng([recipe.seed, 1])
        self._held_out = validation.draw(drawn, _VALIDATION_PATCHES)
        self._optimizer = torch.optim.Adam(net.parameters(), recipe.lr)
        self._best = _copy(net.state_dict())
        self.losses: list[float] = []
        self.validation_losses: list[float] = []

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to do."""
        recipe, losses = self.recipe, self.validation_losses
        if len(losses) >= recipe.max_epochs:
            return True
        if recipe.patience is None or not losses:
            return False
        return len(losses) - 1 - int(np.argmin(losses)) >= recipe.patience

    def epoch(self, report: Callable[[float], None] | None = None) -> None:
        """Update the weights for an epoch; ``report`` is told the fraction of it that is done."""
        updates, losses = self.recipe.updates_per_epoch, []
        state: NetworkState | None = None
        for update in range(updates):
            state, loss = self._update(state, len(self.losses) * updates + update)
            losses.append(loss)
            if report is not None:
                report((update + 1) / updates)
        self.losses.append(float(np.mean(losses)))
        self.validation_losses.append(self._validate())
        if self.validation_losses[-1] <= min(self.validation_losses):
            self._best = _copy(self._net.state_dict())

    def finish(self) -> None:
        """Give the network its best weights."""
        self._net.load_state_dict(self._best)

    def _update(self, state: NetworkState | None, update: int) -> tuple[NetworkState, float]:
        if state is None or self._rng.random() < _RESTART:
            state = self._fresh()
        else:
            growth = np.exp(self._rng.uniform(0, math.log(_GROWTH), len(state.g)))
            state = state.detached().with_steps_longer(torch.from_numpy(growth).float())
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.lr * self._rate(update)
        loss, state = _loss(self._net, state, _STEPS_PER_UPDATE)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._net.parameters(), _CLIP)
        self._optimizer.step()
        return state, float(loss.detach())

    def _fresh(self) -> NetworkState:
        count = self.recipe.batch_size
        patches, windows = self._patches.draw(self._rng, count)
        n_steps = np.exp(self._rng.uniform(math.log(_FEWEST), math.log(_MOST), count))
        step = windows / torch.from_numpy(n_steps).float()
        return self._net.start(patches / step.reshape(-1, *[1] * (patches.ndim - 1)))

    def _rate(self, update: int) -> float:
        """What share of the learning rate an update has."""
        total = self.recipe.updates_per_epoch * self.recipe.max_epochs
        falling = 0.5 * (1 + math.cos(math.pi * update / total))
        return min(1.0, (update + 1) / _WARM_UP) * (_LAST_RATE + (1 - _LAST_RATE) * falling)

    def _validate(self) -> float:
        patches, windows = self._held_out
        step = (windows / _VALIDATION_STEPS).reshape(-1, *[1] * (patches.ndim - 1))
        with torch.no_grad():
            loss, _ = _loss(self._net, self._net.start(patches / step), _VALIDATION_STEPS)
        return float(loss)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and facts, from which :meth:`restore` goes on as if nothing had happened."""
        tensors = {f"net.{k}": v for k, v in self._net.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self._best.items()}
        for index, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{k}": v for k, v in moments.items()}
        facts = {
            "rng": self._rng.bit_generator.state,
            "losses": self.losses,
            "validation_losses": self.validation_losses,
        }
        return _copy(tensors), facts

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave; raises what torch does where something is missing."""
        self._best = _part(tensors, "best.")
        # Otherwise what is wrong with them is only found in the end.
        self._net.load_state_dict(self._best)
        self._net.load_state_dict(_part(tensors, "net."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "adam.").items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = value
        adam = self._optimizer.state_dict()
        for i, parameter in enumerate(self._net.parameters()):
            for moment in ("exp_avg", "exp_avg_sq"):
                if moments[i][moment].shape != parameter.shape:
                    raise ValueError(f"adam.{i}.{moment} has another shape than its weights")
        self._optimizer.load_state_dict({**adam, "state": moments})
        self._rng.bit_generator.state = facts["rng"]
        self.losses = list(facts["losses"])
        self.validation_losses = list(facts["validation_losses"])


def _loss(net: UnrolledNet, state: NetworkState, n_steps: int) -> tuple[Tensor, NetworkState]:
    """The mean gap over ``n_steps``, in parts of the total variation at their start."""
    variation = gap(state.g, torch.zeros_like(state.z)).clamp(min=1e-3)
    total = torch.zeros(())
    for after in net(state, n_steps):
        total = total + (gap(after.g, after.z) / variation).mean()
        state = after
    return total / n_steps, state


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
