"""
A photograph at every scale
===========================

The flow is solved once. After that the image at any time t costs no more than reading two images:
:func:`~skimage_tvflow.scale_space` returns the flow as a function of t.

Small and faint structures vanish first: grass and film grain, then the face and the tripod, at last
the towers. The edges of everything that is still there stay where they were, and stay sharp. Blurring
by a Gaussian removes the same structures, and all edges with them.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow import scale_space

image = skimage.util.img_as_float32(skimage.data.camera())[::2, ::2]
space = scale_space(image, tol=5e-3)
print(
    f"{len(space.times)} frames, mean reached at t = {space.extinction_time:.1f}"
)

# %%
# The upper row is the flow. The lower row is the Gaussian blur that removes as much of the total
# variation, so both images of a column are equally "simple".
from skimage_tvflow import total_variation

times = (0.05, 0.3, 1.5, 6.0)
widths = np.geomspace(0.3, 60, 40)
blurred = [skimage.filters.gaussian(image, width) for width in widths]
variation = np.array([total_variation(u) for u in blurred])

figure, axes = plt.subplots(
    2, 5, figsize=(7, 3.4), layout="constrained"
)
for axis in axes.flat:
    axis.set_axis_off()
axes[0, 0].imshow(image, vmin=0, vmax=1)
axes[0, 0].set_title("image")
axes[1, 0].text(0.5, 0.5, "above: flow\n\nhere: blur", ha="center")
for column, t in enumerate(times, 1):
    u = space(t)
    axes[0, column].imshow(u, vmin=0, vmax=1)
    axes[0, column].set_title(f"t = {t:g}")
    k = np.argmin(abs(variation - total_variation(u)))
    axes[1, column].imshow(blurred[k], vmin=0, vmax=1)
    axes[1, column].set_title(f"{widths[k]:.1f} pixels")
plt.show()

# %%
# How much of the variation is left at each time. The curve is steep at first, as noise and texture
# make up much of the variation of a photograph, although the eye hardly sees them.
t = np.geomspace(0.01, space.extinction_time, 200)
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.semilogx(t, space.total_variation(t) / space.total_variation(0.0))
axis.set(
    xlabel="time t of the flow",
    ylabel="share of J(f)",
    title="Total variation along the flow",
)
axis.grid(alpha=0.3)
plt.show()
