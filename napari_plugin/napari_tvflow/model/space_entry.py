"""The scale space of one visible image, while it is made and afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_tvflow.model.first_look import FirstLook, first_look
from napari_tvflow.model.jobs import Cancelled, Job
from napari_tvflow.model.layer_check import check_values
from napari_tvflow.model.settings import EXACT, FlowSettings
from napari_tvflow.model.source import Source
from napari_tvflow.model.time_scale import contrast_of

# An eye sees no error below this part of the deviation, so the preview is not refined further.
FINEST_PREVIEW = 5e-3
# Part of the work that the draft takes.
DRAFT_SHARE = 0.15


@dataclass(eq=False)
class SpaceEntry:
    """
    A scale space and what the docks show of it. A worker fills it in, the main thread reads.

    Attributes
    ----------
    source : Source
        The layer as it was.
    key : tuple of int
        Which of its separate images.
    settings : FlowSettings
        How to compute.
    space : ScaleSpace, FirstLook or None
        The flow, as soon as there is a draft, or of a large image a first look.
    image : numpy.ndarray or None
        The image itself.
    spectrum : tuple of two numpy.ndarray, or None
        Times, and t S(t) at these times.
    contrast : float
        The contrast of the image.
    sigma : float
        The strength of its noise.
    drafted_until : float
        The extinction time, up to which there is a draft at least; 0 before.
    job : Job or None
        What works on it, or has.
    """

    source: Source
    key: tuple[int, ...]
    settings: FlowSettings
    space: Any = None
    image: np.ndarray | None = None
    spectrum: tuple[np.ndarray, np.ndarray] | None = None
    contrast: float = 0.0
    sigma: float = 0.0
    drafted_until: float = 0.0
    job: Job | None = field(default=None, repr=False)

    @property
    def is_working(self) -> bool:
        """Whether a worker is improving it."""
        return self.job is not None and not self.job.has_ended

    @property
    def has_draft(self) -> bool:
        """Whether there is more than a first look."""
        return self.space is not None and not isinstance(self.space, FirstLook)

    @property
    def error(self) -> Exception | None:
        """What was wrong with the image, as NaN."""
        return None if self.job is None else self.job.error

    @property
    def stage(self) -> str:
        """What the worker is doing, for the user; nothing if there is none."""
        return self.job.stage if self.job is not None and not self.job.has_ended else ""

    @property
    def is_finished(self) -> bool:
        """Whether it is as good as the settings ask for."""
        wanted = self.settings.quality == EXACT
        return self.spectrum is not None and (self.space.is_refined or not wanted)

    @property
    def refined_until(self) -> float:
        """Up to this time the frames are solved to the tolerance."""
        return 0.0 if self.space is None else float(self.space.refined_until)

    @property
    def state(self) -> tuple[Any, ...]:
        """Changes whenever there is something new to show."""
        job = self.job
        seen = (job.stage, round(job.fraction, 2), job.error, job.has_ended) if job else ()
        return (id(self.space), self.refined_until, id(self.spectrum), *seen)

    def work(self, job: Job) -> None:
        """
        Make the space, or go on where an earlier worker was stopped.

        Parameters
        ----------
        job : Job
            Is told how far the work is, and whether to stop.
        """
        if not self.has_draft:
            job.stage = "loading the solver"
            from skimage_tvflow import scale_space

            job.stage = "draft"
            image, parameters = self.source.read(self.key), self.source.parameters()
            check_values(image, self.source.name)
            channels = parameters.get("channel_axis")
            self.contrast = contrast_of(image, channels, self.source.coupled)
            self.image = image
            look = first_look(image, parameters, job.part(0, 0))
            if look is not None:
                self.drafted_until, self.space = float(look.times[-1]), look
            space = scale_space(
                image,
                tol=max(self.settings.tol, FINEST_PREVIEW),
                device=_device(self.settings.device),
                refine=False,
                callback=job.part(0, DRAFT_SHARE),
                **parameters,
            )
            # While a space is refined its last knot is for a time beyond extinction.
            self.drafted_until, self.space = float(space.times[-1]), space
        if self.spectrum is None:
            from skimage_tvflow.applications import noise_level

            job.check()
            self.spectrum = log_spectrum(self.space)
            job.check()
            self.sigma = noise_level(self.image, channel_axis=self.space_channel_axis)
        if self.settings.quality == EXACT and not self.space.is_refined:
            job.stage = "refining"
            self.space.refine(callback=job.part(DRAFT_SHARE, 1.0))
            if job.is_cancelled:
                raise Cancelled
            self.drafted_until = float(self.space.times[-1])
            self.spectrum = log_spectrum(self.space)
        job.stage = ""

    @property
    def space_channel_axis(self) -> int | None:
        """Axis of the channels in the image."""
        return self.source.parameters().get("channel_axis")


def log_spectrum(space: Any) -> tuple[np.ndarray, np.ndarray]:
    """
    Compute t S(t), whose area over log t is the L1 norm of what vanishes.

    Parameters
    ----------
    space : ScaleSpace
        The flow.

    Returns
    -------
    times, heights : numpy.ndarray
        Increasing times, and t S(t).
    """
    # Between knots the flow is linear and has no spectrum: finer bins would be empty.
    knots = space.times[1:]
    found = space.spectrum(np.append(knots, 1.1 * knots[-1]))
    return found.times, found.times * found.l1


def _device(name: str) -> str | None:
    """The library's own default costs nothing where the image is in memory already."""
    return None if name == "cpu" else name
