"""
Choosing t by cross-validation
==============================

Every estimator of the flow is a scikit-learn transformer. So t can be a parameter of a pipeline, and
a grid search chooses the time that is best for the task at hand, here to tell handwritten digits apart
under strong noise.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skimage_tvflow import ChambolleTVFlow

# %%
# 900 images of 8 x 8 pixels in [0, 1], with noise of standard deviation .35. They come with
# scikit-learn as rows of 64 numbers; ``batch_axis=0`` makes independent images of them.
digits, labels = load_digits(return_X_y=True)
digits, labels = digits[:900] / 16, labels[:900]
noisy = digits + 0.35 * np.random.default_rng(0).standard_normal(digits.shape)

pipeline = make_pipeline(
    FunctionTransformer(np.reshape, kw_args={"shape": (-1, 8, 8)}),
    ChambolleTVFlow(tol=1e-2, batch_axis=0),
    FunctionTransformer(np.reshape, kw_args={"shape": (-1, 64)}),
    SVC(),
)
times = [0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0]
search = GridSearchCV(pipeline, {"chambolletvflow__t": times}, cv=5).fit(noisy, labels)
print("best:", search.best_params_, f"with {search.best_score_:.1%} right")

# %%
score = search.cv_results_["mean_test_score"]
spread = search.cv_results_["std_test_score"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained", width_ratios=(3, 2))
axes[0].errorbar(times, score, spread, marker="o", capsize=3)
axes[0].set(xscale="symlog", xlabel="t", ylabel="share of digits told right", title="Accuracy over t")
axes[0].set_xscale("symlog", linthresh=0.03)
axes[0].set_xlim(-0.005, 1.2)
axes[0].grid(alpha=0.3)
cleaned = ChambolleTVFlow(batch_axis=0).transform(
    noisy[:6].reshape(-1, 8, 8), search.best_params_["chambolletvflow__t"]
)
rows = [np.hstack(list(u)) for u in (digits[:6].reshape(-1, 8, 8), noisy[:6].reshape(-1, 8, 8), cleaned)]
axes[1].imshow(np.vstack(rows), vmin=0, vmax=1)
axes[1].set_title("clean, noisy, and at the best t")
axes[1].set_axis_off()
plt.show()
