"""The spectral TV decomposition: an image as the sum of what vanishes at each time of its flow."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

BandWeights = Sequence[float] | np.ndarray | Callable[[np.ndarray], Any]


class SpectralBand(NamedTuple):
    """One band of an image, as `iter_bands` gives it.

    Attributes
    ----------
    time : float
        The time at which its structures vanish; infinity for the residual.
    image : array of the image's shape
        The band.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import iter_bands
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> [band.time for band in iter_bands(step, [1.0, 2.0, 3.0])]
    [1.0, 2.0, inf]
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
        What is left after the last time: the mean, if the last time is beyond extinction.
    spectrum : ndarray of shape (K - 1,), or (K - 1, B) with a batch axis
        L1 norm of each band per unit of time, so that bands of different widths compare.
    slope_power : ndarray of shape (K,), or (K, B) with a batch axis
        Squared L2 norm of the slope of the flow in each of the K intervals.
    widths : ndarray of shape (K - 1,)
        Length of time that each band represents: half of the two intervals next to its time.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import spectral_decompose
    >>> step = np.repeat([0.0, 1.0], 4)  # vanishes at t = 2
    >>> parts = spectral_decompose(step, [1.0, 2.0, 3.0])
    >>> parts.times, parts.bands.shape
    (array([1., 2.]), (2, 8))
    >>> bool(np.allclose(parts.bands.sum(0) + parts.residual, step))
    True
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
            If `kind` is neither.

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
        fall = self.slope_power[:-1] - self.slope_power[1:]
        rate = np.sqrt(np.maximum(fall.T / self.widths, 0))
        return (self.times * rate).T  # t^2 may be out of range

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
        count = len(self.times)
        weights = np.ones(count) if weights is None else weights
        factors = np.asarray(weights(self.times) if callable(weights) else weights, dtype=float)
        if factors.shape != (count,) or not np.isfinite(factors).all():
            raise ValueError(
                f"weights must be finite, one number for each of the {count} bands, got "
                f"{reprlib.repr(factors.tolist())}. Pass a sequence of {count}, or a function such "
                "as weights=lambda t: t > 0.5."
            )
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
        """Remove what vanishes from `t1` on and before `t2`.

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
        """Tell which bands vanish from `t1` on and before `t2`."""
        if not t1 < t2:
            raise ValueError(
                f"A band needs t1 < t2, got t1={t1} and t2={t2}. Pass the smaller time first."
            )
        return (self.times >= t1) & (self.times < t2)
