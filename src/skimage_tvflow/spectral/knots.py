r"""The knots of a flow that is linear in t between them, and where they must lie.

With the second derivative :math:`u''` the interpolation error in an interval of length h is at most

.. math:: e = \tfrac{h^2}{8} \|u''\| ,

so knots at equal steps of :math:`\int (\|u''\| / 8 \,\mathrm{tol})^{1/2} dt` have the error tol.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Plan for this part of the tolerance: the curvature is that of a rough flow.
_MARGIN = 0.6
# At least as many intervals, so that their curvature can be measured.
_FEWEST_INTERVALS = 4
# The curvature at time 0 is at most this many times that of the first knot after it.
_STEEPEST = 4.0


@dataclass(frozen=True)
class Knots:
    """
    Frames at increasing times from 0 on, in the caller's layout. Values per item of the batch.

    Attributes
    ----------
    times : numpy.ndarray of shape (K,)
        The times.
    frames : tuple of K tensors
        The images, all of one shape.
    variation : numpy.ndarray of shape (K, *batch_shape)
        The total variation of the frames.
    error : numpy.ndarray of shape (K, *batch_shape)
        Estimated RMS errors of the frames.
    bound : numpy.ndarray of shape (K, *batch_shape)
        Rigorous bounds of these errors; NaN where none was asked for.
    curvature : numpy.ndarray of shape (K, *batch_shape)
        RMS of the second derivative by t / unit; 0 for the first and the last.
    fine : numpy.ndarray of bool, shape (K,)
        Which frames are solved to the tolerance.
    unit : float
        A time of the size of the flow's own, as squares of others may be out of range.
    """

    times: np.ndarray
    frames: tuple[Tensor, ...]
    variation: np.ndarray
    error: np.ndarray
    bound: np.ndarray
    curvature: np.ndarray
    fine: np.ndarray
    unit: float

    def locate(self, t: float) -> tuple[int, float]:
        """
        Find the interval that holds a time, its end included.

        Parameters
        ----------
        t : float
            A time, 0 <= t <= times[-1].

        Returns
        -------
        k : int
            Number of the interval.
        part : float
            How much of it lies before `t`, from 0 to 1.
        """
        k = max(int(np.searchsorted(self.times, t)) - 1, 0)
        return k, float((t - self.times[k]) / (self.times[k + 1] - self.times[k]))

    def image(self, t: float, out: Tensor | None = None, region: Any = ...) -> Tensor:
        """
        Interpolate between the frames; the last one holds for all times after it.

        Parameters
        ----------
        t : float
            A time >= 0.
        out : torch.Tensor, optional
            Where to put the image.
        region : index, optional
            The part of the image that is needed.

        Returns
        -------
        torch.Tensor
            A new image.
        """
        out = torch.empty_like(self.frames[0][region]) if out is None else out
        if len(self.frames) == 1 or t >= self.times[-1]:
            return out.copy_(self.frames[-1][region])
        k, part = self.locate(t)
        return torch.lerp(self.frames[k][region], self.frames[k + 1][region], part, out=out)

    def remainder(self, t: float, region: Any = ...) -> Tensor:
        r"""
        Compute :math:`u - t u_t` just before a time: what vanishes then or later.

        Parameters
        ----------
        t : float
            A time >= 0.
        region : index, optional
            The part of the image that is needed.

        Returns
        -------
        torch.Tensor
            A new image: the first frame for t = 0, the last one after the last time.
        """
        if t == 0 or len(self.frames) == 1:
            return self.frames[0][region].clone()
        if t > self.times[-1]:
            return self.frames[-1][region].clone()
        k, _ = self.locate(t)
        before = self.times[k] / (self.times[k + 1] - self.times[k])
        return torch.lerp(self.frames[k][region], self.frames[k + 1][region], -float(before))

    def values(self, of: np.ndarray, t: Sequence[float]) -> np.ndarray:
        """
        Interpolate values that belong to the knots.

        Parameters
        ----------
        of : numpy.ndarray of shape (K, *batch_shape)
            The values.
        t : sequence of T floats
            Times >= 0.

        Returns
        -------
        numpy.ndarray of shape (T, *batch_shape)
            The values there; the last one holds for all times after it.
        """
        flat = of.reshape(len(self.times), -1)
        columns = [np.interp(t, self.times, column) for column in flat.T]
        return np.stack(columns, -1).reshape(len(t), *of.shape[1:])

    def interpolation_errors(self) -> np.ndarray:
        """
        Estimate the largest interpolation error in every interval.

        Returns
        -------
        numpy.ndarray of shape (K - 1, *batch_shape)
            RMS errors, in the values of the image.
        """
        bent = self.curvature.copy()
        if len(bent) > 3:  # the flow bends most at its beginning: go on as from knot 2 to knot 1
            growth = np.divide(bent[1], bent[2], out=np.ones_like(bent[1]), where=bent[2] > 0)
            bent[0] = bent[1] * np.clip(growth, 1, _STEEPEST)
        steps = (np.diff(self.times) / self.unit).reshape(-1, *[1] * (bent.ndim - 1))
        return steps**2 / 8 * np.maximum(bent[:-1], bent[1:])

    def put(
        self,
        time: float,
        frame: Tensor,
        fine: bool,
        variation: np.ndarray,
        error: np.ndarray,
        bound: np.ndarray,
    ) -> Knots:
        """
        Add a frame; a fine one takes the place of the rough ones up to its time.

        Parameters
        ----------
        time : float
            Its time.
        frame : torch.Tensor
            The image.
        fine : bool
            Whether it is solved to the tolerance.
        variation, error, bound : numpy.ndarray of shape batch_shape
            Its total variation, its estimated error, and the bound of it.

        Returns
        -------
        Knots
            The new knots; the curvature around the frame is still to be measured.
        """
        stay = (self.fine | (not fine)) & (self.times != time)
        before = np.flatnonzero(stay & (self.times < time))
        after = np.flatnonzero((stay | ~self.fine) & (self.times > time))

        def insert(old: np.ndarray, new: object) -> np.ndarray:
            return np.concatenate([old[before], np.asarray(new)[None], old[after]])

        frames = self.frames
        return Knots(
            times=insert(self.times, time),
            frames=(*(frames[k] for k in before), frame, *(frames[k] for k in after)),
            variation=insert(self.variation, variation),
            error=insert(self.error, error),
            bound=insert(self.bound, bound),
            curvature=insert(self.curvature, np.zeros_like(self.curvature[0])),
            fine=insert(self.fine, fine),
            unit=self.unit,
        )

    def first(self, n: int) -> Knots:
        """
        Keep the first knots only.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        Knots
            These.
        """
        names = [field.name for field in dataclasses.fields(self) if field.name != "unit"]
        return dataclasses.replace(self, **{name: getattr(self, name)[:n] for name in names})


def plan_times(
    times: np.ndarray, curvature: np.ndarray, end: float, tolerance: np.ndarray
) -> np.ndarray:
    """
    Choose knots so that interpolation keeps within a tolerance.

    Parameters
    ----------
    times : numpy.ndarray of shape (M,)
        Increasing times > 0 at which the curvature is known, in its unit.
    curvature : numpy.ndarray of shape (M, N)
        RMS of the second derivative of N items.
    end : float
        The last knot.
    tolerance : numpy.ndarray of shape (N,)
        Largest error of every item that is not constant.

    Returns
    -------
    numpy.ndarray
        Increasing times from above 0 to `end`.
    """
    density = np.sqrt((curvature / (8 * _MARGIN * tolerance)).max(1))
    nodes = np.concatenate([[0.0], np.minimum(times, end)])
    density = np.concatenate([density[:1], density])
    count = np.cumsum(np.diff(nodes) * (density[1:] + density[:-1]) / 2)
    count = np.concatenate([[0.0], count])
    n = max(int(np.ceil(count[-1])), _FEWEST_INTERVALS)
    if count[-1] == 0:  # linear in t
        return end * np.arange(1, n + 1) / n
    chosen = np.interp(np.linspace(0, count[-1], n + 1)[1:], count, nodes)
    chosen[-1] = end
    return np.unique(chosen)
