"""
Choosing t by cross-validation
==============================

Every estimator of the flow is a scikit-learn transformer. So t can be a parameter of a pipeline, and
a grid search chooses the time that is best for the task at hand: here to tell discs, squares and
triangles apart under strong noise.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skimage_tvflow import ChambolleTVFlow

# %%
# 240 images of 24 x 24 pixels: a bright shape, moved a little at random, and noise that is as strong as
# the shape is bright.
random = np.random.default_rng(0)
kinds = random.integers(0, 3, 240)
y, x = np.indices((24, 24)) - 11.5
clean = np.empty((240, 24, 24))
for image, kind in zip(clean, kinds, strict=True):
    v, h = y - random.uniform(-2, 2), x - random.uniform(-2, 2)
    disc, square = np.hypot(v, h) < 8, np.maximum(abs(v), abs(h)) < 7.1
    triangle = (v < 7) & (abs(h) < (v + 10) * 0.6)
    image[:] = (disc, square, triangle)[kind]
noisy = clean + random.standard_normal(clean.shape)

# %%
# ``batch_axis=0`` makes every image a problem of its own. A fixed scheme of few steps is enough here.
pipeline = make_pipeline(
    ChambolleTVFlow(
        batch_axis=0, n_steps=4, order=1, tol=None, max_num_iter=20
    ),
    FunctionTransformer(np.reshape, kw_args={"shape": (-1, 24 * 24)}),
    SVC(),
)
times = [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
search = GridSearchCV(
    pipeline, {"chambolletvflow__t": times}, cv=5
).fit(noisy, kinds)
best = search.best_params_["chambolletvflow__t"]
print(
    f"without the flow: {search.cv_results_['mean_test_score'][0]:.0%} right"
)
print(f"at t = {best:g}: {search.best_score_:.0%} right")

# %%
score = search.cv_results_["mean_test_score"]
spread = search.cv_results_["std_test_score"]
figure, axes = plt.subplots(
    1, 2, figsize=(10, 3.6), layout="constrained"
)
axes[0].errorbar(times, score, spread, marker="o", capsize=3)
axes[0].set_xscale("symlog", linthresh=0.1)
axes[0].set_xticks(times, [f"{t:g}" for t in times])
axes[0].set(
    xlabel="t",
    ylabel="share of shapes told right",
    title="Accuracy over t",
)
axes[0].grid(alpha=0.3)
cleaned = pipeline[0].set_params(t=best).transform(noisy[:4])
axes[1].imshow(
    np.vstack(
        [np.hstack(list(u)) for u in (clean[:4], noisy[:4], cleaned)]
    )
)
axes[1].set_title("clean, noisy, and at the best t")
axes[1].set_axis_off()
plt.show()
