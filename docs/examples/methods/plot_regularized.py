"""
What a smoothed total variation loses
=====================================

With sqrt(Du² + eps²) in place of the length of Du the flow is a diffusion. A large eps blurs edges
and leaves no plateau flat; a small one comes near the flow, at the price of very short steps.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow import ChambolleTVFlow, RegularizedTVFlow

image = skimage.util.img_as_float(skimage.data.camera())
image = image[60:252:2, 130:322:2]
t, row = 1.0, 22

# %%
flow = ChambolleTVFlow(tol=1e-4).transform(image, t)
smoothed = {
    eps: RegularizedTVFlow(
        eps=eps, n_steps=100, max_num_iter=3
    ).transform(image, t)
    for eps in (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
}

# %%
figure, axes = plt.subplots(
    2, 3, figsize=(10, 6.6), layout="constrained"
)
shown = {
    "the flow": flow,
    "eps = 0.1": smoothed[0.1],
    "eps = 0.01": smoothed[0.01],
}
for axis, (title, u) in zip(axes[0], shown.items(), strict=True):
    axis.imshow(u, cmap="gray", vmin=0, vmax=1)
    axis.axhline(row, color="tab:orange", linewidth=0.8)
    axis.set_title(title)
    axis.set_axis_off()
axes[1, 0].imshow(
    smoothed[0.1] - flow, cmap="RdBu", vmin=-0.2, vmax=0.2
)
axes[1, 0].set_title("eps = 0.1 less the flow, ± 0.2")
axes[1, 0].set_axis_off()
for title, u in shown.items():
    axes[1, 1].plot(u[row], label=title)
axes[1, 1].set(title="along the line", xlabel="column", ylabel="value")
axes[1, 1].legend(loc="center", fontsize="small")
errors = [np.sqrt(np.mean((u - flow) ** 2)) for u in smoothed.values()]
axes[1, 2].loglog(list(smoothed), errors, "o-")
axes[1, 2].set(title="root mean square error", xlabel="eps")
axes[1, 2].grid(which="both", alpha=0.3)
plt.show()
