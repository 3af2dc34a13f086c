"""
Fusion, band for band
=====================

A brick wall's texture in the place of the grass behind the photographer: only what vanishes
between two times of the flow is exchanged, so that outlines and shading stay. The flow also makes
the mask: late in it the meadow is one bright region.

What vanishes before t = 0.002, such as single pixels that differ by less than 0.007, is left. By t = 3 all
of the wall has vanished, and what of the meadow has not is its shape and shading, which stay.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow import ChambolleTVFlow, tv_flow
from skimage_tvflow.applications import fuse

image = skimage.util.img_as_float(skimage.data.camera())[::2, ::2]
wall = skimage.util.img_as_float(skimage.data.brick())[::2, ::2]

# The meadow below the horizon, with a soft edge.
meadow = (tv_flow(image, 0.3, tol=3e-3) > 0.4) & (
    np.indices(image.shape)[0] > 140
)
mask = np.clip(
    skimage.filters.gaussian(meadow.astype(float), 2) * 2 - 1, 0, 1
)
fused = fuse(
    image, wall, (0.002, 3.0), mask=mask, flow=ChambolleTVFlow(tol=3e-3)
)

# %%
figure, axes = plt.subplots(
    1, 3, figsize=(10, 3.6), layout="constrained"
)
for axis, title, shown in zip(
    axes,
    ("image", "other", "fused on the meadow"),
    (image, wall, fused),
    strict=True,
):
    axis.imshow(shown, cmap="gray", vmin=0, vmax=1)
    axis.set_title(title)
    axis.set_axis_off()
plt.show()
