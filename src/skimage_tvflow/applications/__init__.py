"""What the TV flow and its spectral decomposition are good for.

Each function is short: read it as a recipe, and change it for your own images.
"""

from skimage_tvflow.applications.denoise import denoise
from skimage_tvflow.applications.fusion import fuse
from skimage_tvflow.applications.noise import noise_level
from skimage_tvflow.applications.scales import select_scale
from skimage_tvflow.applications.texture import separate_texture

__all__ = ["denoise", "fuse", "noise_level", "select_scale", "separate_texture"]
