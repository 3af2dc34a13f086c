"""
Structure and texture
=====================

A brick wall laid over discs, where texture is what vanishes before t = 0.3; and a photograph, split
at the time that is found by itself: only what is finer than about 1.6 pixels vanishes before it. The
bricks are wider, so their time must be given: it is above 0.23, the extinction time of the wall by
itself, and below the 0.4 x 34 / 2 = 6.8 at which the smaller disc vanishes.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow.applications import separate_texture

y, x = np.indices((192, 192))
discs = (
    0.2
    + 0.6 * (np.hypot(y - 60, x - 60) < 36)
    + 0.4 * (np.hypot(y - 130, x - 135) < 34)
)
wall = skimage.util.img_as_float(skimage.data.brick())[:192, :192]
synthetic = discs + 0.1 * (wall - wall.mean()) / np.ptp(wall)
photograph = skimage.util.img_as_float(skimage.data.camera())[::2, ::2]

# %%
figure, axes = plt.subplots(
    2, 3, figsize=(7, 4.9), layout="constrained"
)
for row, image, t in zip(
    axes, (synthetic, photograph), (0.3, None), strict=True
):
    structure, texture = separate_texture(image, t)
    spread = np.percentile(abs(texture), 99.5)
    row[0].imshow(
        image, cmap="gray", vmin=image.min(), vmax=image.max()
    )
    row[1].imshow(
        structure, cmap="gray", vmin=image.min(), vmax=image.max()
    )
    row[2].imshow(texture, cmap="gray", vmin=-spread, vmax=spread)
for axis, title in zip(
    axes[0], ("image", "structure", "texture"), strict=True
):
    axis.set_title(title)
for axis in axes.flat:
    axis.set_axis_off()
plt.show()
