"""The spectral TV decomposition: an image as the sum of what vanishes at each time of its flow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch

from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.chambolle import ChambolleTVFlow
from skimage_tvflow.estimators.functions import geometric_times
from skimage_tvflow.inputs.arrays import Ingested, ingest
from skimage_tvflow.inputs.times import resolve_times
from skimage_tvflow.spectral import bands as spectral

_BEYOND = (1.25, 1.5)

BandWeights = Sequence[float] | np.ndarray | Callable[[np.ndarray], Any]


class SpectralBand(NamedTuple):
    """One band of an image, as `iter_bands` gives it.

    Attributes
    ----------
    time : float
        The time at which its structures vanish; infinity for the residual.
    image : array of the image's shape
        The band.
    """

    time: float
    image: Any


@dataclass(frozen=True)
class SpectralDecomposition:
    r"""An image as a sum of bands, each of which vanishes at its own time of the TV flow.

    ``bands.sum(0) + residual`` is the image.

    Attributes
    ----------
    times : ndarray of shape (K - 1,)
        The times of the bands. A disc of radius R and contrast c vanishes at c R / 2.
    bands : array of shape (K - 1, *image.shape)
        Of the kind and on the device of the image.
    residual : array of shape image.shape
        What is left after the last time: the mean, if that was beyond extinction.
    spectrum : ndarray of shape (K - 1,), or (K - 1, B) with a batch axis
        L1 norm of each band per unit of time, so that bands of different widths compare.
    slope_power : ndarray of shape (K,), or (K, B) with a batch axis
        Squared L2 norm of the slope of the flow in each of the K intervals.
    widths : ndarray of shape (K - 1,)
        The stretch of time that each band stands for: half of the two intervals beside it.
    """

    times: np.ndarray
    bands: Any
    residual: Any
    spectrum: np.ndarray
    slope_power: np.ndarray
    widths: np.ndarray

    def power_spectrum(self, kind: str = "l1") -> np.ndarray:
        r"""The spectrum S(t) at the times of the bands.

        Parameters
        ----------
        kind : {"l1", "l2"}, optional
            "l1" is :math:`S(t) = \|\phi(t)\|_1` with :math:`\phi = t\,u_{tt}`, [1]_ eq. (3.9).
            "l2" is :math:`S(t) = (t^2 \frac{d^2}{dt^2} J(u(t)))^{1/2}`, [2]_ section 4, whose
            square integrates to the squared norm of the image without its mean.

        Returns
        -------
        ndarray of shape (K - 1,), or (K - 1, B) with a batch axis
            Non-negative.

        Raises
        ------
        ValueError
            If `kind` is another one.

        Notes
        -----
        Along the flow :math:`\frac{d}{dt} J(u) = -\|u_t\|^2`, which gives the second derivative
        from the slopes.

        References
        ----------
        .. [1] G. Gilboa, "A total variation spectral framework for scale and texture analysis",
           SIAM Journal on Imaging Sciences 7 (2014) 1937-1961.
        .. [2] M. Burger, G. Gilboa, M. Moeller, L. Eckardt, D. Cremers, "Spectral decompositions
           using one-homogeneous functionals", SIAM Journal on Imaging Sciences 9 (2016) 1374-1408.
        """
        if kind == "l1":
            return self.spectrum.copy()
        if kind != "l2":
            raise ValueError(f"kind must be 'l1' or 'l2', got {kind!r}. Pass kind='l1'.")
        column = (-1,) + (1,) * (self.slope_power.ndim - 1)
        fall = self.slope_power[:-1] - self.slope_power[1:]
        square = (self.times**2 / self.widths).reshape(column) * fall
        return np.sqrt(np.maximum(square, 0))

    def reconstruct(self, weights: BandWeights | None = None, *, residual: float = 1.0) -> Any:
        """The weighted sum of the bands.

        Parameters
        ----------
        weights : sequence of K - 1 numbers, or function of the times, optional
            One factor for every band; a function is given all `times` at once. None is 1 for all.
        residual : float, optional
            The factor of the residual.

        Returns
        -------
        array of shape image.shape
            Without arguments the image.

        Raises
        ------
        ValueError
            If there are not as many weights as bands, or not all are finite.
        """
        factors = self._factors(weights)
        total = residual * self.residual
        for factor, band in zip(factors, self.bands, strict=True):
            if factor != 0:
                total = total + float(factor) * band
        return total

    def low_pass(self, t: float) -> Any:
        """Keep what vanishes at `t` or later: large and strong structures, and the residual.

        Parameters
        ----------
        t : float
            Where to cut.

        Returns
        -------
        array of shape image.shape
            Together with ``high_pass(t)`` the image.
        """
        return self.reconstruct(self.times >= t)

    def high_pass(self, t: float) -> Any:
        """Keep what vanishes before `t`: small and faint structures, texture, noise.

        Parameters
        ----------
        t : float
            Where to cut.

        Returns
        -------
        array of shape image.shape
            Together with ``low_pass(t)`` the image.
        """
        return self.reconstruct(self.times < t, residual=0.0)

    def band_pass(self, t1: float, t2: float) -> Any:
        """Keep what vanishes from `t1` on and before `t2`.

        Parameters
        ----------
        t1, t2 : float
            Where to cut.

        Returns
        -------
        array of shape image.shape
            Together with ``band_stop(t1, t2)`` the image.
        """
        return self.reconstruct(self._within(t1, t2), residual=0.0)

    def band_stop(self, t1: float, t2: float) -> Any:
        """Take away what vanishes from `t1` on and before `t2`.

        Parameters
        ----------
        t1, t2 : float
            Where to cut.

        Returns
        -------
        array of shape image.shape
            Together with ``band_pass(t1, t2)`` the image.
        """
        return self.reconstruct(~self._within(t1, t2))

    def _within(self, t1: float, t2: float) -> np.ndarray:
        if not t1 < t2:
            raise ValueError(
                f"A band needs t1 < t2, got t1={t1} and t2={t2}. Pass the smaller time first."
            )
        return (self.times >= t1) & (self.times < t2)

    def _factors(self, weights: BandWeights | None) -> np.ndarray:
        count = len(self.times)
        if weights is None:
            return np.ones(count)
        factors = np.asarray(weights(self.times) if callable(weights) else weights, dtype=float)
        if factors.shape != (count,):
            raise ValueError(
                f"weights has shape {factors.shape}, and one number for each of the {count} bands "
                f"is needed. Pass a sequence of {count}, or a function such as "
                "weights=lambda t: t > 0.5."
            )
        if not np.isfinite(factors).all():
            raise ValueError("weights must be finite, got NaN or infinity. Pass numbers.")
        return factors


def spectral_decompose(
    image: Any, times: Any, *, flow: BaseTVFlow | None = None
) -> SpectralDecomposition:
    r"""Take an image apart into bands, each of which vanishes at its own time of the TV flow.

    With the slopes :math:`s_k` of the flow between the times, :math:`t_0 = 0`,

    .. math:: \mathrm{band}_k = t_k (s_{k+1} - s_k), \qquad \mathrm{residual} = u_K - t_K s_K,

    which add up to the image for any increasing times [1]_.

    Parameters
    ----------
    image : array-like
        As the flow takes it.
    times : int, or sequence of K >= 2 floats
        How many bands, their times in geometric progression up to extinction; or increasing times
        > 0, of which the last only ends the last band.
    flow : estimator, optional
        Which computes the flow, and knows the axes of the image: ``ChambolleTVFlow()`` by default.

    Returns
    -------
    SpectralDecomposition
        Bands at the first K - 1 times, residual and spectrum.

    Raises
    ------
    ValueError
        If there are fewer than two times, or they do not increase from above 0.
    TypeError
        If `flow` is not an estimator of the TV flow.

    See Also
    --------
    iter_bands : The bands one at a time, for images of which few fit into memory.

    Notes
    -----
    The first band also holds what has vanished before its time: begin early.

    References
    ----------
    .. [1] G. Gilboa, "A total variation spectral framework for scale and texture analysis", SIAM
       Journal on Imaging Sciences 7 (2014) 1937-1961.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import ChambolleTVFlow, spectral_decompose
    >>> step = np.repeat([0.0, 1.0], 4)  # vanishes at t = 2
    >>> parts = spectral_decompose(step, [1.0, 2.0, 3.0], flow=ChambolleTVFlow(tol=1e-6))
    >>> parts.spectrum.round(3)
    array([0., 4.])
    >>> parts.reconstruct().round(3)
    array([0., 0., 0., 0., 1., 1., 1., 1.])
    """
    job = DecompositionTask.of(image, times, flow)
    bands: Any = None
    heights, powers = [], []
    for k, band in enumerate(job.bands()):
        powers.append(job.norm(band.before, 2))
        if band.after is None:
            break
        if bands is None:
            count = len(job.times) - 1
            bands = job.data.tensor.new_empty((count, *band.image.shape))
        heights.append(job.norm(band.image, 1))
        bands[k] = band.image
    moments = np.array([0.0, *job.times])
    widths = (moments[2:] - moments[:-2]) / 2
    norms = np.stack(heights)
    return SpectralDecomposition(
        times=moments[1:-1],
        bands=job.restore(bands),
        residual=job.restore(band.image),
        spectrum=norms / widths.reshape(-1, *[1] * (norms.ndim - 1)),
        slope_power=np.stack(powers),
        widths=widths,
    )


def iter_bands(image: Any, times: Any, *, flow: BaseTVFlow | None = None) -> Iterator[SpectralBand]:
    """The bands of an image one at a time, without holding them all.

    Parameters
    ----------
    image : array-like
        As for `spectral_decompose`.
    times : sequence of K >= 2 floats
        As for `spectral_decompose`.
    flow : estimator, optional
        As for `spectral_decompose`.

    Returns
    -------
    iterator of SpectralBand
        K - 1 bands as the flow reaches them, then the residual with time infinity. Their sum is the
        image.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import iter_bands
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> total = sum(band.image for band in iter_bands(image, [0.01, 0.1, 1.0]))
    >>> bool(np.allclose(total, image))
    True
    """
    job = DecompositionTask.of(image, times, flow)
    return (SpectralBand(band.time, job.restore(band.image)) for band in job.bands())


@dataclass(frozen=True)
class DecompositionTask:
    """A decomposition to be made, checked."""

    image: Any
    data: Ingested
    times: tuple[float, ...]
    flow: BaseTVFlow

    @classmethod
    def of(cls, image: Any, times: Any, flow: BaseTVFlow | None) -> DecompositionTask:
        flow = checked_flow(flow)
        if isinstance(times, Integral) and not isinstance(times, bool):
            if times < 1:
                raise ValueError(
                    f"times={times} is to be a number of bands, and at least one is needed. Pass "
                    "times=20, or increasing times above 0."
                )
            times = spectral_times(image, int(times), flow)
        return cls(image, ingest(image, device=flow.device), band_times(times), flow)

    def bands(self) -> Iterator[spectral.Band]:
        frames = self.flow.staged_transform(self.image, list(self.times))
        exact = (self._exact(ingest(frame, device=self.flow.device).tensor) for frame in frames)
        return spectral.bands(self._exact(self.data.tensor), self.times, exact)

    def norm(self, x: torch.Tensor, p: int) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """The sum of ``|x|^p`` over everything but the batch axis."""
        power, batch = x.abs().pow(p), self.flow.batch_axis
        summed = power.sum() if batch is None else power.movedim(batch, 0).flatten(1).sum(1)
        return summed.cpu().numpy()

    def restore(self, x: torch.Tensor) -> Any:
        return self.data.restore(x.to(self.data.tensor.dtype))

    def _exact(self, x: torch.Tensor) -> torch.Tensor:
        # Differences of neighbouring frames over short times would leave float32 few digits.
        return x if x.device.type == "mps" else x.double()


def checked_flow(flow: Any, **defaults: Any) -> BaseTVFlow:
    """
    Check that a flow is an estimator.

    Parameters
    ----------
    flow : estimator or None
        What the caller passed.
    **defaults : dict
        Parameters of the ``ChambolleTVFlow`` that None stands for.

    Returns
    -------
    BaseTVFlow
        An estimator.

    Raises
    ------
    TypeError
        If it is none.
    """
    if flow is None:
        return ChambolleTVFlow(**defaults)
    if not isinstance(flow, BaseTVFlow):
        raise TypeError(
            f"flow must be an estimator of the TV flow, got {flow!r}. Pass "
            "flow=ChambolleTVFlow(), or leave it out."
        )
    return flow


def spectral_times(image: Any, n: int, flow: BaseTVFlow) -> np.ndarray:
    """
    Choose times at which to take an image apart.

    Parameters
    ----------
    image : array-like
        The image.
    n : int
        How many bands.
    flow : estimator
        It knows the axes of the image.

    Returns
    -------
    ndarray of shape (n + 1,)
        In geometric progression up to extinction, and two beyond: the last band is what vanishes
        between the estimated extinction, a bound from below, and the true one.
    """
    names = ("spacing", "channel_axis", "batch_axis", "coupled_channels", "device")
    axes = {name: getattr(flow, name) for name in names}
    times = geometric_times(image, max(n - 1, 1), rtol=0.05, **axes)
    return np.append(times, np.multiply(_BEYOND, times[-1]))[-n - 1 :]


def band_times(times: Any) -> tuple[float, ...]:
    """
    Check the times of a decomposition.

    Parameters
    ----------
    times : sequence of float
        At least two, increasing, above 0.

    Returns
    -------
    tuple of float
        The same.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If they are fewer than two, or do not increase from above 0.
    """
    requested = resolve_times(times)
    values = [requested.increasing[k] for k in requested.order]
    advice = "Pass increasing times above 0, or how many bands there are to be: times=20."
    if len(values) < 2:
        raise ValueError(
            f"A decomposition needs at least two times, got {len(values)}: {times!r}. {advice}"
        )
    if values[0] == 0:
        raise ValueError(f"times must be > 0, got 0 at position 0. {advice}")
    for k, (earlier, later) in enumerate(itertools.pairwise(values)):
        if later <= earlier:
            raise ValueError(
                f"times must increase, got {later} after {earlier} at position {k + 1}. {advice}"
            )
    return tuple(values)
