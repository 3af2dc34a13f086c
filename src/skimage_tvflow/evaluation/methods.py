"""The methods that can be evaluated, by the names that are typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skimage_tvflow.baselines import (
    BandNetTVFlow,
    BladeTVFlow,
    PINNTVFlow,
    RegularizedTVFlow,
)
from skimage_tvflow.estimators.chambolle import ChambolleTVFlow
from skimage_tvflow.estimators.joint import JointSpaceTimeTVFlow
from skimage_tvflow.estimators.net import TVFlowNet
from skimage_tvflow.evaluation.protocol import N_FRAMES
from skimage_tvflow.learned.synthetic import dead_leaves

__all__ = ["METHODS", "Method", "ready", "training_images"]

# Supervised methods learn from so many made images of this side, with a seed of its own; none is
# among those that the shipped networks were trained on.
_N_TRAINING, _SIDE, _SEED = 16, 96, 2206
# Accuracy of the solvers that are timed, in standard deviations: about 60 dB.
_TOL = 1e-3


@dataclass(frozen=True)
class Method:
    """
    A way to the flow.

    Attributes
    ----------
    title : str
        For tables.
    make : callable
        Returns the estimator; it takes ``device``.
    is_supervised : bool
        Whether it must be shown flows first.
    has_own_bound : bool
        Whether it bounds its own error, and is not too slow to be run twice.
    """

    title: str
    make: Callable[..., Any]
    is_supervised: bool = False
    has_own_bound: bool = True


def _euler(**params: Any) -> ChambolleTVFlow:
    return ChambolleTVFlow(n_steps=N_FRAMES, order=1, tol=_TOL, max_num_iter=10**5, **params)


METHODS = {
    "image": Method(
        "the image itself, at all times", lambda device: _StandingStill(), has_own_bound=False
    ),
    "projection": Method(
        "model-driven, Chambolle's projection",
        lambda device: _euler(algorithm="projection", device=device),
    ),
    "accelerated": Method("model-driven, accelerated", lambda device: _euler(device=device)),
    "automatic": Method(
        "ChambolleTVFlow(tol=1e-3), automatic steps",
        lambda device: ChambolleTVFlow(tol=_TOL, device=device),
    ),
    "joint": Method(
        "joint, loss (9) of the paper",
        lambda device: JointSpaceTimeTVFlow(objective="residual", device=device),
        has_own_bound=False,
    ),
    "joint-convex": Method(
        "joint, Brezis and Ekeland", lambda device: JointSpaceTimeTVFlow(device=device)
    ),
    "paper-2d": Method(
        "TVflowNET: semi-ResNet, paper-2d",
        lambda device: TVFlowNet.from_pretrained("paper-2d", device=device),
    ),
    "natural-2d": Method(
        "unrolled network, natural-2d",
        lambda device: TVFlowNet.from_pretrained("natural-2d", device=device),
    ),
    "regularized": Method(
        "regularised, lagged diffusivity, eq. (5)", lambda device: RegularizedTVFlow(device=device)
    ),
    "regularized-explicit": Method(
        "regularised, explicit, eq. (4), eps = .01",
        lambda device: RegularizedTVFlow(scheme="explicit", eps=1e-2, device=device),
    ),
    "blade": Method(
        "BLADE-like, supervised",
        lambda device: BladeTVFlow(),
        is_supervised=True,
        has_own_bound=False,
    ),
    "bands": Method(
        "TVspecNET-like, supervised",
        lambda device: BandNetTVFlow(device=device),
        is_supervised=True,
        has_own_bound=False,
    ),
    "pinn": Method(
        "PINN, trained for every image",
        lambda device: PINNTVFlow(max_num_iter=1000, device=device),
        has_own_bound=False,
    ),
}


class _StandingStill:
    """The worst answer that makes sense: nothing moves."""

    def transform(self, image: np.ndarray, t: Any) -> np.ndarray:
        return np.repeat(image[None], len(t), axis=0)


def training_images() -> list[np.ndarray]:
    """
    Make the images that supervised methods learn from.

    Returns
    -------
    list of ndarray
        Always the same.
    """
    shape = (_SIDE, _SIDE)
    return [dead_leaves(np.random.default_rng([_SEED, k]), shape) for k in range(_N_TRAINING)]


def ready(name: str, device: str) -> Any:
    """
    Return an estimator that needs nothing more than an image.

    Parameters
    ----------
    name : str
        A key of METHODS.
    device : str
        Where it computes.

    Returns
    -------
    estimator
        With `transform`.
    """
    method = METHODS[name]
    estimator = method.make(device=device)
    return estimator.fit(training_images()) if method.is_supervised else estimator
