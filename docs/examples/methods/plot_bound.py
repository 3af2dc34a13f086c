"""
The bound against the error
===========================

How far is a computed flow from the exact one? Nobody has the exact one, but its distance can be
bounded without it: `solve` returns ``error_bound``, which holds for every image and whatever the
solver did, rounding included. It also returns ``error_estimate``, which is nearer to the truth and
guarantees nothing.

Here both are set beside the true error, measured against a solution that is a hundred times finer.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow import ChambolleTVFlow, TVFlowNet, certify, tv_flow

image = skimage.util.img_as_float(skimage.data.camera())
image = image[90:186, 180:276]
times = np.geomspace(0.02, 2.0, 9)
truth = tv_flow(image, times, tol=2e-5)


def error(u):
    """Return the root mean square distance from the truth at each time."""
    return np.sqrt(np.mean((u - truth) ** 2, axis=(1, 2)))


# %%
# The solver at its default tolerance, 1e-3 of the standard deviation of the image, and the network.
result = ChambolleTVFlow(tol=1e-3).solve(image, times, return_dual=True)
net = TVFlowNet.from_pretrained("natural-2d").solve(image, times)
closer = certify(image, result.u, None, times, effort=20).error_bound

# %%
# `certify` with more effort follows the flow by many short steps and so finds a bound that is nearer
# to the error. The shaded region would be a broken promise.
figure, axes = plt.subplots(
    1, 2, figsize=(11, 4), layout="constrained", sharey=True
)
for axis, title, r in zip(
    axes,
    ("ChambolleTVFlow(tol=1e-3)", "TVFlowNet"),
    (result, net),
    strict=True,
):
    axis.fill_between(
        times, 1e-9, error(r.u), color="tab:red", alpha=0.12
    )
    axis.loglog(
        times, error(r.u), "o-", color="tab:red", label="true error"
    )
    axis.loglog(
        times, r.error_bound, "s-", color="0.2", label="error_bound"
    )
    axis.set(title=title, xlabel="t", ylim=(1e-5, 1e-1))
    axis.grid(which="both", alpha=0.2)
axes[0].loglog(
    times,
    result.error_estimate,
    ":",
    color="0.2",
    label="error_estimate",
)
axes[0].loglog(
    times,
    closer,
    "^-",
    color="tab:blue",
    label="certify(..., effort=20)",
)
axes[0].axhline(
    1e-3 * image.std(),
    color="tab:green",
    linewidth=0.8,
    label="tol x standard deviation",
)
axes[0].set_ylabel("root mean square, in values of the image")
for axis in axes:
    axis.legend(fontsize="small")
plt.show()

print(
    "the bound holds:",
    bool(np.all(error(result.u) <= result.error_bound)),
)
