"""
A volume with anisotropic voxels
================================

In most microscopes the distance between planes is larger than that between pixels. Pass it as
``spacing``, and a ball is a ball: it vanishes as a whole, at the time that its radius says. Without it
the flow sees flattened ellipsoids, which vanish sooner, and nothing is found at that time.
"""

import matplotlib.pyplot as plt
import numpy as np

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.applications import select_scale

# %%
# Balls of radius 6 and 3 micrometres, in planes that are 3 micrometres apart with pixels of 1.
spacing = (3.0, 1.0, 1.0)
z, y, x = np.indices((16, 56, 72)) * np.reshape(spacing, (3, 1, 1, 1))
volume = np.zeros(z.shape)
centres = [
    (15, 14, 16, 6),
    (27, 38, 18, 6),
    (18, 36, 50, 6),
    (30, 14, 48, 3),
    (12, 44, 34, 3),
]
for cz, cy, cx, radius in centres:
    volume[
        (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
    ] = 1
noisy = volume + 0.1 * np.random.default_rng(0).standard_normal(
    volume.shape
)

# %%
# A ball of radius R and contrast c in three dimensions vanishes at c R / 3. `select_scale` knows the
# rule; radius and spacing are in micrometres here, so times are in values times micrometres.
flow = ChambolleTVFlow(tol=1e-2, spacing=spacing)
large = select_scale(noisy, radius=6, contrast=1, width=1.5, flow=flow)
flattened = select_scale(
    noisy,
    radius=6,
    contrast=1,
    width=1.5,
    flow=ChambolleTVFlow(tol=1e-2),
)

figure, axes = plt.subplots(
    2, 3, figsize=(11, 5.6), layout="constrained"
)
shown = {
    "volume": noisy,
    "balls of 6 µm": large,
    "the same, spacing forgotten": flattened,
}
for column, (title, u) in enumerate(shown.items()):
    limits = (
        {"vmin": -0.3, "vmax": 1.2}
        if column == 0
        else {"vmin": -0.6, "vmax": 0.6}
    )
    axes[0, column].imshow(u.max(0), **limits)
    axes[0, column].set_title(title + ", from above")
    axes[1, column].imshow(u.max(1), aspect=spacing[0], **limits)
    axes[1, column].set_title("from the side")
for axis in axes.flat:
    axis.set_axis_off()
plt.show()
