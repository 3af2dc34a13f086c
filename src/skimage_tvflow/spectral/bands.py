r"""The bands of a TV flow: what vanishes at which time.

Between increasing times :math:`0 = t_0 < t_1 < \dots < t_K` the flow moves with the mean slope
:math:`s_k = (u_k - u_{k-1}) / (t_k - t_{k-1})`. The transform :math:`\phi(t) = t\,u_{tt}` of
Gilboa ("A total variation spectral framework for scale and texture analysis", SIAM J. Imaging Sci.
7, 2014), integrated over a neighbourhood of :math:`t_k`, is then

.. math:: \mathrm{band}_k = t_k (s_{k+1} - s_k), \qquad \mathrm{residual} = u_K - t_K s_K,

and by summation by parts :math:`\sum_k \mathrm{band}_k + \mathrm{residual} = u_0`, whatever the
times and however exact the flow.
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
    time : what vanishes there; infinity for the residual
    image : Tensor of the image's shape, float64 where the device has it
    before, after : Tensors, the slopes before and after that time; for the residual ``after`` is
        None
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
    times : K >= 2 increasing numbers > 0
    frames : the flow of ``image`` at these times
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
