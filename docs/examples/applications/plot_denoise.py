"""
Denoising, beside scikit-image
==============================

:func:`~skimage_tvflow.applications.denoise` needs no parameter: it finds the strength of the noise in
the image and takes out of every band what the noise has put there. Here it is set beside the
functions of scikit-image, each with the parameter that is best for this very image, which only
somebody who has the clean image can know.

Total variation likes flat regions with sharp edges. For fine repeating textures non-local means can be
stronger; here, with the best of two parameters, it is about as good.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio as psnr
from skimage.restoration import (
    denoise_bilateral,
    denoise_nl_means,
    denoise_tv_chambolle,
    denoise_wavelet,
)

from skimage_tvflow.applications import denoise, noise_level

clean = skimage.util.img_as_float(skimage.data.camera())
clean = clean[100:300, 120:320]
sigma = 0.1
noisy = clean + sigma * np.random.default_rng(0).standard_normal(
    clean.shape
)
print(f"noise: {noise_level(noisy):.3f} is found, {sigma} was added")

# %%
# The best of several parameters for the others, by the clean image.
tried = {
    "denoise, no parameter": [lambda: denoise(noisy)],
    "total variation (ROF)": [
        lambda w=w: denoise_tv_chambolle(noisy, weight=w)
        for w in (0.06, 0.08, 0.1, 0.13)
    ],
    "bilateral": [
        lambda s=s: denoise_bilateral(
            noisy.clip(0, 1), sigma_color=s, sigma_spatial=2
        )
        for s in (0.2, 0.3)
    ],
    "wavelets": [
        lambda: denoise_wavelet(noisy, sigma=sigma, rescale_sigma=False)
    ],
    "non-local means": [
        lambda h=h: denoise_nl_means(
            noisy, h=h * sigma, sigma=sigma, patch_size=5
        )
        for h in (0.6, 0.8)
    ],
}
results, seconds = {}, {}
for name, runs in tried.items():
    start = time.perf_counter()
    results[name] = max(
        (run() for run in runs),
        key=lambda u: psnr(clean, u, data_range=1),
    )
    seconds[name] = (time.perf_counter() - start) / len(runs)

for name, u in results.items():
    print(
        f"{name:26s}{psnr(clean, u, data_range=1):6.2f} dB {seconds[name]:6.2f} s"
    )

# %%
figure, axes = plt.subplots(
    2, 3, figsize=(7, 4.7), layout="constrained"
)
for axis, (name, u) in zip(
    axes.flat, {"noisy": noisy, **results}.items(), strict=True
):
    axis.imshow(u[30:150, 40:190], vmin=0, vmax=1)
    axis.set_title(f"{name}\n{psnr(clean, u, data_range=1):.1f} dB")
    axis.set_axis_off()
plt.show()
