r"""A rough flow in a tenth of the time: late times on images of fewer pixels.

By the time t the structures narrower than about :math:`t / \sigma` pixels have vanished, for an
image of standard deviation :math:`\sigma`, and what is left shows on a coarser grid. So an image is
halved whenever t doubles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import operators
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.extinction import remaining_time
from skimage_tvflow.core.frames import OutputRequest
from skimage_tvflow.core.integrate import Method, integrate
from skimage_tvflow.core.integrators.automatic_steps import AutomaticSteps
from skimage_tvflow.core.integrators.euler_segment import EulerSettings
from skimage_tvflow.core.integrators.given_steps import GivenIterations
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.step_control import even, iterations_for
from skimage_tvflow.spectral.halved_grid import Halving, halve

# Times of the rough flow, in standard deviations times the spacing: the first one, and the ratio of
# neighbours, which are implicit steps of first order: with 1.25 the error is half as large again.
# At tol=1e-3 no image needs a knot before .01.
_FIRST, _RATIO = 0.005, 1.2
# A grid whose cells are h pixels long serves up to the time _SWITCH h. 4 instead of 6 costs a disc
# of 192 x 192 pixels 2 dB, and the time of an image grows in proportion.
_SWITCH = 5.0
# Relative error of the implicit steps' solves.
_TOL = 5e-3
# The same on a domain, where the steps are chosen by themselves, in parts of what is left.
_TOL_ON_A_DOMAIN = 3e-2
# Times that are solved together, with as many iterations each.
_CHUNK = 6
# An item with less than this part of its deviation left is counted as extinct.
_GONE = 0.005
# RMS error in deviations from the time _SWITCH on; before, it grows like the square root of t. Four
# of five truths are below .014.
_ERROR = 0.02


@dataclass(frozen=True)
class RoughFrame:
    """The flow of all items at one time, on the grid that it was computed on.

    Attributes
    ----------
    time : float
        The time, in the caller's unit.
    u : torch.Tensor of shape (N, C, *grid)
        The images, centred and scaled.
    """

    time: float
    u: Tensor
    _halvings: tuple[Halving, ...]
    _scale: float
    _mean: Tensor

    def image(self) -> Tensor:
        """
        Return the frame with all pixels and in the values of the image.

        Returns
        -------
        torch.Tensor of shape (N, C, *spatial)
            The frame.
        """
        u = self.u
        for halving in reversed(self._halvings):
            u = halving.back(u)
        u = u.to(self._mean.dtype)
        # Sharpening and uneven sizes move the mean a little.
        return (u - _mean_of(u)) * self._scale + self._mean


@dataclass(frozen=True)
class RoughFlow:
    """A rough flow.

    Attributes
    ----------
    frames : list of RoughFrame
        Frames at increasing times above 0.
    unit : float
        A deviation times the spacing, the unit of the times in `bend`.
    bend : numpy.ndarray of shape (M, N)
        RMS of the second derivative of u by t / unit at the times of the frames.
    extinction : numpy.ndarray of shape (N,)
        Extinction times; infinite where an item still moves.
    error : numpy.ndarray of shape (M, N)
        RMS errors to be expected.
    """

    frames: list[RoughFrame]
    unit: float
    bend: np.ndarray
    extinction: np.ndarray
    error: np.ndarray


def rough_flow(
    image: Tensor,
    spacing: Sequence[float],
    t_max: float | None,
    report: Report | None = None,
    keep: Callable[[Tensor], Tensor] = lambda frame: frame,
    domain: Domain | None = None,
    strength: np.ndarray | float = 1.0,
) -> RoughFlow:
    """
    Compute the flow roughly, up to extinction or to a time.

    Parameters
    ----------
    image : torch.Tensor of shape (N, C, *spatial)
        The images, not all of them constant.
    spacing : sequence of float
        One per spatial axis.
    t_max : float or None
        The last time; None for the extinction.
    report : callable, optional
        It is told the fraction of the work done.
    keep : callable, optional
        Stores a tensor and returns the stored one.
    domain, strength : Domain or None, and ndarray or float
        The limits of the flow. On a domain all frames have all pixels, as halving them would let
        pieces touch.

    Returns
    -------
    RoughFlow
        The flow.
    """
    mean = _mean_of(image)
    u, finest = image - mean, min(spacing)
    largest = float(u.abs().max())  # squares of values such as 1e200 are out of range
    scale = float(operators.rms(u / largest).max()) * largest
    strongest = float(np.max(strength))
    unit = scale * finest / strongest
    own = u / scale if domain is not None else (u / scale).float()
    limits = domain and domain.rescaled(finest), strength / strongest
    march = _March(own, [h / finest for h in spacing], *limits)
    horizon = np.inf if t_max is None else t_max / unit
    frames: list[RoughFrame] = []

    def tick(_: float = 0.0) -> None:
        if report is not None:
            report(1 - 1 / (1 + len(frames) / 30))

    while not march.is_over(horizon):
        for time, v in march.advance(horizon, tick if report is not None else None):
            frames.append(RoughFrame(time * unit, keep(v), march.halvings, scale, mean))
        tick()
    bend = np.array(march.bend + march.bend[-1:]) * scale
    deviation = operators.rms(u / scale).cpu().numpy() * scale
    times = np.array([frame.time for frame in frames])
    late = np.minimum(
        np.divide.outer(times, np.where(deviation > 0, deviation, 1) * finest), _SWITCH
    )
    error = _ERROR * deviation * np.sqrt(late / _SWITCH)
    return RoughFlow(frames, unit, bend, march.extinction * unit, error)


class _March:
    """The way from one time to the next: times in deviations, and a grid that gets coarser."""

    def __init__(
        self,
        u: Tensor,
        spacing: Sequence[float],
        domain: Domain | None,
        strength: np.ndarray | float,
    ) -> None:
        self._domain, self._strength = domain, strength
        self._now, self._next, self._until = 0.0, _FIRST, _SWITCH
        self._last: list[tuple[float, Tensor]] = [(0.0, u)]
        self._spacing, self._start = tuple(spacing), operators.rms(u).cpu().numpy()
        self.halvings: tuple[Halving, ...] = ()
        self.bend: list[np.ndarray] = []
        self.extinction = np.where(self._start > 0, np.inf, 0.0)

    def is_over(self, horizon: float) -> bool:
        """
        Tell whether the last time is reached, or nothing moves any more.

        Parameters
        ----------
        horizon : float
            The last time.

        Returns
        -------
        bool
            Whether it is over.
        """
        return self._now >= horizon or bool(np.isfinite(self.extinction).all())

    def advance(self, horizon: float, report: Report | None) -> Iterator[tuple[float, Tensor]]:
        """
        Solve for the next few times.

        Parameters
        ----------
        horizon : float
            The last time.
        report : callable or None
            It is called every 20 ms.

        Yields
        ------
        time : float
            A time.
        v : torch.Tensor
            The images there, on the grid of that time.
        """
        if self._now >= self._until:
            self._halve()
        times = [self._next * _RATIO**k for k in range(_CHUNK)]
        times = sorted({min(t, horizon) for t in times if t < _RATIO * self._until})
        self._next = times[-1] * _RATIO
        start, u = self._last[-1]
        step = (times[-1] - times[-2] if times[1:] else times[-1] - start) / min(self._spacing)
        n_iter = int(even(iterations_for(np.array([step]), _TOL, "accelerated"), 2**12)[0])
        if self._domain is None:
            settings = EulerSettings(1, 1, None, n_iter, "accelerated")
            method: Method = partial(GivenIterations, settings)
        else:
            settings = EulerSettings(None, 2, _TOL_ON_A_DOMAIN, 2**11, "accelerated")
            method = partial(AutomaticSteps, settings)
        flow = integrate(
            u,
            [t - start for t in times],
            self._spacing,
            method,
            request=OutputRequest(),
            domain=self._domain,
            strength=self._strength,
            report=report,
        )
        images = (part.u[:, m] for part in flow for m in range(len(part.times)))
        for time, v in zip(times, images, strict=True):
            self._note(time, v)
            yield time, v

    def _note(self, time: float, v: Tensor) -> None:
        """Measure the curvature at the time before, and what is left."""
        self._now = time
        self._last = [*self._last[-2:], (time, v)]
        if len(self._last) == 3:
            self.bend.append(_second_derivative(*self._last))
        left = operators.rms(v - _mean_of(v)).cpu().numpy()
        gone = np.isinf(self.extinction) & (left < _GONE * self._start)
        if gone.any():
            before, w = self._last[-2]
            remaining = remaining_time(w - _mean_of(w), self._spacing, self._domain)
            remaining = remaining / self._strength
            self.extinction = np.where(gone, before + remaining, self.extinction)

    def _halve(self) -> None:
        self._until *= 2
        if self._domain is not None:
            return
        halving, u = Halving.of(self._last[-1][1], self._spacing)
        if not halving.axes:
            return
        self.halvings += (halving,)
        self._spacing = halving.spacing
        self._last = [(t, halve(v, halving.axes)) for t, v in self._last[:-1]]
        self._last.append((self._now, u))


def _second_derivative(
    a: tuple[float, Tensor], b: tuple[float, Tensor], c: tuple[float, Tensor]
) -> np.ndarray:
    """RMS of the second divided difference of three frames at their times, twice; (N,)."""
    first, second = b[0] - a[0], c[0] - b[0]
    between = torch.lerp(a[1], c[1], first / (first + second))
    return operators.distance(between, b[1]).cpu().numpy() * 2 / (first * second)


def _mean_of(u: Tensor) -> Tensor:
    return u.mean(list(range(2, u.ndim)), keepdim=True)
