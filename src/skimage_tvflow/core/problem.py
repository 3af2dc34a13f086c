"""A batch of independent flows in the units that the solvers work in."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.decay_rate import decay_rate
from skimage_tvflow.core.domain import Domain
from skimage_tvflow.core.operators import exact_dtype, rms
from skimage_tvflow.core.scaling import Units

# In the solver's units every image of less than 1e17 pixels is constant by this time: N pixels
# whose values are below 2 and whose spacing is at most h <= 1e12 reach their mean by 2 N h, because
# J(u) >= |u| / (sqrt(N) h) and d|u|/dt = -J(u) / |u|.
_LONGEST = 1e30


@dataclass(frozen=True)
class Problem:
    r"""Images without their means, scaled by a power of two, on a grid whose finest spacing is 1.

    The laws :math:`F_h(c f + a, |c| t) = c F_h(f, t) + a` and
    :math:`F_h(f, t) = F_{h / \eta}(f, t / \eta)` bring any image there and back without a rounding
    error: an offset of 4096 would cost float32 three digits, values of 1e30 its range. The mean is
    rounded to the precision of the image before it is taken off, so that it is put back exactly.

    Attributes
    ----------
    u : Tensor of shape (N, C, *spatial)
        The largest value is in [1, 2), unless all values of the image are subnormal numbers; 0 for
        a constant image, and only for one.
    units : Units
        The way back to the values of the image.
    spacing : tuple of float
        One per spatial axis, the smallest is 1.
    unit : array of shape (N,)
        The time t of the caller is ``t * unit`` here; `solver_times` computes it without overflow.
    deviation : array of shape (N,)
        Standard deviation of every item of ``u``.
    rounding : array of shape (N,)
        Upper bound of the RMS distance between ``u`` and the image in these units.
    domain : Domain or None, the limits of phi; None for length 1 on the whole grid

    Notes
    -----
    What the rounding of the mean leaves in ``u`` is as large as the contrast itself where that is
    a few units in the last place. :meth:`centred` takes it off.
    """

    u: Tensor
    units: Units
    spacing: tuple[float, ...]
    unit: np.ndarray
    deviation: np.ndarray
    rounding: np.ndarray
    domain: Domain | None = None

    @classmethod
    def of(
        cls,
        image: Tensor,
        spacing: Sequence[float],
        domain: Domain | None = None,
        strength: np.ndarray | float = 1.0,
    ) -> Problem:
        """Pose the problem of ``image``, shape (N, C, *spatial).

        On a ``domain`` the image must have mean 0 on every piece of it, up to its own rounding,
        and be 0 elsewhere. The limits of phi are in units of ``strength``, one number or N.
        """
        scaled = backends.centre_and_scale(image)
        finest = min(spacing)
        # Every value of u is off by at most half a unit in its last place, or in that of the
        # smallest normal number.
        finfo = torch.finfo(image.dtype)
        with np.errstate(over="ignore"):
            unit = strength / scaled.scale / finest
        rounding = np.where(scaled.deviation > 0, scaled.deviation + finfo.tiny, 0) * finfo.eps
        return cls(
            u=scaled.u,
            units=Units(scaled.mean, scaled.scale),
            spacing=tuple(h / finest for h in spacing),
            unit=unit,
            deviation=scaled.deviation,
            rounding=rounding if domain is None else 3 * rounding,
            domain=domain and domain.rescaled(finest),
        )

    @property
    def decay_rate(self) -> float:
        """How much of its RMS distance from the mean every item loses at least per unit of time."""
        pixels = self.u[0].numel()
        if self.domain is None:
            return decay_rate(self.spacing, tuple(self.u.shape[2:])) / math.sqrt(pixels)
        return float(self.domain.rate.min()) / math.sqrt(pixels)

    def centred(self) -> Problem:
        """Return the problem of ``u`` without the means that rounding has left in it.

        For what is asked of the structures alone: the way back to the image leads to values that
        lack these means.
        """
        exact = self.u.to(exact_dtype(self.u))
        exact = exact - exact.mean(tuple(range(2, exact.ndim)), keepdim=True)
        deviation = rms(exact).cpu().numpy()
        return dataclasses.replace(self, u=exact.to(self.u.dtype), deviation=deviation)


def solver_times(times: Sequence[float] | np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Convert times of the caller to those of a problem with ``unit``, shape (T, N).

    They end at 1e30, when every item has long been constant: ``1e308 * unit`` is no number.
    """
    given = np.asarray(times, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        own = np.multiply.outer(given, unit)
    # A time above 0 stays above it where the product underflows.
    own = np.clip(own, np.finfo(np.float64).tiny, _LONGEST)
    own[given == 0] = 0  # also where the unit is infinite
    return own
