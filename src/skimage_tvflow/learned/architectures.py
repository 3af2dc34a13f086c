"""The kinds of networks: how one is made, what it is trained on, how its file is marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from skimage_tvflow.core.networks.semi_resnet import SemiResNet, SemiResNetDesign
from skimage_tvflow.core.networks.unrolled import NetworkDesign, UnrolledNet
from skimage_tvflow.learned.gap_objective import GapObjective
from skimage_tvflow.learned.recipe import TrainingRecipe
from skimage_tvflow.learned.residual_objective import ResidualObjective

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Network",
    "Objective",
    "architecture_of",
    "kind_of",
    "refuse_other_kind",
    "untrained",
]

Network = UnrolledNet | SemiResNet


class Objective(Protocol):
    """What a network is trained on."""

    def begin_epoch(self) -> None:
        """Start anew with random patches."""

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the loss of the next update, with the history for backpropagation."""

    def validation_loss(self) -> float:
        """Return the loss of held out patches."""


@dataclass(frozen=True)
class Architecture:
    """
    A kind of network.

    Attributes
    ----------
    network : type
        The class of the network.
    design : type
        The class of its design.
    objective : callable
        Makes the objective from the network, images, validation images and recipe.
    file_format : str
        The mark of its files.
    """

    network: type[Any]
    design: type[Any]
    objective: Callable[
        [Any, Sequence[np.ndarray], Sequence[np.ndarray], TrainingRecipe], Objective
    ]
    file_format: str


# By the names that TVFlowNet has for them.
ARCHITECTURES = {
    "unrolled": Architecture(UnrolledNet, NetworkDesign, GapObjective, "skimage-tvflow unrolled 2"),
    "semi-resnet": Architecture(
        SemiResNet, SemiResNetDesign, ResidualObjective, "skimage-tvflow semi-resnet 1"
    ),
}


def architecture_of(net: Network) -> str:
    """
    Return the name of a network's kind.

    Parameters
    ----------
    net : Network
        Any network of this package.

    Returns
    -------
    str
        A key of ARCHITECTURES.
    """
    return next(name for name, kind in ARCHITECTURES.items() if isinstance(net, kind.network))


def kind_of(net: Network) -> dict[str, str]:
    """
    Return the parameters of `TVFlowNet` that say what kind of network this is.

    Parameters
    ----------
    net : Network
        Any network of this package.

    Returns
    -------
    dict
        The architecture, and the activation if there is a choice.
    """
    kind = {"architecture": architecture_of(net)}
    return kind | ({"activation": net.design.activation} if isinstance(net, SemiResNet) else {})


def refuse_other_kind(net: Network, **wanted: str) -> None:
    """
    Raise if a network is of another kind than wanted.

    Parameters
    ----------
    net : Network
        The network.
    **wanted : str
        The parameters that `kind_of` returns.

    Raises
    ------
    ValueError
        With what to type.
    """
    for name, value in kind_of(net).items():
        if wanted[name] != value:
            raise ValueError(
                f"{name}={wanted[name]!r} is not that of the weights, {value!r}. Pass "
                f"{name}={value!r}, or take TVFlowNet.from_pretrained, which sets it."
            )


def untrained(architecture: str, activation: str, n_spatial: int, seed: int) -> Network:
    """
    Make a network with random weights.

    Parameters
    ----------
    architecture : str
        A key of ARCHITECTURES.
    activation : str
        Of a semi-resnet; the others have one of their own.
    n_spatial : int
        Spatial axes of the images.
    seed : int
        The only thing that the weights depend on.

    Returns
    -------
    Network
        On the CPU.
    """
    if architecture == "semi-resnet":
        design = SemiResNetDesign(n_spatial, activation=activation)
        return SemiResNet.untrained(design, seed)
    return UnrolledNet.untrained(NetworkDesign(n_spatial), seed)
