"""
The tables of the paper, in small
=================================

The paper that this library started from [1]_ compares its network with the flow by fifty implicit
Euler steps, for images in [0, 1] at fifty times up to t = 0.2 (in the paper 1, as it multiplies
values by five). This is the comparison on six images, at ten of the times; the page
:doc:`/paper` has it on a hundred, and ``skimage-tvflow evaluate FOLDER -o tables/`` makes it of your
own images.

.. [1] T. G. Grossmann, S. Dittmer, Y. Korolev, C.-B. Schönlieb, "Unsupervised Learning of the Total
   Variation Flow", arXiv:2206.04406 (2022).
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import skimage
from skimage.metrics import (
    peak_signal_noise_ratio,
    structural_similarity,
)

from skimage_tvflow import (
    ChambolleTVFlow,
    JointSpaceTimeTVFlow,
    RegularizedTVFlow,
    TVFlowNet,
)

names = ("camera", "coins", "brick", "moon", "page", "text")
photographs = [getattr(skimage.data, name)() for name in names]
images = [
    skimage.util.img_as_float(photograph)[90:186, 180:276]
    for photograph in photographs
]
times = np.linspace(0.02, 0.2, 10)
tight = ChambolleTVFlow(n_steps=50, order=1, tol=None, max_num_iter=400)
truth = [tight.transform(image, times) for image in images]

# %%
methods = {
    "the image itself": None,
    "network of the paper": TVFlowNet.from_pretrained("paper-2d"),
    "unrolled network": TVFlowNet.from_pretrained("natural-2d"),
    "regularised, eps = .01": RegularizedTVFlow(
        eps=1e-2, scheme="explicit"
    ),
    "joint, all times at once": JointSpaceTimeTVFlow(
        n_times=50, tol=3e-3
    ),
    "ChambolleTVFlow(tol=1e-3)": ChambolleTVFlow(tol=1e-3),
}
print(f"{'':28s}{'PSNR':>9s}{'SSIM':>9s}{'seconds':>9s}")
last = {}
for name, flow in methods.items():
    start = time.process_time()
    found = [
        np.stack([f] * 10) if flow is None else flow.transform(f, times)
        for f in images
    ]
    seconds = (time.process_time() - start) / len(images)
    psnr = np.mean(
        [
            peak_signal_noise_ratio(a, b, data_range=1)
            for a, b in zip(truth, found)
        ]
    )
    ssim = np.mean(
        [
            structural_similarity(a, b, data_range=1)
            for one, other in zip(truth, found)
            for a, b in zip(one, other)
        ]
    )
    last[name] = found[0][-1]
    print(f"{name:28s}{psnr:6.2f} dB{ssim:9.4f}{seconds:9.3f}")

# %%
# The last time of the first image. Below, ten times the difference from the truth.
figure, axes = plt.subplots(
    2, 6, figsize=(14, 5.2), layout="constrained"
)
for column, (name, u) in enumerate(last.items()):
    axes[0, column].imshow(u, vmin=0, vmax=1)
    axes[0, column].set_title(name, fontsize=10)
    axes[1, column].imshow(
        10 * (u - truth[0][-1]), cmap="RdBu", vmin=-1, vmax=1
    )
for axis in axes.flat:
    axis.set_axis_off()
axes[1, 0].set_title("10 x difference", fontsize=10)
plt.show()
