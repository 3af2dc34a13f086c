"""
Structures of one size and contrast
===================================

Coins of about one radius and contrast, and a cell: a disc of radius R and contrast c vanishes at
t = c R / 2, so its band, a threshold and `label` find it. Otsu's method finds the threshold, and
`remove_small_objects` takes off crumbs at the rims. Where objects differ in brightness, select in a
mask of them: :doc:`/quickstart` shows it.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow.applications import select_scale

coins = skimage.util.img_as_float(skimage.data.coins())
cell = skimage.util.img_as_float(skimage.data.cell())[::2, ::2]

# %%
figure, axes = plt.subplots(
    2, 3, figsize=(7, 4.8), layout="constrained"
)
cases = (
    (coins, {"radius": 24, "contrast": 0.3, "width": 3}),
    (
        cell,
        {"radius": 28, "contrast": 0.5, "width": 2},
    ),
)
for row, (image, scale) in zip(axes, cases, strict=True):
    kept = select_scale(image, **scale)
    bright = kept > skimage.filters.threshold_multiotsu(kept)[-1]
    labels = skimage.measure.label(
        skimage.morphology.remove_small_objects(bright, max_size=200)
    )
    spread = np.percentile(abs(kept), 99.5)
    row[0].imshow(image, cmap="gray")
    row[1].imshow(kept, cmap="gray", vmin=-spread, vmax=spread)
    row[1].set_title(f"R = {scale['radius']}, c = {scale['contrast']}")
    row[2].imshow(skimage.color.label2rgb(labels, image, bg_label=0))
    row[2].set_title(f"{len(np.unique(labels)) - 1} found")
axes[0, 0].set_title("image")
for axis in axes.flat:
    axis.set_axis_off()
plt.show()
