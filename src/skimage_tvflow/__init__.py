r"""Total variation flow of images: a scale space that keeps edges sharp.

The flow :math:`u_t \in -\partial J(u)` of the total variation J lets the structures of an image
vanish by size and contrast, and leaves the edges of the rest where they are.
"""

from skimage_tvflow._chambolle import ChambolleTVFlow
from skimage_tvflow._functions import extinction_time, geometric_times, total_variation, tv_flow
from skimage_tvflow._result import Progress, TVFlowResult

__version__ = "0.1.0"

__all__ = [
    "ChambolleTVFlow",
    "Progress",
    "TVFlowResult",
    "extinction_time",
    "geometric_times",
    "total_variation",
    "tv_flow",
]
