r"""
Flows that are known exactly
============================

Some flows can be written down. They explain what t means, and they test the solver.

A **signal** moves at its local extrema only: an extremum that is w samples wide moves towards its
neighbours at the speed 2 / w until it meets one and becomes as wide as both together. A region at an
end of the signal moves at 1 / w. Regions on a slope do not move.

A **disc** of radius R and contrast c sinks into its background at the speed 2 / R and vanishes at
:math:`t = c R / 2`. The finite area A of the image makes it a little faster:
:math:`t = \frac{c R}{2} (1 - \pi R^2 / A)`.
"""

import matplotlib.pyplot as plt
import numpy as np

from skimage_tvflow import ChambolleTVFlow, extinction_time, tv_flow

# %%
# A signal
# --------
# The peak in the middle is four samples wide and 1 high, so it sinks at 2 / 4 and meets its neighbour,
# which is .5 below, at t = 1. The two are then twelve samples wide and sink at 2 / 12.
signal = np.repeat([0.0, 0.5, 1.0, 0.0], [10, 8, 4, 10])
times = np.array([0.0, 0.5, 1.0, 2.5])
frames = tv_flow(signal, times, tol=1e-6)
print("height of the peak:", frames[:, 20].round(3))
print("as it should be:   ", [1.0, 0.75, 0.5, 0.25])

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for t, u in zip(times, frames, strict=True):
    axis.step(
        np.arange(signal.size), u, where="mid", label=f"t = {t:g}"
    )
axis.set(xlabel="sample", ylabel="value", title="Flow of a signal")
axis.legend()
plt.show()

# %%
# Discs
# -----
# One disc for each radius, with the contrast 1. On the grid a disc is a set of squares, and forward
# differences are not quite the same in all directions: discs vanish some per cent sooner.
n = 64
y, x = np.indices((n, n)) - (n - 1) / 2
radii = np.arange(4, 23, 2)
measured, expected = [], []
for radius in radii:
    disc = (np.hypot(y, x) <= radius).astype(float)
    measured.append(extinction_time(disc, rtol=1e-3))
    expected.append(radius / 2 * (1 - disc.mean()))

figure, axes = plt.subplots(
    1, 2, figsize=(10, 3.4), layout="constrained"
)
axes[0].plot(
    radii, radii / 2, "k:", label="R / 2, in the infinite plane"
)
axes[0].plot(
    radii, expected, "k-", label="R / 2 less the share of its area"
)
axes[0].plot(radii, measured, "o", color="tab:orange", label="computed")
axes[0].set(
    xlabel="radius R",
    ylabel="t",
    title="When a disc of contrast 1 vanishes",
)
axes[0].legend()

disc = (np.hypot(y, x) <= 16).astype(float)
t = np.linspace(0, 8, 9)
frames = ChambolleTVFlow(tol=1e-4).transform(disc, t)
inside = np.hypot(y, x) <= 10
height = [u[inside].mean() - u[0, 0] for u in frames]
axes[1].plot(t, height, "o", color="tab:orange", label="computed")
speed = 2 / 16 / (1 - disc.mean())
axes[1].plot(t, np.maximum(0, 1 - speed * t), "k-", label="expected")
axes[1].set(
    xlabel="t",
    ylabel="contrast",
    title="The contrast of a disc of radius 16",
)
axes[1].legend()
plt.show()

print(
    "largest deviation:",
    f"{max(abs(np.array(measured) / expected - 1)):.1%}",
)
