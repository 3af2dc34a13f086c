r"""The flow by a network of :mod:`.networks.semi_resnet`: any time by one evaluation.

The network was trained for images and times in the units of the paper, where images have a contrast
of about five and times end at one. An image is brought there by a factor,

.. math:: u(f, t) = u(s f, s t) / s ,

and later times are reached by the semigroup law, :math:`u(f, T + t) = u(u(f, T), t)`, in windows.

The answers are linked to a trajectory that is linear between them, with the mean of the projected
dual variables of its two ends as dual variable. Nothing makes one move by the divergence of the
other, so the bound is charged for the difference, and for a start that is not the image.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from skimage_tvflow.core.decay_rate import decay_rate
from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.networks.operators import project
from skimage_tvflow.core.networks.semi_resnet import SemiResNet
from skimage_tvflow.core.operators import distance, rms
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.progress import Report
from skimage_tvflow.core.recorder import SampledTrajectory, stack_samples

# The paper multiplies images in [0, 1] and their times by five,
PUBLISHED_SCALE = 5.0
# and trains for times from 0 to LAST_TIME.
LAST_TIME = 1.0

# Pieces of the trajectory within a window, as many as the paper has times. They count for the
# bound alone, which a finer grid makes little smaller: it is dominated by the residual.
_PIECES = 50
# Times that are evaluated together on a device that is not the CPU: limits the memory.
_PIXELS_ELSEWHERE = 2**22


class PublishedNetworkIntegrator:
    """Every item in windows of its own; within a window only the requested times are evaluated.

    Parameters
    ----------
    net : SemiResNet
    problem, request, report : as every :data:`~skimage_tvflow.core.integrate.Method` takes them
    """

    def __init__(
        self,
        net: SemiResNet,
        problem: Problem,
        request: OutputRequest,
        report: Report | None,
    ) -> None:
        self._units, self._request, self._report = problem.units, request, report
        u = problem.u
        # A signal is an image of one row.
        self._is_signal = u.ndim == 3
        u = u[:, :, None] if self._is_signal else u
        self._spacing = problem.spacing * 2 if self._is_signal else problem.spacing
        on_cpu = u.device.type == "cpu"
        self._net = net if on_cpu else copy.deepcopy(net).to(u.device)
        # Networks work in float32; the bound is charged for what that costs.
        self._dtype, self._u = u.dtype, u.float()
        self._unit = np.where(problem.deviation == 0, 0.0, problem.unit)
        self._start = problem.rounding + distance(u, self._u).cpu().numpy()
        # By then the flow has certainly ended.
        rate = decay_rate(tuple(self._spacing), tuple(u.shape[2:]))
        size = rms(self._u).cpu().numpy() * math.sqrt(u[0].numel())
        self._end = size / rate * (1 + 1e-6)

    def frames(self, times: Sequence[float], out: Tensor | None = None) -> Iterator[Frames]:
        """See :class:`~skimage_tvflow.core.integrate.Integrator`."""
        paths = [
            SampledTrajectory(u, own, start, self._spacing, self._request)
            for u, own, start in zip(self._u, solver_times(times, self._unit).T, self._start)
        ]
        n_iter = np.zeros(len(paths), np.int64)
        given = 0
        while given < len(times):
            behind = int(np.argmin([path.reached for path in paths]))
            n_iter[behind] += self._cross_window(behind, paths[behind])
            reached = min(path.reached for path in paths)
            if reached > given:
                yield self._gathered(times[given:reached], paths, n_iter)
                n_iter[:], given = 0, reached
            # Reported only after the frames were given away: a callback may end the flow here.
            if self._report is not None:
                self._report(float(np.mean([path.reached for path in paths])) / len(times))

    def _cross_window(self, item: int, path: SampledTrajectory) -> int:
        """Go on by a window, or to the last requested time; return the evaluations it took."""
        if path.now >= self._end[item]:
            path.settle(self._u[item])
            return 0
        if path.vanish():
            return 0
        scale = published_scale(path.u)
        nodes = self._nodes(path, LAST_TIME / scale)
        lengths, begin = np.diff(nodes), int(not self._request.needs_steps)
        found = self._evaluated(path.u, nodes[begin:], scale)
        z_before = next(found)[1] if self._request.needs_steps else None
        for length, (u, z) in zip(lengths, found):
            dual = None if z_before is None else (z_before + z)[None] / 2
            path.add_step(u, dual, float(length))
            z_before = None if z_before is None else z
        return len(nodes) - begin

    def _nodes(self, path: SampledTrajectory, window: float) -> np.ndarray:
        """Times from now on to evaluate within a window, after a first zero."""
        ahead = path.requested - path.now
        nodes = [np.zeros(1), ahead[ahead <= window]]
        if ahead[-1] > window:
            nodes.append(np.array([window]))
        if self._request.needs_steps:
            pieces = np.linspace(0, window, _PIECES + 1)
            nodes.append(pieces[pieces < ahead[-1]])
        return np.unique(np.concatenate(nodes))

    @torch.no_grad()
    def _evaluated(
        self, f: Tensor, times: np.ndarray, scale: float
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield image and dual variable, of length at most 1, at ``times`` after ``f``.

        On the CPU one by one: torch rounds otherwise when a batch has another size, and an answer
        must not depend on which other times were asked for.
        """
        on_cpu = f.device.type == "cpu"
        count = 1 if on_cpu else max(1, _PIXELS_ELSEWHERE // f.numel())
        own = torch.from_numpy(times * scale).to(f)
        for chunk in own.split(count):
            u, z = self._net((scale * f)[None].expand(len(chunk), *f.shape), chunk)
            yield from zip(u / scale, project(z))

    def _gathered(
        self, times: Sequence[float], paths: Sequence[SampledTrajectory], n_iter: np.ndarray
    ) -> Frames:
        """Make frames of the next samples of all paths, one for each of ``times``."""
        samples = [path.take(len(times)) for path in paths]
        u, error, dual, bound = stack_samples(samples, self._request)
        if not u.isfinite().all():
            raise OverflowError(
                "The network has left the range of float32. Needed are weights that were trained "
                "for such images. Pass other weights, or use ChambolleTVFlow."
            )
        u = u.to(self._dtype)
        dual = None if dual is None else dual.to(self._dtype)
        if self._is_signal:
            u = u[:, :, :, 0]
            dual = None if dual is None else dual[:, :, :, 1:, 0]
        converged = np.ones(len(paths), np.bool_)
        return Frames(times, self._units.to_image(u), error, n_iter.copy(), converged, dual, bound)


def published_scale(u: Tensor) -> float:
    """Return the factor that brings an image to the contrast that the network was trained for.

    For a photograph in [0, 1] it is that of the paper, 5; for others 5 times the power of two that
    brings the difference of the largest and the smallest value into (1/2, 1].
    """
    low, high = (float(x) for x in u.aminmax())
    extent = high - low
    # frexp: extent = m 2^e with m in [1/2, 1); an extent of 1/2 has e = 0, and is to have e = -1.
    mantissa, exponent = math.frexp(extent)
    return math.ldexp(PUBLISHED_SCALE, (mantissa == 0.5) - exponent) if extent > 0 else 1.0
