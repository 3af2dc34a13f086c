"""What the flow is compared with."""

from skimage_tvflow.baselines.regularized import RegularizedTVFlow

__all__ = ["RegularizedTVFlow"]
