"""
Training your own network
=========================

`TVFlowNet` learns from images alone: no flow is computed for it. ``fit`` minimises the gap of Brezis
and Ekeland, which is 0 for the flow and for nothing else. A few seconds on one photograph are enough
to see it learn. For use, train on some hundred images for ten minutes, or begin with the shipped
weights, :meth:`~skimage_tvflow.TVFlowNet.from_pretrained`.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage
import torch

from skimage_tvflow import TVFlowNet, tv_flow

photograph = skimage.util.img_as_float32(skimage.data.astronaut())
gray = skimage.color.rgb2gray(photograph).astype(np.float32)
training = [
    gray[:256, :256],
    gray[256:, :256],
    gray[:256, 256:],
    gray[256:, 256:],
]

# %%
# Two epochs of a hundred updates on small patches. ``random_state`` makes the result repeatable.
settings = {"patch_size": 24, "n_steps": 10, "random_state": 0}
settings["train_batch_size"] = 2
net = TVFlowNet(max_epochs=2, **settings).fit(training)
untrained = TVFlowNet(max_epochs=0, **settings).fit(training)
shipped = TVFlowNet.from_pretrained("natural-2d", n_steps=10).fit(
    training
)
print(
    "gap on held out patches after every epoch:",
    np.round(net.validation_loss_curve_, 3),
)

# %%
# What the networks themselves say of an image that they have not seen. `transform` would hide much of
# the difference: it compares every step with as many iterations of the solver, and takes the better.
# So it works even with an untrained network, only not better than the solver does.
image = skimage.util.img_as_float32(skimage.data.camera())
image = image[90:218, 160:288]
t, n_steps = 0.2, 10
truth = tv_flow(image, t, tol=1e-4)


def answer(flow):
    """Return the image of the network alone after ten steps."""
    step = t / n_steps
    start = torch.from_numpy(image - image.mean())[None, None] / step
    with torch.no_grad():
        *_, last = flow.net_(flow.net_.start(start), n_steps)
    return (step * last.g)[0, 0].numpy() + image.mean()


shown = {
    "image": image,
    "untrained": answer(untrained),
    "after two epochs": answer(net),
    "shipped weights": answer(shipped),
}
figure, axes = plt.subplots(
    2, 4, figsize=(11, 5.6), layout="constrained"
)
for column, (title, u) in enumerate(shown.items()):
    error = np.sqrt(np.mean((u - truth) ** 2))
    axes[0, column].imshow(u, vmin=0, vmax=1)
    axes[0, column].set_title(
        f"{title}\nerror {error:.4f}", fontsize=10
    )
    axes[1, column].imshow(
        u - truth, cmap="RdBu", vmin=-0.02, vmax=0.02
    )
axes[1, 0].set_title("difference from the flow, ± 0.02", fontsize=10)
for axis in axes.flat:
    axis.set_axis_off()
plt.show()

# %%
# The bound of an answer says what it is worth, also for a network that has learned badly.
print(f"error at most {net.solve(image, t).error_bound[0]:.4f}")

# %%
# Keep the weights in one file, without any code in it, and use them later::
#
#     net.save_pretrained("mine.safetensors")
#     net = TVFlowNet.from_pretrained("mine.safetensors")
