r"""The bands of a TV flow: what vanishes around each of several times.

Between increasing times :math:`0 = t_0 < t_1 < \dots < t_K` the flow moves with the mean slope
:math:`s_k = (u_k - u_{k-1}) / (t_k - t_{k-1})`. The transform :math:`\phi(t) = t\,u_{tt}` of
Gilboa ("A total variation spectral framework for scale and texture analysis", SIAM J. Imaging Sci.
7, 2014), integrated over a neighbourhood of :math:`t_k`, is then

.. math:: \mathrm{band}_k = t_k (s_{k+1} - s_k), \qquad \mathrm{residual} = u_K - t_K s_K,

and by summation by parts :math:`\sum_k \mathrm{band}_k + \mathrm{residual} = u_0`, for any times
and for any error of the flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Band:
    """One band of a decomposition, or its residual.

    Attributes
    ----------
    time : float
        The time around which its structures vanish; infinity for the residual.
    image : Tensor
        The band, in the shape and precision of the frames.
    before, after : Tensor
        Slopes of the flow before and after that time; for the residual ``after`` is None.
    """

    time: float
    image: Tensor
    before: Tensor
    after: Tensor | None


def bands(image: Tensor, times: Sequence[float], frames: Iterable[Tensor]) -> Iterator[Band]:
    """The bands of ``image`` one after the other, and the residual last.

    Parameters
    ----------
    image : Tensor
        The image at t = 0.
    times : sequence of K >= 2 floats
        Increasing times > 0.
    frames : iterable of K Tensors
        The flow of ``image`` at these times.

    Yields
    ------
    Band
        K - 1 bands, then the residual.
    """
    before: Tensor | None = None
    last, now = image, 0.0
    for time, frame in zip(times, frames, strict=True):
        slope = (frame - last) / (time - now)
        if before is not None:
            yield Band(now, now * (slope - before), before, slope)
        before, last, now = slope, frame, time
    assert before is not None
    yield Band(float("inf"), last - now * before, before, None)
