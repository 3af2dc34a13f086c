"""A layer without its noise, for the menu."""

from __future__ import annotations

import numpy as np

from napari_tvflow.model.jobs import Watch
from napari_tvflow.model.layer_check import check_values
from napari_tvflow.model.place import kind_of_result, put
from napari_tvflow.model.run import Outcome
from napari_tvflow.model.task import Task


def remove_noise_of(task: Task, watch: Watch) -> Outcome:
    """
    Remove the noise of every image of a layer by `skimage_tvflow.applications.denoise`.

    Parameters
    ----------
    task : Task
        The layer and how to compute.
    watch : Watch
        Is told how far the work is, and whether to stop.

    Returns
    -------
    Outcome
        One layer.
    """
    watch.stage = "loading the solver"
    from skimage_tvflow import ChambolleTVFlow
    from skimage_tvflow.applications import denoise, noise_level

    source, keys = task.source, list(task.source.images())
    parameters = source.parameters()
    # The risk is found from a small change of the image, so the steps must not depend on the image.
    flow = ChambolleTVFlow(n_steps=64, order=1, tol=None, max_num_iter=8, **parameters)
    out, sigmas = np.empty(source.data.shape, np.float32), []
    for k, key in enumerate(keys):
        watch.stage = f"image {k + 1} of {len(keys)}"
        image = source.read(key)
        if k == 0:
            out = np.empty(source.data.shape, kind_of_result(task, image.dtype))
        if np.ptp(image) > 0 or len(keys) == 1:
            check_values(image, source.name)
            sigmas.append(noise_level(image, channel_axis=parameters.get("channel_axis")))
            report = watch.part(k / len(keys), (k + 1) / len(keys))
            image = denoise(image, sigmas[-1], flow=flow, callback=report)
        put(task, out, key, image)
        watch.check()
    sigma = max(sigmas, default=0.0)
    return Outcome([task.layer(out, "without noise", output="without noise", noise=sigma)])
