"""The range of t, its logarithmic slider, and what a time means for the eye."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# The slider begins at this part of the extinction time. Noise of one pixel vanishes about there.
FIRST = 1e-4
# Positions of the slider; one step changes t by less than a per cent.
STEPS = 1000
# Where the slider stands for a new layer: late enough that a difference is seen.
START = 0.05
_SHORT_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "meter": "m"}


@dataclass(frozen=True)
class TimeScale:
    """
    Times from `FIRST` of the extinction time up to it, at equal steps of their logarithm.

    Attributes
    ----------
    extinction : float
        The time at which only the mean is left, above 0.
    """

    extinction: float

    @property
    def first(self) -> float:
        """The time of position 0."""
        return self.extinction * FIRST

    def time(self, position: float) -> float:
        """
        Convert a position of the slider.

        Parameters
        ----------
        position : float
            0 to `STEPS`.

        Returns
        -------
        float
            The time.
        """
        return self.extinction * FIRST ** (1 - position / STEPS)

    def position(self, t: float) -> float:
        """
        Convert a time.

        Parameters
        ----------
        t : float
            A time >= 0.

        Returns
        -------
        float
            The position, 0 to `STEPS`; times beyond the range are at its ends.
        """
        t = min(max(t, self.first), self.extinction)
        return STEPS * (1 - math.log(t / self.extinction) / math.log(FIRST))


def erased_radius(t: float, contrast: float, n_spatial: int) -> float:
    """
    Compute the largest disc or ball that has vanished.

    A disc of radius R loses contrast at the rate of its perimeter over its area, 2 / R, a ball at
    3 / R, so they vanish at t = c R / 2 and c R / 3.

    Parameters
    ----------
    t : float
        The time.
    contrast : float
        Contrast of the disc.
    n_spatial : int
        2 for discs, 3 for balls.

    Returns
    -------
    float
        The radius in pixels.
    """
    return n_spatial * t / contrast if contrast > 0 else math.inf


def radius_text(radius: float, pixel: float, unit: str) -> str:
    """
    Write a radius in pixels, and in the unit of the layer if it has one.

    Parameters
    ----------
    radius : float
        In pixels.
    pixel : float
        Size of a pixel.
    unit : str
        Its unit; "pixel" for none.

    Returns
    -------
    str
        Such as "12.3 px (3.2 µm)".
    """
    text = f"{number(radius)} px"
    if unit == "pixel":
        return text
    return f"{text} ({number(radius * pixel)} {_SHORT_UNITS.get(unit, unit)})"


def number(value: float) -> str:
    """
    Write a number with three digits.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        Without an exponent from .001 to 100000.
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "∞"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}" if 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def contrast_of(image: np.ndarray, channel_axis: int | None, coupled: bool) -> float:
    """
    Measure the contrast of an image: its 99th minus its first percentile.

    Parameters
    ----------
    image : numpy.ndarray
        The image.
    channel_axis : int or None
        Axis of its channels.
    coupled : bool
        Whether their edges are kept together; contrasts are then lengths of colour differences.

    Returns
    -------
    float
        The contrast; the range of the values if the percentiles are equal.
    """
    rows = image.reshape(1, -1)
    if channel_axis is not None:
        rows = np.moveaxis(image, channel_axis, 0).reshape(image.shape[channel_axis], -1)
    # A hundred thousand pixels say the percentiles well enough.
    rows = rows[:, :: max(1, rows.shape[1] // 100_000)]
    low, high = np.percentile(rows, [1, 99], axis=1)
    spread = np.where(high > low, high - low, np.ptp(rows, axis=1))
    return float(np.sqrt(np.sum(spread**2)) if coupled else spread.max())
