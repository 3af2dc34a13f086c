"""What is measured at the knots of a scale space: total variation, curvature, extinction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core import operators
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.estimators.confined_input import ConfinedInput
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.spectral.knots import Knots

# An item whose total variation is below this part of the image's is at its mean.
STILL = 1e-6
# The part of the tolerance for the estimated interpolation error. Where a structure merges within
# an interval, the knots around it see up to three times less of it than there is. Knots are added
# where the estimate is EXCESS times larger, as each of them costs a solve of its own. On 8 images
# the error is at most .87 tol; with .45 and 1 it is .78, in 1.7 times the time.
INTERPOLATED, EXCESS = 0.33, 1.6


@dataclass(frozen=True)
class Measures:
    """
    An image's axes and deviations, and what they are needed for.

    Attributes
    ----------
    axes : ImageAxes
        The axes of the caller's image.
    spacing : tuple of float
        Distance between pixels.
    deviation : numpy.ndarray of shape (N,)
        Standard deviations of the items of the core; 0 for constant ones only.
    tol : float
        Largest error, in deviations.
    domain, strength : Domain or None, and ndarray or float
        The limits of the flow, see `ConfinedInput`.
    dilution : ndarray or float
        The RMS over the data in units of that over all pixels.
    """

    axes: ImageAxes
    spacing: tuple[float, ...]
    deviation: np.ndarray
    tol: float
    domain: Domain | None = None
    strength: Any = 1.0
    dilution: Any = 1.0

    @classmethod
    def of(cls, flow_input: FlowInput, tol: float) -> Measures:
        """
        Measure an image.

        Parameters
        ----------
        flow_input : FlowInput
            The image.
        tol : float
            Largest error, in deviations.

        Returns
        -------
        Measures
            Its measures.
        """
        grid, dilution = (flow_input.axes, flow_input.spacing), flow_input.dilution
        deviation = deviations(flow_input.image) * dilution
        if not isinstance(flow_input, ConfinedInput):
            return cls(*grid, deviation, tol)
        return cls(*grid, deviation, tol, flow_input.domain, flow_input.strength, dilution)

    @property
    def unit(self) -> np.ndarray:  # numpydoc ignore=RT01
        """Deviation of every item of the batch, of its channels together."""
        return self.axes.combine(self.deviation)

    def per_item(self, values: np.ndarray) -> np.ndarray:
        """
        Repeat values of the batch's items for the channels, which are items of the core.

        Parameters
        ----------
        values : numpy.ndarray of shape batch_shape
            A value of every item.

        Returns
        -------
        numpy.ndarray of shape (N,)
            The same for every item of the core.
        """
        return np.repeat(values.ravel(), len(self.deviation) // values.size)

    def variation(self, u: Tensor) -> np.ndarray:
        """
        Compute the total variation.

        Parameters
        ----------
        u : torch.Tensor of shape (N, C, *spatial)
            Images.

        Returns
        -------
        numpy.ndarray of shape batch_shape
            One for each item.
        """
        scaled = u if self._scale == 1 else u / self._scale
        variation = operators.total_variation(scaled, self.spacing, self.domain).cpu().numpy()
        return self.axes.total(variation * self.strength * self._scale)

    def left(self, image: Tensor) -> np.ndarray:
        """
        Compute how far images are from their ends.

        Parameters
        ----------
        image : torch.Tensor of shape (N, C, *spatial)
            Images of the flow.

        Returns
        -------
        numpy.ndarray of shape (N,)
            RMS distances over the data.
        """
        return deviations(image) * self.dilution

    def curvature(self, knots: Knots, k: int) -> np.ndarray:
        """
        Measure the second derivative at a knot by its neighbours.

        Parameters
        ----------
        knots : Knots
            The knots.
        k : int
            Number of a knot, not the first nor the last.

        Returns
        -------
        numpy.ndarray of shape batch_shape
            RMS; of separate channels the largest relative to the deviation, times that of all.
        """
        first, second = np.diff(knots.times[k - 1 : k + 2]) / knots.unit
        between = torch.lerp(knots.frames[k - 1], knots.frames[k + 1], first / (first + second))
        off = self.axes.to_core((between - knots.frames[k]) / self._scale)
        distance = operators.rms(off).cpu().numpy() * self._scale * self.dilution
        relative = distance / np.where(self.deviation > 0, self.deviation, np.inf)
        worst = relative.reshape(*self.axes.batch_shape, -1).max(-1)
        return worst * self.unit * 2 / (first * second)

    def excess(self, knots: Knots) -> np.ndarray:
        """
        Compare the interpolation errors with a tolerance.

        Parameters
        ----------
        knots : Knots
            The knots.

        Returns
        -------
        numpy.ndarray of shape (K - 1,)
            For every interval the largest error of an item over the largest that is allowed.
        """
        allowed = np.where(self.unit > 0, self.unit, np.inf) * self.tol * INTERPOLATED
        errors = knots.interpolation_errors() / allowed
        return errors.reshape(len(errors), -1).max(1)

    def last_moving(self, knots: Knots) -> np.ndarray:
        """
        Find the last knot at which an item is further from its mean than the tolerance.

        What is nearer may be the error of the solver, which takes long to vanish.

        Parameters
        ----------
        knots : Knots
            The knots.

        Returns
        -------
        numpy.ndarray of int, shape batch_shape
            The numbers of the knots; -1 for a constant item.
        """
        found = np.full(knots.variation.shape[1:], -1)
        allowed = self.tol * self.unit
        for k in range(len(knots.times) - 1, -1, -1):
            moving = (found < 0) & (knots.variation[k] > STILL * knots.variation[0])
            if moving.any():
                left = self.axes.combine(self.left(self.axes.to_core(knots.frames[k])))
                found[moving & (left > allowed)] = k
            if (found[self.unit > 0] >= 0).all():
                break
        return found

    def extinction(self, knots: Knots) -> np.ndarray:
        r"""
        Find when every item reaches its mean: :math:`t + \|u\|^2 / J(u)` at its last moving knot.

        Parameters
        ----------
        knots : Knots
            The knots.

        Returns
        -------
        numpy.ndarray of shape batch_shape
            Extinction times; NaN where the knots end before.
        """
        last = self.last_moving(knots)
        result = np.full(last.shape, np.nan)
        for index in np.ndindex(result.shape):
            k = last[index]
            if k < 0:
                result[index] = 0.0
            elif k + 1 < len(knots.times):
                variation = knots.variation[k, *index] / self._scale
                left = self._square(knots.frames[k])[index] / variation * self._scale
                result[index] = knots.times[k] + left
                if knots.variation[k + 1, *index] <= STILL * knots.variation[0, *index]:
                    result[index] = min(result[index], knots.times[k + 1])
        return result

    def _square(self, frame: Tensor) -> np.ndarray:
        """Squared norm of a frame without its mean, in squares of the scale."""
        u = self.axes.to_core(frame)
        u = u.to(exact_dtype(u)) / self._scale
        u = u - u.mean(list(range(2, u.ndim)), keepdim=True)
        return self.axes.total(operators.inner(u, u).cpu().numpy())

    @property
    def _scale(self) -> float:
        """A value of the deviations' size, where their squares may be out of range."""
        largest = float(self.deviation.max())
        return 1.0 if largest == 0 or 1e-9 < largest < 1e9 else largest


def deviations(image: Tensor) -> np.ndarray:
    """
    Compute the standard deviation of every item.

    Parameters
    ----------
    image : torch.Tensor of shape (N, C, *spatial)
        The items.

    Returns
    -------
    numpy.ndarray of shape (N,)
        Zero for constant items only.
    """
    flat = image.flatten(2)
    low, high = flat.aminmax(dim=2)
    constant = (low == high).all(1)
    centred = flat - flat.to(exact_dtype(image)).mean(2, keepdim=True).to(flat.dtype)
    scale = centred.abs().flatten(1).amax(1).clamp(min=torch.finfo(flat.dtype).tiny)
    unit = (centred / scale[:, None, None]).to(exact_dtype(image))
    deviation = unit.square().mean((1, 2)).sqrt() * scale
    return torch.where(constant, 0.0, deviation).cpu().numpy().astype(np.float64)
