"""What all competitors share: images of deviation 1 go in, candidates for the flow come out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import Tags
from torch import Tensor

from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrate import Method
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.chambolle import ChambolleTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.learned.images import as_image_list, split_image, split_images


class CandidateTVFlow(BaseTVFlow):
    """Base class of methods that give images and nothing that bounds their error.

    A subclass computes the flow of an image without mean and of deviation 1, on a grid of spacing
    1. By the law :math:`F(c f, c t) = c F(f, t)` it then does so for every image.
    """

    _takes_complex = False
    # Axes of an image; a subclass says what it takes.
    _n_spatial: ClassVar[tuple[int, ...]] = (2,)

    @abstractmethod
    def _candidates(self, f: np.ndarray, times: np.ndarray, device: torch.device) -> np.ndarray:
        """The flow of f, float64 of deviation 1, at increasing times > 0; (T, *f.shape)."""

    def _check_input(self, image: Any, t: Any, mask: Any = None, weight: Any = None) -> FlowInput:
        flow_input = super()._check_input(image, t, mask, weight)
        self._check_axes(flow_input.axes.n_spatial)
        if len(set(flow_input.spacing)) > 1:
            raise ValueError(
                f"spacing={tuple(flow_input.spacing)} differs between axes, and "
                f"{type(self).__name__} is for grids of equal spacing. Resample the image, or use "
                "ChambolleTVFlow."
            )
        return flow_input

    def _check_axes(self, n_spatial: int) -> None:
        if n_spatial not in self._n_spatial:
            wanted = " or ".join(map(str, self._n_spatial))
            raise ValueError(
                f"The image has {n_spatial} spatial axes, and {type(self).__name__} takes images "
                f"of {wanted}. Pass channel_axis=-1 for colours, batch_axis=0 for a stack, or use "
                "ChambolleTVFlow."
            )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.coupled_channels:
            raise ValueError(
                f"coupled_channels=True got {type(self).__name__}, whose channels are separate "
                "images. Pass coupled_channels=False, or use ChambolleTVFlow."
            )

    def _method(self, flow_input: FlowInput) -> Method:
        return partial(_CandidateIntegrator, self)


class SupervisedTVFlow(CandidateTVFlow):
    """Base class of methods that learn from flows which the solver computed."""

    def _training_images(self, image: Any) -> list[np.ndarray]:
        """The separate images that `fit` was given, without mean and of deviation 1."""
        entries = as_image_list(image)
        if entries is None:
            separate = split_image(self._check_input(image, None).image)
        else:
            self._check_parameters()
            separate = split_images(
                entries,
                batch_axis=self.batch_axis,
                channel_axis=self.channel_axis,
                spacing=self.spacing,
            )
            self._check_axes(separate[0].ndim)
        images = [image / image.std() for image in separate if image.std() > 0]
        if not images:
            raise ValueError(
                "There is nothing to learn from: every image is constant. Pass at least one image "
                "with some structure."
            )
        return images

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags


class _CandidateIntegrator:
    """Item by item, all times at once, with no estimate; only the contrast bounds errors."""

    def __init__(
        self,
        method: CandidateTVFlow,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self._method, self._problem, self._report = method, problem, report
        if request.dual:
            raise ValueError(
                f"{type(method).__name__} has no dual variable. Pass return_dual=False; for a "
                "bound of its error call certify(image, u, None, times)."
            )
        self._with_bound = request.bound

    def frames(  # numpydoc ignore=PR01
        self, times: Sequence[float], out: Tensor | None = None
    ) -> Iterator[Frames]:
        """See :class:`~skimage_tvflow.core.integrate.Integrator`; all times come at once."""
        problem, n = self._problem, len(self._problem.u)
        own, found = solver_times(times, problem.unit), []
        for item in range(n):
            found.append(self._of_item(item, own[:, item]))
            if self._report is not None:
                self._report((item + 1) / n)
        shape = (n, len(times))
        yield Frames(
            times=times,
            u=problem.units.to_image(torch.stack(found)),
            error=np.where((problem.deviation == 0)[:, None], 0.0, np.full(shape, np.nan)),
            n_iter=np.zeros(n, np.int64),
            converged=np.ones(n, np.bool_),
            # The driver bounds it by the distance from the mean.
            bound=np.full(shape, np.inf) if self._with_bound else None,
        )

    def _of_item(self, item: int, times: np.ndarray) -> Tensor:
        u, deviation = self._problem.u[item], float(self._problem.deviation[item])
        if deviation == 0:
            return u[None].repeat(len(times), *[1] * u.ndim)
        f = u[0].double().cpu().numpy() / deviation
        candidates = self._method._candidates(f, times / deviation, u.device) * deviation
        return torch.from_numpy(np.ascontiguousarray(candidates)).to(u)[:, None]


def flows_of(images: Sequence[np.ndarray], times: np.ndarray) -> list[np.ndarray]:
    """
    Return what supervised methods learn: flows by the solver, at its default tolerance.

    Parameters
    ----------
    images : sequence of ndarray
        Of any sizes.
    times : ndarray of shape (T,)
        Increasing.

    Returns
    -------
    list of ndarray
        Each of shape (T, *image.shape).
    """
    solver = ChambolleTVFlow()
    return [solver.transform(image.astype(np.float64), times) for image in images]
