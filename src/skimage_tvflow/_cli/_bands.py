"""The decomposition behind `spectrum` and `filter`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._check import Task, solver_of
from ._errors import library_errors
from ._options import FlowOptions
from ._progress import progress, watched

if TYPE_CHECKING:
    from skimage_tvflow import SpectralDecomposition


def decompose(task: Task, options: FlowOptions) -> SpectralDecomposition:
    """Take an image apart at the times of the options, and show how far it is."""
    from skimage_tvflow import spectral_decompose

    with progress(task.job.source.name) as show, library_errors(str(task.job.source)):
        flow = watched(solver_of(task, options), show)
        times = list(options.times) if options.times else options.n_times
        return spectral_decompose(task.image, times, flow=flow)
