"""The protocol of the paper: which images, which times, which reference, which numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from skimage_tvflow.estimators.chambolle import ChambolleTVFlow

__all__ = [
    "N_FRAMES",
    "TIMES",
    "Likeness",
    "Reference",
    "compare",
    "model_driven",
    "to_gray_square",
]

# Fifty equal steps to T = 0.2, for images in [0, 1]. The paper calls that 1, as it multiplies
# values and times by five.
N_FRAMES, LAST = 50, 0.2
TIMES = np.linspace(LAST / N_FRAMES, LAST, N_FRAMES)
# Tolerances, in standard deviations of the image, of the reference and of the flow converged in
# time; far below the error of every method that is compared with them.
_TIGHT, _CONVERGED = 1e-5, 1e-4
_MOST_ITERATIONS = 100_000
# The weights of red, green and blue in Pillow's conversion to gray, ITU-R 601.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Reference:
    """
    What the methods are compared with, for one image.

    Attributes
    ----------
    image : ndarray of shape (size, size)
        In [0, 1].
    steps : ndarray of shape (N_FRAMES, size, size)
        Implicit Euler steps, solved tight: the model-driven flow of the paper.
    flow : ndarray of shape (N_FRAMES, size, size)
        The flow, converged in time, to `flow_error`.
    flow_error : float
        Estimated RMS error of `flow`.
    """

    image: np.ndarray
    steps: np.ndarray
    flow: np.ndarray
    flow_error: float

    @classmethod
    def of(cls, image: np.ndarray) -> Reference:  # numpydoc ignore=PR01,RT01
        """Compute both references of an image."""
        converged = ChambolleTVFlow(tol=_CONVERGED).solve(image, TIMES, certify=False)
        error = float(np.max(converged.error_estimate))
        return cls(image, model_driven(image), converged.u, error)


@dataclass(frozen=True)
class Likeness:
    """
    How like two flows are.

    Attributes
    ----------
    psnr : float
        Peak signal-to-noise ratio of all frames together, in dB, for values in [0, 1].
    ssim : float
        Structural similarity, the mean over the frames.
    """

    psnr: float
    ssim: float


def model_driven(image: np.ndarray) -> np.ndarray:
    """
    Compute the flow that the paper compares with.

    Parameters
    ----------
    image : ndarray of shape (size, size)
        In [0, 1].

    Returns
    -------
    ndarray of shape (N_FRAMES, size, size)
        Implicit Euler steps, solved tight.
    """
    euler = ChambolleTVFlow(n_steps=N_FRAMES, order=1, tol=_TIGHT, max_num_iter=_MOST_ITERATIONS)
    return euler.transform(image, TIMES)


def compare(u: np.ndarray, other: np.ndarray) -> Likeness:
    """
    Compare two flows of one image.

    Parameters
    ----------
    u, other : ndarray of shape (N_FRAMES, size, size)
        The flows.

    Returns
    -------
    Likeness
        By scikit-image.
    """
    if np.array_equal(u, other):
        return Likeness(float("inf"), 1.0)
    ssim = [structural_similarity(a, b, data_range=1.0) for a, b in zip(u, other, strict=True)]
    psnr = peak_signal_noise_ratio(np.asarray(other), np.asarray(u), data_range=1.0)
    return Likeness(float(psnr), float(np.mean(ssim)))


def to_gray_square(array: np.ndarray, size: int) -> np.ndarray:
    """
    Make the image that is evaluated of one of any size, gray or with colours.

    Parameters
    ----------
    array : ndarray of shape (H, W) or (H, W, 3)
        Integers, which are divided by the largest of their type, or floating-point values in
        [0, 1].
    size : int
        The largest square in the middle is taken, and resized to this side if it has another.

    Returns
    -------
    ndarray of shape (size, size), float64
        In [0, 1], in steps of 1/255 if the values have 8 bits, as Pillow's ``convert("L")`` rounds.

    Raises
    ------
    ValueError
        If it is no such image.
    """
    if array.ndim != 2 and (array.ndim != 3 or array.shape[-1] != 3):
        raise ValueError(
            f"An image of shape {array.shape} is no gray or colour image. Take 2-D images, with "
            "red, green and blue last if any."
        )
    if array.dtype == np.uint8:
        values = np.asarray(Image.fromarray(array).convert("L")) / 255
    else:
        scale = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
        values = array.astype(np.float64) / scale
        values = values @ _LUMA if array.ndim == 3 else values
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"Values from {values.min():.4g} to {values.max():.4g} are not in [0, 1], for which "
            "the times of the protocol are. Divide them by their largest first."
        )
    side = min(values.shape)
    top, left = ((n - side) // 2 for n in values.shape)
    square = values[top : top + side, left : left + side]
    if side == size:
        return square
    resized = Image.fromarray(square.astype(np.float32)).resize(
        (size, size), Image.Resampling.LANCZOS
    )
    # Lanczos overshoots at edges.
    return np.asarray(resized).astype(np.float64).clip(0, 1)
