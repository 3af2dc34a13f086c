from . import applications, baselines
from .baselines import RegularizedTVFlow
from .estimators.callbacks import StoppedByCallback
from .estimators.certify import CertifiedError, certify
from .estimators.chambolle import ChambolleTVFlow
from .estimators.functions import extinction_time, geometric_times, total_variation, tv_flow
from .estimators.joint import JointSpaceTimeTVFlow
from .estimators.net import TVFlowNet
from .estimators.result import Progress, TVFlowResult
from .plots import plot_bands, plot_scale_space, plot_spectrum
from .spectral.decompose import iter_bands, spectral_decompose
from .spectral.decomposition import SpectralBand, SpectralDecomposition
from .spectral.make_space import scale_space
from .spectral.scale_space import ScaleSpace, Spectrum

__version__: str

__all__ = [
    "CertifiedError",
    "ChambolleTVFlow",
    "JointSpaceTimeTVFlow",
    "Progress",
    "RegularizedTVFlow",
    "ScaleSpace",
    "SpectralBand",
    "SpectralDecomposition",
    "Spectrum",
    "StoppedByCallback",
    "TVFlowNet",
    "TVFlowResult",
    "applications",
    "baselines",
    "certify",
    "extinction_time",
    "geometric_times",
    "iter_bands",
    "plot_bands",
    "plot_scale_space",
    "plot_spectrum",
    "scale_space",
    "spectral_decompose",
    "total_variation",
    "tv_flow",
]
