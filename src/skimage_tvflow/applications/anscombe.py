"""Counts of photons or electrons, whose noise grows with them, and the values where it does not."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def stabilize(counts: Tensor) -> Tensor:
    r"""
    Make the noise of counts white: :math:`2 \sqrt{x + 3/8}` has a variance of about 1.

    Parameters
    ----------
    counts : torch.Tensor
        Counts, >= 0.

    Returns
    -------
    torch.Tensor
        The stabilised values.
    """
    return (counts + 3 / 8).sqrt_().mul_(2)


def counts_from(values: Tensor) -> Tensor:
    r"""
    Return to counts without a bias.

    The expected value is that of the counts, not the inverse of :func:`stabilize`, in the closed
    form of M. Makitalo and A. Foi, "A closed-form approximation of the exact unbiased inverse of
    the Anscombe variance-stabilizing transformation", IEEE Trans. Image Processing 20 (2011) 2697.

    Parameters
    ----------
    values : torch.Tensor
        Stabilised values.

    Returns
    -------
    torch.Tensor
        Counts.
    """
    d = values.clamp(min=2 * math.sqrt(3 / 8))
    root = math.sqrt(1.5)
    inverse = 1 / d
    series = root / 4 * inverse - 11 / 8 * inverse**2 + 5 / 8 * root * inverse**3
    return torch.clamp(d * d / 4 + series - 1 / 8, min=0)
