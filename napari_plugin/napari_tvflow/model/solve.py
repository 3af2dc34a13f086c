"""One image through the library: its flow at a time, or its scale space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_tvflow.model.jobs import Watch
from napari_tvflow.model.layer_check import check_values
from napari_tvflow.model.settings import EXACT
from napari_tvflow.model.task import Task

Report = Callable[[float], bool]


def solve_item(
    task: Task, image: np.ndarray, report: Report, mask: np.ndarray | None = None
) -> tuple[np.ndarray, float, float]:
    """
    Compute the flow of one image at the task's time.

    Parameters
    ----------
    task : Task
        What to compute.
    image : numpy.ndarray
        The image.
    report : callable
        Is told the fraction of the work done; returns True to stop.
    mask : numpy.ndarray of bool, optional
        Where the image is data, in its shape or without its channels.

    Returns
    -------
    u : numpy.ndarray
        The flow.
    error, bound : float
        Its estimated RMS error, and a rigorous bound; NaN where there is none.
    """
    settings = task.settings
    if settings.quality != EXACT:
        space = _space(task, image, report, t_max=task.t, refine=False, mask=mask)
        return space(task.t), float(np.max(space.error_estimate(task.t))), float("nan")
    solve = _estimator(task, image).solve
    result = solve(image, task.t, mask=mask, certify=True, callback=report)
    if not len(result.times):  # stopped, which the caller checks
        return image, float("nan"), float("nan")
    bound = float("nan") if result.error_bound is None else float(np.max(result.error_bound))
    return result.u[0], float(np.max(result.error_estimate)), bound


def space_of_item(task: Task, image: np.ndarray, report: Report, watch: Watch) -> Any:
    """
    Compute the scale space of one image.

    Parameters
    ----------
    task : Task
        What to compute.
    image : numpy.ndarray
        The image.
    report : callable
        Is told the fraction of the work done; returns True to stop.
    watch : Watch
        Tells whether it was stopped.

    Returns
    -------
    ScaleSpace
        A draft, or refined to the task's tolerance.
    """
    watch.check()
    if np.ptp(image) != 0:
        check_values(image, task.source.name)
    space = _space(task, image, report, refine=task.settings.quality == EXACT)
    watch.check()
    return space


def _space(task: Task, image: np.ndarray, report: Report, **values: Any) -> Any:
    from skimage_tvflow import scale_space

    device = None if task.settings.device == "cpu" else task.settings.device
    parameters = task.source.parameters()
    tol = task.settings.tol
    return scale_space(image, tol=tol, device=device, callback=report, **parameters, **values)


def _estimator(task: Task, image: np.ndarray) -> Any:
    import skimage_tvflow

    settings, parameters = task.settings, task.source.parameters()
    if settings.device != "cpu":
        parameters["device"] = settings.device
    if settings.method == "net":
        return skimage_tvflow.TVFlowNet.from_pretrained(
            f"natural-{task.source.n_spatial}d", **parameters
        )
    kinds = {
        "chambolle": skimage_tvflow.ChambolleTVFlow,
        "joint": skimage_tvflow.JointSpaceTimeTVFlow,
    }
    return kinds[settings.method](tol=settings.tol, **parameters)
