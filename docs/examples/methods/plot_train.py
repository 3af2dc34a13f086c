"""
Training your own network
=========================

`TVFlowNet` learns from images alone: no flow is computed for it. ``fit`` minimises the gap of Brezis
and Ekeland, which is 0 for the flow and for nothing else. A few epochs on a single photograph are
enough to see it learn; for use, train on some hundred images for ten minutes, or begin with
:meth:`~skimage_tvflow.TVFlowNet.from_pretrained`.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow import TVFlowNet, tv_flow

photograph = skimage.util.img_as_float32(skimage.data.astronaut())
gray = skimage.color.rgb2gray(photograph)
training = [gray[:256, :256], gray[256:, :256], gray[:256, 256:], gray[256:, 256:]]

# %%
# Twelve epochs of at most a hundred updates. ``random_state`` makes the result repeatable.
net = TVFlowNet(max_epochs=4, patch_size=32, n_steps=10, random_state=0).fit(training)
print(f"{net.n_iter_} epochs, loss {net.loss_curve_[0]:.4f} -> {net.loss_curve_[-1]:.4f}")

# %%
# On an image that it has not seen, beside the shipped weights and a network that has learned nothing.
image = skimage.util.img_as_float32(skimage.data.camera())[90:218, 160:288]
t = np.array([0.2])
truth = tv_flow(image, t, tol=1e-4)[0]
untrained = TVFlowNet(max_epochs=0, n_steps=10, random_state=0).fit(training)
shown = {
    "image": image,
    "untrained": untrained.transform(image, t)[0],
    "after a few seconds": net.transform(image, t)[0],
    "shipped": TVFlowNet.from_pretrained("natural-2d", n_steps=10).transform(image, t)[0],
}
figure, axes = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
for column, (title, u) in enumerate(shown.items()):
    error = np.sqrt(np.mean((u - truth) ** 2))
    axes[0, column].imshow(u, vmin=0, vmax=1)
    axes[0, column].set_title(f"{title}\nerror {error:.1e}", fontsize=10)
    axes[1, column].imshow(u - truth, cmap="RdBu", vmin=-0.02, vmax=0.02)
axes[1, 0].set_title("difference from the flow, ± 0.02", fontsize=10)
for axis in axes.flat:
    axis.set_axis_off()
plt.show()

# %%
# Keep the weights: one file without any code in it. ``error_bound`` says what an answer is worth, also
# for a network that learned badly.
result = net.solve(image, t)
print(f"error at most {result.error_bound[0]:.4f}")
# net.save_pretrained("mine.safetensors"), later TVFlowNet.from_pretrained("mine.safetensors")
