"""
The spectrum of an image
========================

What vanishes at which time of the TV flow: coins against their background, and the bands that the
peaks of the spectrum are made of.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import skimage

from skimage_tvflow import ChambolleTVFlow, spectral_decompose

image = skimage.util.img_as_float32(skimage.data.coins())[:170, :230]
parts = spectral_decompose(image, 40, flow=ChambolleTVFlow(tol=3e-3))

# %%
# Neighbouring bands, merged into four, and what is left of them in the image.
edges = [0, 0.05, 1.4, 4, np.inf]
figure, axes = plt.subplot_mosaic(
    "SSSSS;IABCD", figsize=(7.5, 4.6), layout="constrained"
)
axes["S"].semilogx(
    parts.times, parts.spectrum * parts.times, color="0.2"
)
axes["S"].set(
    xlabel="time t of the flow",
    ylabel="L1 norm per octave",
    title="Spectrum of coins",
)
axes["I"].imshow(image, cmap="gray")
axes["I"].set_title("image")
for name, (t1, t2) in zip(
    "ABCD", itertools.pairwise(edges), strict=True
):
    band = parts.band_pass(t1, t2)
    spread = np.percentile(abs(band), 99)
    axes[name].imshow(band, cmap="gray", vmin=-spread, vmax=spread)
    axes[name].set_title(
        f"{t1:g} ≤ t < {t2:g}" if np.isfinite(t2) else f"t ≥ {t1:g}"
    )
    axes["S"].axvline(max(t1, parts.times[0]), color="tab:red", lw=0.8)
for name in "IABCD":
    axes[name].set_axis_off()
plt.show()
