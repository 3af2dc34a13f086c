"""A supervised time stepper: a bank of linear filters, chosen by the structure tensor."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import ndimage
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skimage_tvflow.baselines.candidate import SupervisedTVFlow, flows_of

# The hash of a pixel: bins of the orientation of the structure tensor, quantiles of its strength,
# and bins of its coherence.
_ORIENTATIONS, _STRENGTHS = 8, 12
_COHERENCES = (0.2, 0.5)
# Width of the window of the structure tensor, in pixels.
_SIGMA = 1.0
# Filters are found by least squares with this much of the mean energy of a pixel added to the
# diagonal, so that bins with few pixels have finite filters.
_RIDGE = 1e-4
# Time steps of every training image.
_TRAINING_STEPS = 10


class BladeTVFlow(SupervisedTVFlow):
    r"""Steps of the flow by linear filters, one for each kind of neighbourhood, learned by example.

    Every pixel is hashed by the eigenvalues and the direction of its structure tensor, and moves by
    a filter of its bin [1]_. The filters are least squares fits to flows that the solver computed,

    .. math:: u(t + \tau) - u(t) \approx \sum_y w_{b(x)}(y)\, (u(x + y, t) - u(x, t)) .

    Parameters
    ----------
    t : float or sequence of float, default=0.1
        Time or times of the flow, in the unit of value x spacing.
    step : float, default=0.05
        Length of a step, in standard deviations of the image. Between steps it is linear in time.
    size : int, default=5
        Side of the filters, odd.
    coupled_channels : bool, default=False
        Must be False: channels are separate images here.
    spacing, channel_axis, batch_axis, batch_size, device : optional
        As for `ChambolleTVFlow`; images of two spatial axes of equal spacing. It computes on the
        CPU, wherever the image is.

    Attributes
    ----------
    filters_ : ndarray of shape (n_bins, size**2)
        The filters.
    strengths_ : ndarray
        Limits of the bins of strength.

    See Also
    --------
    TVFlowNet : A network that needs no examples.

    Notes
    -----
    [1]_ shows a TV flow among its examples, without its bins, steps and training images, which are
    ours.

    References
    ----------
    .. [1] P. Getreuer, I. Garcia-Dorado, J. Isidoro, S. Choi, F. Ong, P. Milanfar, "BLADE: Filter
       learning for general purpose computational photography", ICCP (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.baselines import BladeTVFlow
    >>> images = np.random.default_rng(0).random((2, 24, 24))
    >>> BladeTVFlow(batch_axis=0).fit(images).transform(images, 0.1).shape
    (2, 24, 24)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SupervisedTVFlow._parameter_constraints,
        "step": [Interval(Real, 0, None, closed="neither")],
        "size": [Interval(Integral, 3, 31, closed="both")],
    }

    def __init__(
        self,
        *,
        t: Any = 0.1,
        step: float = 0.05,
        size: int = 5,
        coupled_channels: bool = False,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        batch_size: int | None = None,
        device: Any = None,
    ) -> None:
        self.t = t
        self.step = step
        self.size = size
        self.coupled_channels = coupled_channels
        self.spacing = spacing
        self.channel_axis = channel_axis
        self.batch_axis = batch_axis
        self.batch_size = batch_size
        self.device = device

    def fit(self, image: Any, y: Any = None) -> BladeTVFlow:
        """Learn the filters from images, whose flows the solver computes.

        Parameters
        ----------
        image : array-like, or list of arrays of any sizes
            Images as `transform` takes them.
        y : ignored
            Present for the sake of pipelines.

        Returns
        -------
        BladeTVFlow
            The estimator itself.
        """
        images = self._training_images(image)
        times = self.step * np.arange(1, _TRAINING_STEPS + 1)
        paths = [np.concatenate([f[None], u]) for f, u in zip(images, flows_of(images, times))]
        earlier = [frame for path in paths for frame in path[:-1]]
        strengths = np.concatenate([_structure(frame)[1].ravel() for frame in earlier])
        self.strengths_ = np.quantile(strengths, np.linspace(0, 1, _STRENGTHS + 1)[1:-1])
        n_bins, n_taps = _ORIENTATIONS * _STRENGTHS * (len(_COHERENCES) + 1), int(self.size) ** 2
        normal, right = np.zeros((n_bins, n_taps, n_taps)), np.zeros((n_bins, n_taps))
        for path in paths:
            for before, after in pairwise(path):
                bins, taps = self._bins(before).ravel(), self._taps(before).reshape(-1, n_taps)
                change = (after - before).ravel()
                for b in np.unique(bins):
                    chosen = taps[bins == b]
                    normal[b] += chosen.T @ chosen
                    right[b] += chosen.T @ change[bins == b]
        ridge = _RIDGE * np.trace(normal.sum(0)) / n_taps / n_bins
        self.filters_ = np.linalg.solve(normal + ridge * np.eye(n_taps), right[..., None])[..., 0]
        return self

    def _candidates(self, f: np.ndarray, times: np.ndarray, device: torch.device) -> np.ndarray:
        check_is_fitted(self)
        now, u, after, frames = 0.0, f, self._stepped(f), []
        for t in times:
            while now + self.step < t:
                now, u = now + self.step, after
                after = self._stepped(u)
            share = (t - now) / self.step
            frames.append((1 - share) * u + share * after)
        return np.stack(frames)

    def _stepped(self, u: np.ndarray) -> np.ndarray:
        change = np.einsum("yxk,yxk->yx", self._taps(u), self.filters_[self._bins(u)])
        # The flow has no values beyond those of the image: filters must not build them up.
        return np.clip(u + change, u.min(), u.max())

    def _taps(self, u: np.ndarray) -> np.ndarray:
        """The differences of the neighbours of every pixel from it, (H, W, size**2)."""
        reach = int(self.size) // 2
        padded = np.pad(u, reach, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1,) * 2)
        return windows.reshape(*u.shape, -1) - u[..., None]

    def _bins(self, u: np.ndarray) -> np.ndarray:
        angle, strength, coherence = _structure(u)
        by_angle = (angle * _ORIENTATIONS / np.pi).astype(int) % _ORIENTATIONS
        by_strength = np.searchsorted(self.strengths_, strength)
        by_coherence = np.searchsorted(_COHERENCES, coherence)
        kinds = len(_COHERENCES) + 1
        return (by_angle * _STRENGTHS + by_strength) * kinds + by_coherence

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.size % 2 == 0:
            raise ValueError(
                f"size={self.size} is even, and a filter needs a centre. Pass size={self.size + 1}."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "filters_")


def _structure(u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction in [0, pi], root of the largest eigenvalue, coherence of the structure tensor."""
    dy, dx = np.gradient(np.pad(u, 1, mode="symmetric"))
    dy, dx = dy[1:-1, 1:-1], dx[1:-1, 1:-1]
    yy, xx, xy = (ndimage.gaussian_filter(p, _SIGMA) for p in (dy * dy, dx * dx, dx * dy))
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    large, small = np.sqrt(half + spread), np.sqrt(np.maximum(half - spread, 0))
    angle = np.arctan2(2 * xy, xx - yy) / 2 % np.pi
    total = large + small
    coherence = np.divide(large - small, total, out=np.zeros_like(total), where=total > 0)
    return angle, large, coherence
