"""What vanishes within a band of times, without holding the single bands."""

from __future__ import annotations

import numpy as np
import torch

from skimage_tvflow.core.operators import exact_dtype
from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.spectral.flow_bands import flow_bands

__all__ = ["band_pass"]

# Times that sample a band; the sharpness of its edges depends on them alone.
_N_TIMES = 9
# The first band of a decomposition holds all that vanishes before it: one just before is left out.
_JUST_BEFORE = 0.95


def band_pass(
    flow: BaseTVFlow, flow_input: FlowInput, band: tuple[float, ...], report: Report | None
) -> torch.Tensor:
    """
    Compute what vanishes between two times.

    Parameters
    ----------
    flow : estimator
        Which computes the flow.
    flow_input : FlowInput
        The image.
    band : (float, float)
        Two increasing times above 0.
    report : callable or None
        It is told the fraction of the work done.

    Returns
    -------
    Tensor of shape (N, C, *spatial)
        In float64 where the device has it.
    """
    first, last = band
    times = (_JUST_BEFORE * first, *np.geomspace(first, last, _N_TIMES).tolist())
    total = torch.zeros_like(flow_input.image, dtype=exact_dtype(flow_input.image))
    for part in flow_bands(flow, flow_input, times, report):
        if first <= part.time < last:
            total += part.image
    return total
