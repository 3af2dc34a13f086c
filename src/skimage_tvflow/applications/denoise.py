"""The image without its white noise."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from skimage_tvflow.applications.anscombe import counts_from, stabilize
from skimage_tvflow.applications.noise import (
    SHORT,
    is_empty,
    is_plainly_not_white,
    level_of,
    varies,
)
from skimage_tvflow.applications.sigma import read_sigma
from skimage_tvflow.applications.spilled import SpilledImages
from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.progress import Report, share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.estimators.confined_input import ConfinedInput, RawImage, confined
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.caller import stacklevel_of_caller
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.limits import FlowLimits
from skimage_tvflow.inputs.times import resolve_times
from skimage_tvflow.spectral.flow_bands import check_input

# Noise of standard deviation 1 has vanished by about t = 1, and small structures by 4; in 1-D,
# where a pixel has two neighbours, both live longer.
_FIRST, _LAST, _LAST_1D = 0.1, 4, 20
_N_TIMES = 10
# Size of the random change that measures the sensitivity, in standard deviations of the noise: a
# larger one leaves the linear range, a smaller one drowns in the error of the flow.
_PROBE = 0.05
# Fixed steps and iterations: small changes of the image then make small changes of the flow.
_SCHEME = {"n_steps": 64, "order": 1, "tol": None, "max_num_iter": 8}


@fork_safe()
def denoise(
    image: Any,
    sigma: Any = None,
    *,
    flow: BaseTVFlow | None = None,
    channel_axis: int | None = None,
    batch_axis: int | None = None,
    mask: Any = None,
    variance_stabilize: bool = False,
    random_state: int | None = 0,
    callback: Callback | None = None,
) -> Any:
    r"""Remove white noise by spectral TV filtering, its strength found from the image itself.

    The image is taken apart into bands around the times at which noise of that strength vanishes,
    and put together with weights :math:`0 \le w_1 \le w_2 \le \dots \le 1`, those that minimise
    Stein's unbiased estimate of the risk [1]_, [2]_,

    .. math:: \|\hat u - f\|^2 + 2 \sigma^2\,\mathrm{div}_f\,\hat u, \qquad
        \hat u = \mathrm{residual} + \sum_k w_k\,\mathrm{band}_k ,

    the divergences measured by a small random change of the image [3]_. Nothing is tuned.

    Items of a batch, and channels unless the flow couples them, are denoised one by one, each with
    the noise that it has. Where the image is constant over many pixels, as in a black border, it
    has no noise and stays as it is.

    Parameters
    ----------
    image : array-like
        A noisy image.
    sigma : float or array-like, optional
        Standard deviation of the noise, in the values of the image; by default it is estimated as
        by `noise_level`, for every item and channel. One number; one for each channel, or for each
        item where there are no channels; or an array like the image where the noise differs from
        pixel to pixel: the flow is then as strong at each pixel as its noise. 0 leaves a channel or
        a pixel as it is, for instance an alpha channel: ``sigma=[0.1, 0.1, 0.1, 0]``.
    flow : estimator, optional
        By default ``ChambolleTVFlow`` with a fixed scheme, so that small changes of the image make
        small changes of the flow.
    channel_axis, batch_axis : int, optional
        Axes of the channels and of independent images; not together with `flow`, which has its own.
    mask : array-like of bool, optional
        True where the image is data; the rest comes back unchanged.
    variance_stabilize : bool, optional
        True for counts, >= 0, whose noise is that of Poisson: the image is denoised in the values
        of Anscombe, :math:`2 \sqrt{x + 3/8}`, and brought back without bias [4]_. `sigma` is then
        that of these values, about 1 for counts.
    random_state : int or None, optional
        Seed of the random change.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.

    Returns
    -------
    array of shape image.shape
        The image without its noise.

    Raises
    ------
    ValueError
        If `sigma` is negative, not finite or of a shape that does not fit, or counts are negative.
    StoppedByCallback
        If `callback` returned True.

    Warns
    -----
    UserWarning
        If no noise was found, so that the image comes back as it is; or if the noise is plainly not
        white, such as blurred noise or stripes, of which little can be removed.

    See Also
    --------
    noise_level : The standard deviation that is found in the image.

    References
    ----------
    .. [1] C. M. Stein, "Estimation of the mean of a multivariate normal distribution", Annals of
       Statistics 9 (1981) 1135-1151.
    .. [2] T. Blu, F. Luisier, "The SURE-LET approach to image denoising", IEEE Transactions on
       Image Processing 16 (2007) 2778-2786.
    .. [3] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE", IEEE Transactions on Image Processing
       17 (2008) 1540-1554.
    .. [4] M. Makitalo, A. Foi, "A closed-form approximation of the exact unbiased inverse of the
       Anscombe variance-stabilizing transformation", IEEE Transactions on Image Processing 20
       (2011) 2697-2698.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import denoise
    >>> clean = np.zeros((64, 64))
    >>> clean[16:48, 16:48] = 1
    >>> noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)
    >>> bool(np.std(denoise(noisy) - clean) < 0.03)
    True
    """
    report = WorkReport.of(callback)
    own = {"channel_axis": channel_axis, "batch_axis": batch_axis}
    for name, axis in own.items():
        if flow is not None and axis is not None:
            raise ValueError(
                f"{name}={axis} and a flow were given, but a flow has a {name} of its own. Pass "
                f"flow=ChambolleTVFlow({name}={axis}) alone."
            )
    flow, flow_input = check_input(image, flow, mask, **own, **_SCHEME)
    levels = None if sigma is None else read_sigma(sigma, flow_input.axes)
    raw = RawImage.of(flow_input)
    noisy = raw.image
    if variance_stabilize:
        if noisy.min() < 0:
            raise ValueError(
                f"variance_stabilize=True got values down to {float(noisy.min()):g}, and counts "
                "are >= 0. Subtract the offset of the camera, or leave variance_stabilize out."
            )
        noisy = stabilize(noisy)
    random, clean = np.random.default_rng(random_state), noisy.clone()
    # The same for every item of a batch, which is denoised as it would be alone.
    batch, shape = flow_input.axes.batch_axis, flow_input.axes.shape
    signs = random.choice([-1.0, 1.0], [1 if a == batch else n for a, n in enumerate(shape)])
    probes = flow_input.axes.to_core(torch.from_numpy(signs).to(noisy).expand(shape))
    found, n = [], len(noisy)
    for i in range(n):
        item = _Item.of(noisy[i], raw.data[i], None if levels is None else levels[i])
        found.append(item)
        if item.sigma.any():
            part = share_of(report, i / n, (i + 1) / n)
            change = item.least_risk(flow, flow_input.spacing, probes[i], part)
            clean[i] = torch.where(item.noisy, noisy[i] + change, noisy[i])
    if report is not None:
        report(1.0)
    _warn(found, sigma is None, bool(torch.equal(clean, noisy)))
    if variance_stabilize:
        clean = torch.where(clean == noisy, raw.image, counts_from(clean).to(clean.dtype))
    result = flow_input.axes.from_core(clean)
    if isinstance(flow_input, ConfinedInput) and flow_input.given is not None:
        result = torch.where(flow_input.data, result, flow_input.given)
    return flow_input.restore(result)


@dataclass(frozen=True)
class _Item:
    """An image of C coupled channels, and the noise in it.

    Attributes
    ----------
    image : Tensor of shape (C, *spatial)
    noisy : Tensor of bool, shape spatial
    sigma : Tensor of shape (C, *spatial), or (C, 1, ...)
    is_white : bool
    varies : bool
    """

    image: Tensor
    noisy: Tensor
    sigma: Tensor
    is_white: bool
    varies: bool

    @classmethod
    def of(cls, image: Tensor, data: Tensor, sigma: Tensor | None) -> _Item:
        """Find out where the image is noisy, and how much unless ``sigma`` tells."""
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

    def least_risk(
        self, flow: BaseTVFlow, spacing: tuple[float, ...], probe: Tensor, report: Report | None
    ) -> Tensor:
        """Return what changes: as a whole or, where an axis is short, perhaps slice by slice.

        Neighbouring slices of a stack of few need not resemble each other, nor do the frames of a
        film; the estimated risk tells.
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

    def _slice(self, axis: int, k: int) -> _Item:
        return dataclasses.replace(
            self,
            image=self.image.select(1 + axis, k),
            noisy=self.noisy.select(axis, k),
            sigma=self.sigma.expand(self.image.shape).select(1 + axis, k),
        )

    def filter(
        self, flow: BaseTVFlow, spacing: tuple[float, ...], probe: Tensor, report: Report | None
    ) -> tuple[Tensor, float]:
        """Add up the bands with the weights of least estimated risk.

        Return what changes, and the change of the estimated risk in squares of the largest sigma.
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
            kept.append((u - frames.image[0]) / largest)
        n = len(kept)
        cost, gram = np.zeros(n), np.zeros((n, n))
        for k, v in enumerate(_frames(flow, probed, share_of(report, 0.5, 1))):
            moved = (v - probed.image[0]) / unit - kept[k] / _PROBE
            cost[k] = float((change * moved).double().sum())
        for j in range(n):
            first = kept[j].double()
            for k in range(j + 1):
                gram[j, k] = gram[k, j] = float((first * kept[k]).sum())
        bands = _band_coefficients(times)
        gram, cost = bands @ gram @ bands.T, bands @ cost
        removed = 1 - _least_risk(gram, cost)
        total = torch.zeros_like(self.image, dtype=torch.float64)
        for share, u in zip(removed @ bands, kept, strict=True):
            total -= float(share) * u
        risk = float(removed @ gram @ removed - 2 * cost @ removed)
        return (total * float(largest)).to(self.image.dtype), risk

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


def _frames(flow: BaseTVFlow, flow_input: FlowInput, report: Report | None) -> Any:
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


def _warn(items: list[_Item], estimated: bool, unchanged: bool) -> None:
    """Say what the user would otherwise take for a result."""
    message = ""
    if any(not item.is_white for item in items):
        message = (
            "The noise is plainly not white: distant pixels differ much more than neighbours do, "
            "as after blurring, compression or in stripes. Little of it is removed. Pass the image "
            "as it was recorded, or sigma, the standard deviation of a single pixel."
        )
    elif unchanged and estimated and any(item.varies for item in items):
        message = (
            "No noise was found, so the image comes back as it is. Pass sigma if you know that "
            "there is noise, such as sigma=0.05."
        )
    if message:
        warnings.warn(message, UserWarning, stacklevel=stacklevel_of_caller())
