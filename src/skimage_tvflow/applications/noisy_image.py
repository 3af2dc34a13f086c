"""An image with noise, and what is to be added to it to have less."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from skimage_tvflow.applications.noise import (
    SHORT,
    is_empty,
    is_plainly_not_white,
    level_of,
    varies,
)
from skimage_tvflow.applications.spilled import SpilledImages
from skimage_tvflow.core.operators import inner
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.confined_input import ConfinedInput, confined
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.limits import FlowLimits
from skimage_tvflow.inputs.times import resolve_times

# Noise of standard deviation 1 has vanished by about t = 1, and small structures by 4; in 1-D,
# where a pixel has two neighbours, both live longer.
_FIRST, _LAST, _LAST_1D = 0.1, 4, 20
_N_TIMES = 10
# Size of the random change that measures the sensitivity, in standard deviations of the noise: a
# larger one leaves the linear range, a smaller one drowns in the error of the flow.
_PROBE = 0.05


@dataclass(frozen=True)
class NoisyImage:
    """
    An image of C coupled channels, and the noise in it.

    Attributes
    ----------
    image : torch.Tensor of shape (C, *spatial)
        The image.
    noisy : torch.Tensor of bool, shape spatial
        Where it has noise.
    sigma : torch.Tensor of shape (C, *spatial), or (C, 1, ...)
        The standard deviation of the noise.
    is_white : bool
        False if the noise is plainly correlated.
    varies : bool
        Whether the image is not constant.
    """

    image: Tensor
    noisy: Tensor
    sigma: Tensor
    is_white: bool
    varies: bool

    @classmethod
    def of(cls, image: Tensor, data: Tensor, sigma: Tensor | None) -> NoisyImage:
        """
        Find out where an image is noisy, and how much unless ``sigma`` tells.

        Parameters
        ----------
        image : torch.Tensor of shape (C, *spatial)
            The image.
        data : torch.Tensor of bool, shape spatial
            Where it is data.
        sigma : torch.Tensor or None
            The standard deviation, if it is known.

        Returns
        -------
        NoisyImage
            The image and its noise.
        """
        values, inside = image.cpu().numpy(), data.cpu().numpy()
        changing = [varies(channel, inside) for channel in values]
        empty = np.logical_and.reduce([is_empty(channel, inside) for channel in values])
        noisy = inside & ~empty if any(changing) else np.zeros_like(inside)
        if sigma is None:
            own = [level_of(c, inside) if varies(c, noisy) else 0.0 for c in values]
            sigma = torch.tensor(own, dtype=torch.float64)
            sigma = sigma.reshape(-1, *[1] * data.ndim)
        sigma = sigma.to(image)
        noisy = noisy & (sigma > 0).any(0).expand(data.shape).cpu().numpy()
        typical = [float(s.expand(data.shape).mean()) for s in sigma]
        white = not any(
            s > 0 and is_plainly_not_white(c, noisy, s)
            for c, s in zip(values, typical, strict=True)
        )
        return cls(image, torch.from_numpy(noisy).to(data), sigma, white, any(changing))

    def level(self) -> float:
        """
        Return how strong the noise is, whatever was given.

        Returns
        -------
        float
            The largest standard deviation of a channel, where the image has noise.
        """
        noisy = self.noisy.cpu().numpy()
        return max(level_of(channel, noisy) for channel in self.image.cpu().numpy())

    def least_risk(
        self, flow: BaseTVFlow, spacing: tuple[float, ...], probe: Tensor, report: Report | None
    ) -> Tensor:
        """
        Denoise as a whole or, where an axis is short, perhaps slice by slice.

        Neighbouring slices of a stack of few need not resemble each other, nor do the frames of a
        film; the estimated risk tells.

        Parameters
        ----------
        flow : BaseTVFlow
            Computes the flow.
        spacing : tuple of float
            One per spatial axis.
        probe : torch.Tensor of shape (C, *spatial)
            Random signs.
        report : callable or None
            It is told the fraction of the work done.

        Returns
        -------
        torch.Tensor of shape (C, *spatial)
            What is to be added to the image.
        """
        sizes = self.noisy.shape
        short = [a for a, n in enumerate(sizes) if 1 < n < SHORT]
        if len(short) != 1 or max(sizes) < SHORT:
            return self.filter(flow, spacing, probe, report)[0]
        axis, count = short[0], sizes[short[0]]
        whole, risk = self.filter(flow, spacing, probe, share_of(report, 0, 0.5))
        slices, rest = [], tuple(h for a, h in enumerate(spacing) if a != axis)
        for k in range(count):
            part = share_of(report, 0.5 + 0.5 * k / count, 0.5 + 0.5 * (k + 1) / count)
            slices.append(self._slice(axis, k).filter(flow, rest, probe.select(1 + axis, k), part))
        if sum(r for _, r in slices) < risk:
            return torch.stack([change for change, _ in slices], 1 + axis)
        return whole

    def _slice(self, axis: int, k: int) -> NoisyImage:
        return dataclasses.replace(
            self,
            image=self.image.select(1 + axis, k),
            noisy=self.noisy.select(axis, k),
            sigma=self.sigma.expand(self.image.shape).select(1 + axis, k),
        )

    def filter(
        self, flow: BaseTVFlow, spacing: tuple[float, ...], probe: Tensor, report: Report | None
    ) -> tuple[Tensor, float]:
        """
        Add up the bands with the weights of least estimated risk.

        Parameters
        ----------
        flow : BaseTVFlow
            Computes the flow.
        spacing : tuple of float
            One per spatial axis.
        probe : torch.Tensor of shape (C, *spatial)
            Random signs.
        report : callable or None
            It is told the fraction of the work done.

        Returns
        -------
        change : torch.Tensor of shape (C, *spatial)
            What is to be added to the image.
        risk : float
            The change of the estimated risk, in squares of the largest sigma.
        """
        if not self.noisy.any():
            return torch.zeros_like(self.image), 0.0
        largest = self.sigma.max()
        local = (self.sigma / largest).square().mean(0).sqrt().expand(self.noisy.shape).cpu()
        local = local.double() / local[self.noisy.cpu()].max()
        times = _times(self.noisy.shape) * float(largest) * min(spacing)
        frames, probed = (self._input(times, spacing, x, local) for x in (None, probe))
        unit = float(largest) * _PROBE
        change = self.sigma / largest * probe * self.noisy
        # The change of the flow since time 0, at each of the times.
        kept = SpilledImages(self.image)
        for u in _frames(flow, frames, share_of(report, 0, 0.5)):
            kept.append((u - frames.image[0]).div_(largest))
        n = len(kept)
        cost, gram = np.zeros(n), np.zeros((n, n))
        for k, v in enumerate(_frames(flow, probed, share_of(report, 0.5, 1))):
            moved = (v - probed.image[0]).div_(unit).sub_(kept[k], alpha=1 / _PROBE)
            cost[k] = float(inner(change[None], moved[None]))
        for j in range(n):
            first = kept[j][None]
            for k in range(j + 1):
                gram[j, k] = gram[k, j] = float(inner(first, kept[k][None]))
        bands = _band_coefficients(times)
        gram, cost = bands @ gram @ bands.T, bands @ cost
        removed = 1 - _least_risk(gram, cost)
        total = torch.zeros_like(self.image)
        for share, u in zip(removed @ bands, kept, strict=True):
            total.sub_(u, alpha=float(share))
        risk = float(removed @ gram @ removed - 2 * cost @ removed)
        return total.mul_(float(largest)), risk

    def _input(
        self, times: np.ndarray, spacing: tuple[float, ...], probe: Tensor | None, weight: Tensor
    ) -> ConfinedInput | FlowInput:
        """The input of the noisy pixels, changed a little by the ``probe``."""
        image = self.image
        if probe is not None:
            image = image + _PROBE * self.sigma * probe * self.noisy
        axes = ImageAxes.resolve(image.shape, channel_axis=0, coupled_channels=True)
        given = FlowInput(image[None], axes, spacing, resolve_times(times), lambda x: x)
        everywhere = bool(self.noisy.all() and (weight == weight.flatten()[0]).all())
        if everywhere:
            return given
        limits = FlowLimits(self.noisy.cpu()[None], (weight * self.noisy.cpu())[None])
        return confined(given, limits)


def _times(shape: tuple[int, ...]) -> np.ndarray:
    """Times at which noise of standard deviation 1 vanishes, on a grid of spacing 1."""
    last = _LAST_1D if sum(n > 1 for n in shape) == 1 else _LAST
    return np.geomspace(_FIRST, last, _N_TIMES)


def _frames(flow: BaseTVFlow, flow_input: FlowInput, report: Report | None) -> Iterator[Tensor]:
    """The flow at the requested times, (C, *spatial) each."""
    for frames in flow._integrate(flow_input, report=report):
        for m in range(len(frames.times)):
            yield frames.u[0, m]
    flow._warn(frames.error.T, frames.converged, flow_input.image.dtype, frames.hidden)


def _band_coefficients(times: np.ndarray) -> np.ndarray:
    r"""The bands as combinations of the frames without the image, (K - 1, K).

    :math:`\mathrm{band}_k = t_k (s_{k+1} - s_k)` with the slopes between the times; the image at
    time 0 drops out, as the coefficients of a band add up to 0.
    """
    slopes = (np.eye(len(times)) - np.eye(len(times), k=-1)) / np.diff(times, prepend=0)[:, None]
    return times[:-1, None] * np.diff(slopes, axis=0)


def _least_risk(gram: np.ndarray, cost: np.ndarray) -> np.ndarray:
    r"""Find the weights of least risk, :math:`0 \le w_1 \le w_2 \le \dots \le 1`.

    With :math:`x = 1 - w`, decreasing and between 0 and 1, and the inner products G of the bands,
    minimise :math:`x^T G x - 2\, \mathrm{cost}^T x`. A decreasing x is a sum of steps >= 0 from the
    last entry up to each entry, and least squares with steps >= 0 is ``scipy.optimize.nnls``. Where
    the steps add up to more than 1 the bound is active, as the risk is convex: a row that is
    heavier than all others together holds their sum at 1.
    """
    gram = gram + 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))
    root = np.linalg.cholesky(gram)
    cumulate = np.triu(np.ones_like(gram))
    rows, goal = root.T @ cumulate, np.linalg.solve(root, cost)
    steps, _ = nnls(rows, goal)
    if steps.sum() > 1:
        heavy = 1e4 * np.abs(rows).max()
        one = np.full((1, len(steps)), heavy)
        steps, _ = nnls(np.vstack([rows, one]), np.append(goal, heavy))
        steps /= steps.sum()
    return 1 - cumulate @ steps
