"""Methods that the TV flow is compared with."""

from skimage_tvflow.baselines.band_net import BandNetTVFlow
from skimage_tvflow.baselines.blade import BladeTVFlow
from skimage_tvflow.baselines.pinn import PINNTVFlow
from skimage_tvflow.baselines.regularized import RegularizedTVFlow

__all__ = ["BandNetTVFlow", "BladeTVFlow", "PINNTVFlow", "RegularizedTVFlow"]
