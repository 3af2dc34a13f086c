"""The flow as a continuous function of t: any time, band or filter without another solve."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.estimators.callbacks import Callback, StoppedByCallback, WorkReport
from skimage_tvflow.inputs.times import resolve_times
from skimage_tvflow.spectral.band_times import band_times_up_to, check_times
from skimage_tvflow.spectral.decompose import collect_bands
from skimage_tvflow.spectral.decomposition import SpectralDecomposition
from skimage_tvflow.spectral.flow_bands import Band, bands_between
from skimage_tvflow.spectral.knots import Knots
from skimage_tvflow.spectral.refinement import Growth

# Bands of a spectrum, unless their times are given.
_N_BANDS = 40


class Spectrum(NamedTuple):
    """How much of an image vanishes at each time.

    Attributes
    ----------
    times : ndarray of shape (K,)
        The times.
    l1, l2 : ndarray of shape (K,), or (K, B) with a batch axis
        See `SpectralDecomposition.power_spectrum`.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import scale_space
    >>> space = scale_space(np.repeat([0.0, 1.0], 4))  # vanishes at t = 2
    >>> spectrum = space.spectrum([1.0, 2.0, 3.0])
    >>> spectrum.l1.round(3)
    array([0., 4.])
    """

    times: np.ndarray
    l1: np.ndarray
    l2: np.ndarray


class ScaleSpace:
    r"""The TV flow of an image as a function of t, see `scale_space`.

    Between the knots :math:`t_k` the flow is linear in t, which it nearly is itself between the
    events at which regions merge. ``space(t)`` therefore costs no more than reading two images.

    Another thread may read a space while `refine` improves it: it always sees a valid one.

    Parameters
    ----------
    growth : Growth
        The image, and how the space grows; `scale_space` makes it.
    knots : Knots
        The frames.
    plan : ndarray
        Times of the fine frames.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import scale_space
    >>> step = np.repeat([0.0, 1.0], 4)  # vanishes at t = 2
    >>> space = scale_space(step)
    >>> space.total_variation([0.0, 1.0, 2.0]).round(3)
    array([1. , 0.5, 0. ])
    >>> bool(np.allclose(space.low_pass(1.0) + space.high_pass(1.0), step))
    True
    """

    def __init__(self, growth: Growth, knots: Knots, plan: np.ndarray) -> None:
        self._growth, self._knots, self._plan = growth, knots, plan
        self._complete = len(plan) == 0
        self._refining = threading.Lock()

    def __repr__(self) -> str:
        state = "refined" if self._complete else f"refined up to t={self.refined_until:.3g}"
        shape = "x".join(map(str, self._growth.flow_input.axes.shape))
        knots = self._knots
        return (
            f"<ScaleSpace of {shape}, {len(knots.times)} knots to t={knots.times[-1]:.3g}, {state}>"
        )

    def __call__(self, t: Any, region: Any = ...) -> Any:
        """The flow at one or several times.

        Parameters
        ----------
        t : float or sequence of T floats
            Times >= 0, in the unit of value x spacing. Beyond extinction the flow is the mean.
        region : index, optional
            The part that is needed, by integers and slices: ``space(t, np.s_[12])`` is plane 12 of
            ``space(t)``, without the cost of the other planes.

        Returns
        -------
        array of shape image[region].shape, or (T, *image[region].shape) for a sequence
            New arrays of the kind of the image.

        Raises
        ------
        ValueError
            If a time is beyond the end of a space that was not computed up to extinction.
        """
        knots, requested = self._knots, resolve_times(t)
        self._check_end(knots, requested.increasing[-1])
        times = [requested.increasing[k] for k in requested.order]
        if requested.scalar:
            image = knots.image(times[0], region=region)
        else:
            part = knots.frames[0][region]
            image = part.new_empty((len(times), *part.shape))
            for out, time in zip(image, times, strict=True):
                knots.image(time, out, region)
        return self._restore(image)

    @property
    def times(self) -> np.ndarray:  # numpydoc ignore=RT01
        """Times of the knots, from 0 on; shape (K,)."""
        return self._knots.times.copy()

    @property
    def frames(self) -> tuple[Any, ...]:  # numpydoc ignore=RT01
        """The images at the knots, K of them. They are the space itself: do not write to them."""
        return tuple(self._restore(frame) for frame in self._knots.frames)

    @property
    def extinction_time(self) -> Any:  # numpydoc ignore=RT01
        """When the flow has reached its mean; NaN if the space ends before.

        A float, or an array of shape (B,) with a batch axis; of separate channels the latest.
        """
        return _plain(self._growth.measures.extinction(self._knots))

    @property
    def refined_until(self) -> float:  # numpydoc ignore=RT01
        """Up to this time the frames are solved to the tolerance; after it they are rough."""
        knots = self._knots
        return float(knots.times[knots.fine][-1])

    @property
    def is_refined(self) -> bool:  # numpydoc ignore=RT01
        """Whether the whole space is as accurate as asked for."""
        return self._complete

    def total_variation(self, t: Any) -> Any:
        """The total variation of the flow.

        J is convex and decreases along the flow. This is the value interpolated between the knots,
        so it is not below the total variation of ``space(t)``.

        Parameters
        ----------
        t : float or sequence of T floats
            Times >= 0.

        Returns
        -------
        float or ndarray
            One for each time, and for each item with a batch axis: (T, B).
        """
        return self._values(self._knots, self._knots.variation, t)

    def error_estimate(self, t: Any) -> Any:
        """The estimated RMS error of ``space(t)`` in the values of the image.

        Parameters
        ----------
        t : float or sequence of T floats
            Times >= 0.

        Returns
        -------
        float or ndarray
            That of the solver at the knots plus that of the interpolation, which is 0 at the knots.
        """
        knots = self._knots
        solver = np.asarray(self._values(knots, knots.error, t))
        times = resolve_times(t)
        between, bent = [], knots.interpolation_errors()
        for time in (times.increasing[k] for k in times.order):
            if time >= knots.times[-1]:
                between.append(np.zeros(bent.shape[1:]))
            else:
                k, part = knots.locate(time)
                between.append(4 * part * (1 - part) * bent[k])
        errors = np.stack(between)
        return _plain(solver + (errors[0] if times.scalar else errors))

    def error_bound(self, t: Any) -> Any:
        """A rigorous upper bound of the RMS error against the exact flow of the discrete image.

        Parameters
        ----------
        t : float or sequence of T floats
            Times >= 0.

        Returns
        -------
        float or ndarray
            At the knots (`times`) and after extinction, if the space was made with
            ``certify=True``. NaN between the knots, where there is an estimate only, and for rough
            frames.
        """
        knots, requested = self._knots, resolve_times(t)
        self._check_end(knots, requested.increasing[-1])
        at = np.minimum(requested.increasing, knots.times[-1])
        k = np.searchsorted(knots.times, at)
        at_knot = (knots.times[k] == at).reshape(-1, *[1] * (knots.bound.ndim - 1))
        found = np.where(at_knot, knots.bound[k], np.nan)[list(requested.order)]
        return _plain(found[0] if requested.scalar else found)

    def low_pass(self, t: float, region: Any = ...) -> Any:
        """Keep what vanishes at `t` or later: large and strong structures, and the mean.

        Parameters
        ----------
        t : float
            Where to cut.
        region : index, optional
            The part that is needed, as for the space itself.

        Returns
        -------
        array of shape image[region].shape
            :math:`u - t u_t`; together with ``high_pass(t)`` the image.
        """
        return self._restore(self._remainder(self._knots, t, region))

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
        knots = self._knots
        return self._difference(knots.frames[0] - self._remainder(knots, t))

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
        return self._difference(self._band(self._knots, t1, t2))

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
        knots = self._knots
        return self._restore(knots.frames[0] - self._band(knots, t1, t2))

    def decompose(self, times: Any = _N_BANDS) -> SpectralDecomposition:
        """Take the image apart into bands, as `spectral_decompose` does, without another solve.

        Parameters
        ----------
        times : int, or sequence of K >= 2 floats, optional
            The number of bands, or increasing times > 0.

        Returns
        -------
        SpectralDecomposition
            Bands, residual and spectrum.
        """
        knots, chosen = self._knots, self._band_times(times)
        return collect_bands(self._growth.flow_input, chosen, self._bands(knots, chosen))

    def spectrum(self, times: Any = _N_BANDS) -> Spectrum:
        """How much vanishes at each time, without holding the bands in memory.

        Parameters
        ----------
        times : int, or sequence of K >= 2 floats, optional
            As for `decompose`.

        Returns
        -------
        Spectrum
            Times, and the spectrum in both norms.
        """
        knots, chosen = self._knots, self._band_times(times)
        flow_input = self._growth.flow_input
        parts = collect_bands(flow_input, chosen, self._bands(knots, chosen), keep=False)
        return Spectrum(parts.times, parts.power_spectrum("l1"), parts.power_spectrum("l2"))

    @fork_safe()
    def refine(self, callback: Callback | None = None) -> ScaleSpace:
        """Improve the space in place until it is as accurate as asked for.

        Parameters
        ----------
        callback : callable, optional
            ``callback(progress)`` is told the fraction of the work done and the time up to which
            the space is refined, at least every 50 ms. Returning True stops: the space is then
            valid, refined up to `refined_until`, and another `refine` goes on from there.

        Returns
        -------
        ScaleSpace
            The space itself.

        Raises
        ------
        RuntimeError
            If another thread is refining it.
        """
        report = WorkReport.of(callback)
        if not self._refining.acquire(blocking=False):
            raise RuntimeError(
                "This space is being refined by another thread, and one at a time is possible. "
                "Wait for it, or stop it: its callback returns True."
            )
        try:
            if not self._complete:
                self._check_growth()
                self._refine(report)
            if report is not None:
                report(1.0)
        except StoppedByCallback:
            pass
        finally:
            self._refining.release()
        return self

    def save(self, path: str | PathLike[str]) -> None:
        """Write the space to a file.

        Parameters
        ----------
        path : path-like
            Its name, which ends in ``.npz``. The file appears whole or not at all.
        """
        from skimage_tvflow.spectral.space_files import save_space

        save_space(path, self._growth, self._knots, self._plan, self._complete)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> ScaleSpace:
        """Read a space that `save` wrote; its images are NumPy arrays.

        Parameters
        ----------
        path : path-like
            Name of the file.

        Returns
        -------
        ScaleSpace
            The same, bit for bit. It can be refined if its flow was a `ChambolleTVFlow`.

        Raises
        ------
        ValueError
            If the file is damaged, or no such space.
        """
        from skimage_tvflow.spectral.space_files import load_space

        growth, knots, plan, complete = load_space(path)
        space = cls(growth, knots, plan)
        space._complete = complete
        return space

    def _refine(self, report: WorkReport | None) -> None:
        def accept(knots: Knots) -> None:
            self._knots = knots
            if report is not None:
                report.reach(self.refined_until)

        self._growth.refine(self._knots, self._plan, report, accept)
        self._complete = True

    def _check_growth(self) -> None:
        if not self._growth.may_grow:
            raise ValueError(
                "This space was loaded, and its flow was no ChambolleTVFlow, so the file does not "
                "say how to go on. Refine it before it is saved: scale_space(image, flow=flow)."
            )

    def _restore(self, image: Tensor) -> Any:
        return self._growth.flow_input.whole(image)

    def _difference(self, image: Tensor) -> Any:
        return self._growth.flow_input.part(image)

    def _ends_in_means(self, knots: Knots) -> bool:
        return self._growth.t_max is None or not knots.variation[-1].any()

    def _check_end(self, knots: Knots, t: float) -> None:
        end = float(knots.times[-1])
        if t > end and not self._ends_in_means(knots):
            raise ValueError(
                f"t={t:g} is beyond the end of this space, {end:g}. Make a longer one: "
                f"scale_space(image, t_max={t:g}), or t_max=None for all times."
            )

    def _values(self, knots: Knots, values: np.ndarray, t: Any) -> Any:
        requested = resolve_times(t)
        self._check_end(knots, requested.increasing[-1])
        times = [requested.increasing[k] for k in requested.order]
        found = knots.values(values, times)
        return _plain(found[0] if requested.scalar else found)

    def _remainder(self, knots: Knots, t: Any, region: Any = ...) -> Tensor:
        (time,) = resolve_times(t).increasing
        self._check_end(knots, time)
        return knots.remainder(time, region)

    def _band(self, knots: Knots, t1: float, t2: float) -> Tensor:
        if not t1 < t2:
            raise ValueError(
                f"A band needs t1 < t2, got t1={t1} and t2={t2}. Pass the smaller time first."
            )
        return self._remainder(knots, t1) - self._remainder(knots, t2)

    def _band_times(self, times: Any) -> tuple[float, ...]:
        chosen = check_times(times)
        if isinstance(chosen, tuple):
            self._check_end(self._knots, chosen[-1])
            return chosen
        end = float(self._knots.times[-1])
        if not self._ends_in_means(self._knots):
            raise ValueError(
                f"A number of bands, {chosen}, reaches up to extinction, but this space ends at "
                f"{end:g}. Pass times up to that, or make a space with t_max=None."
            )
        return band_times_up_to(end, chosen)

    def _bands(self, knots: Knots, times: tuple[float, ...]) -> Iterator[Band]:
        to_core = self._growth.flow_input.axes.to_core
        frames = ((time, to_core(knots.image(time))) for time in times)
        return bands_between(to_core(knots.frames[0]), frames)


def _plain(values: np.ndarray) -> Any:
    """Make a float of an array without axes."""
    return float(values) if values.ndim == 0 else values
