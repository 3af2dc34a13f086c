r"""Total variation flow of images: a scale space that keeps edges sharp.

The flow :math:`u_t \in -\partial J(u)` of the total variation J lets the structures of an image
vanish by size and contrast, and leaves the edges of the rest where they are.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skimage_tvflow._certify import CertifiedError, certify
    from skimage_tvflow._chambolle import ChambolleTVFlow
    from skimage_tvflow._functions import (
        extinction_time,
        geometric_times,
        total_variation,
        tv_flow,
    )
    from skimage_tvflow._joint import JointSpaceTimeTVFlow
    from skimage_tvflow._net import TVFlowNet
    from skimage_tvflow._plots import plot_bands, plot_scale_space, plot_spectrum
    from skimage_tvflow._regularized import RegularizedTVFlow
    from skimage_tvflow._result import Progress, TVFlowResult
    from skimage_tvflow._spectral import (
        SpectralBand,
        SpectralDecomposition,
        iter_bands,
        spectral_decompose,
    )

__version__ = "0.1.0"

__all__ = [
    "CertifiedError",
    "ChambolleTVFlow",
    "JointSpaceTimeTVFlow",
    "Progress",
    "RegularizedTVFlow",
    "SpectralBand",
    "SpectralDecomposition",
    "TVFlowNet",
    "TVFlowResult",
    "certify",
    "extinction_time",
    "geometric_times",
    "iter_bands",
    "plot_bands",
    "plot_scale_space",
    "plot_spectrum",
    "spectral_decompose",
    "total_variation",
    "tv_flow",
]

_HOMES = {
    "CertifiedError": "_certify",
    "ChambolleTVFlow": "_chambolle",
    "JointSpaceTimeTVFlow": "_joint",
    "Progress": "_result",
    "RegularizedTVFlow": "_regularized",
    "SpectralBand": "_spectral",
    "SpectralDecomposition": "_spectral",
    "TVFlowNet": "_net",
    "TVFlowResult": "_result",
    "certify": "_certify",
    "extinction_time": "_functions",
    "geometric_times": "_functions",
    "iter_bands": "_spectral",
    "plot_bands": "_plots",
    "plot_scale_space": "_plots",
    "plot_spectrum": "_plots",
    "spectral_decompose": "_spectral",
    "total_variation": "_functions",
    "tv_flow": "_functions",
}


def __getattr__(name: str) -> Any:
    # The command line answers --help without the seconds that torch takes to load.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
