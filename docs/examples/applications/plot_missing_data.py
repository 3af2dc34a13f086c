"""
Missing data
============

Detectors have dead pixels, and fields of view have frames. With ``mask``, True where the image is
data, the flow lives on those pixels alone: what lies outside has no influence, whatever its value,
and comes back unchanged.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow import tv_flow

image = skimage.util.img_as_float(skimage.data.camera())[::2, ::2]

# %%
# A twentieth of all pixels is dead, and so are three columns; a round field of view leaves the
# corners black.
random = np.random.default_rng(0)
y, x = np.indices(image.shape) - 127.5
valid = np.hypot(y, x) < 127
valid &= random.random(image.shape) > 0.05
valid[:, [60, 61, 160]] = False
damaged = np.where(valid, image, 0)
damaged[~valid & (np.hypot(y, x) < 127)] = 1

# %%
# Without the mask, dead pixels weigh as much as all others and spread over their neighbours.
t = 0.15
with_mask = tv_flow(damaged, t, mask=valid)
without = tv_flow(damaged, t)
intact = tv_flow(image, t, mask=np.hypot(y, x) < 127)

figure, axes = plt.subplots(
    2, 2, figsize=(7, 7.4), layout="constrained"
)
gray = plt.get_cmap("gray").with_extremes(bad="tab:blue")
shown = {
    "damaged": damaged,
    "flow with the mask, blue: no data": np.where(
        valid, with_mask, np.nan
    ),
    "flow without it": without,
    "flow of the intact image": intact,
}
for axis, (title, u) in zip(axes.flat, shown.items(), strict=True):
    axis.imshow(u[60:200, 40:180], cmap=gray, vmin=0, vmax=1)
    axis.set_title(title)
    axis.set_axis_off()
plt.show()

# %%
# How far each is from the flow of the intact image, on the pixels that are data.
for title, u in (("with the mask", with_mask), ("without it", without)):
    error = np.sqrt(np.mean((u - intact)[valid] ** 2))
    print(f"{title:14s} {error:.3f}")

# %%
# Outside the mask the input is unchanged.
print(bool(np.array_equal(with_mask[~valid], damaged[~valid])))
