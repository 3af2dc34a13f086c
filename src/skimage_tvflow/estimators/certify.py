"""A rigorous bound of the error of any candidate for the TV flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skimage_tvflow.core import certificate
from skimage_tvflow.core.operators import column, exact_dtype
from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.estimators.confined_input import ConfinedInput, pose_problem, read_confined
from skimage_tvflow.inputs.arrays import ingest, is_complex
from skimage_tvflow.inputs.complex_images import split_parts
from skimage_tvflow.inputs.numbers import check_number


@dataclass(frozen=True)
class CertifiedError:
    """Rigorous upper bound of the error of a candidate.

    Attributes
    ----------
    times : ndarray of shape (T,)
        As given.
    error_bound : ndarray of shape (T,), or (T, B) with a batch axis
        Bound of the root-mean-square distance per pixel from the exact flow of the discrete image,
        in the values of the image.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import certify
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> certified = certify(step, step[None], None, [0.0])  # the flow at t = 0 is the image
    >>> certified.times, certified.error_bound.round(9)
    (array([0.]), array([0.]))
    """

    times: np.ndarray
    error_bound: np.ndarray


# The effort where nothing else bounds the error.
_EFFORT_WITHOUT_DUAL = 5.0


@fork_safe()
def certify(
    image: Any,
    u: Any,
    dual: Any,
    times: Any,
    *,
    refine: int = 0,
    effort: float | None = None,
    spacing: Any = None,
    channel_axis: int | None = None,
    batch_axis: int | None = None,
    coupled_channels: bool = False,
    device: Any = None,
    mask: Any = None,
    weight: Any = None,
    callback: Callback | None = None,
) -> CertifiedError:
    r"""Bound the error of a candidate for the TV flow of an image, without a reference solution.

    With a dual variable, the candidate is taken as linear in time between its times, starting from
    the image at t = 0, and its dual variable as constant. With :math:`|\phi| \le 1`, the gap
    :math:`\epsilon(t) = J(u) + \langle u, \mathrm{div}\,\phi \rangle \ge 0` and the residual
    :math:`r = u_t - \mathrm{div}\,\phi`, the distance E from the exact flow satisfies

    .. math:: E(t_k) \le \sqrt{E(t_{k-1})^2 + 2 \int \epsilon\,dt} + \int \|r\|\,dt ,

    since :math:`-\mathrm{div}\,\phi` is an epsilon-subgradient and subgradients are monotone. It
    covers the error of the time steps and of every solve, and holds for any candidate. If the
    candidate does not start from the image, or does not fit its dual variable, the bound grows
    accordingly. A dual variable longer than 1 is shortened first. Once the flow has certainly
    reached its mean, the bound is the candidate's distance from that.

    Parameters
    ----------
    image : array-like
        The image at t = 0.
    u : array-like of shape (T, *image.shape)
        The candidate.
    dual : array-like of shape (T, n_spatial, *image.shape), or None
        Its dual variable: for each time the mean of phi since the next smaller one, as
        ``solve(..., return_dual=True).dual`` has it. None if there is none: the bound is then that
        of `effort`.
    times : sequence of T floats
        Times >= 0, in any order.
    refine : int, optional
        Number of implicit Euler steps in every interval between times, for a finer trajectory. Its
        own bound and its distance from the candidate are added up, and the smallest of all bounds
        is returned.
    effort : float, optional
        Also follow the flow by many steps of a single iteration, whose bound falls with one over
        their number, and add the distance from the candidate. The unit is the work of
        ``ChambolleTVFlow(tol=1e-3)`` up to the last time without multigrid cycles: 5 bounds the
        error of such a solve by two to eight times its value, and after extinction by the error
        itself. The default is 0 with a dual variable and 5 without.
    spacing, channel_axis, batch_axis, coupled_channels, device : optional
        As for `ChambolleTVFlow`.
    mask, weight : array-like, optional
        As for `ChambolleTVFlow.transform`; the dual variable is then at most as long as the weight.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, after
        every time and within the Euler steps of `refine`, in the thread that called; returning True
        stops.

    Returns
    -------
    CertifiedError
        The bound at every time.

    Raises
    ------
    ValueError
        If shapes do not fit, or anything is not real and finite.
    StoppedByCallback
        If `callback` returned True.

    Notes
    -----
    Sums are accumulated in float64, and the largest possible rounding error is added.

    References
    ----------
    .. [1] H. Brezis, "Opérateurs maximaux monotones", North-Holland (1973), lemma A.5.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import ChambolleTVFlow, certify
    >>> image = np.random.default_rng(0).random((16, 16))
    >>> times = np.linspace(0.01, 0.1, 10)
    >>> result = ChambolleTVFlow().solve(image, times, return_dual=True)
    >>> bound = certify(image, result.u, result.dual, times).error_bound
    >>> bool(bound.max() < 0.05 * image.std())
    True
    """
    report = WorkReport.of(callback)
    refine = check_number(refine, "refine", 0, example=8, integer=True)
    if effort is None:
        effort = _EFFORT_WITHOUT_DUAL if dual is None else 0.0
    effort = check_number(effort, "effort", 0, example=5.0)
    if dual is None and effort == 0:
        raise ValueError(
            "Without a dual variable nothing bounds the error but the size of the image. Pass "
            "effort=5.0, or the dual of solve(..., return_dual=True)."
        )
    grid = spacing, channel_axis, batch_axis, coupled_channels, device
    flow_input = read_confined(image, times, *grid, mask, weight)
    axes, requested = flow_input.axes, flow_input.times
    count = len(requested.order)
    data = flow_input.data if isinstance(flow_input, ConfinedInput) else None
    frames = _stacked(u, "u", (count, *axes.shape), device, data)
    # If a time is given twice, its first candidate is certified.
    first = [requested.order.index(k) for k in range(len(requested.increasing))]
    problem = pose_problem(flow_input, exact_dtype(frames))
    strength = dilution = np.ones(1)
    if isinstance(flow_input, ConfinedInput):
        frames = flow_input.without_means(frames)
        strength, dilution = flow_input.strength, flow_input.dilution
    candidate = problem.units.to_solver(axes.to_core(frames[first])).transpose(0, 1)
    phi = None
    if dual is not None:
        duals = _stacked(dual, "dual", (count, axes.n_spatial, *axes.shape), device)
        phi = axes.dual_to_core(duals[first]).transpose(0, 1)
        phi = phi / column(strength, phi)
    bound = certificate.certify(
        problem,
        candidate,
        phi,
        requested.increasing,
        refine=refine,
        effort=effort,
        report=report,
    )
    in_order = (bound.T * problem.units.scale * dilution)[list(requested.order)]
    times = np.array([requested.increasing[k] for k in requested.order])
    return CertifiedError(times, axes.combine(in_order))


def _stacked(
    values: Any,
    name: str,
    shape: tuple[int, ...],
    device: Any,
    data: torch.Tensor | None = None,
) -> torch.Tensor:
    """Read images stacked along the times, in the precision of sums; 0 where they are no data."""

    def data_in(own: tuple[int, ...]) -> torch.Tensor | None:
        return None if data is None or own != shape else data.expand(shape)

    if is_complex(values):
        values, _ = split_parts(values)
    tensor = ingest(values, device=device, name=name, data_in=data_in).tensor
    if tuple(tensor.shape) != shape:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}, and {shape} is needed, with the axis of the "
            f"times first. Pass what solve(image, times, return_dual=True).{name} returns."
        )
    return tensor.to(exact_dtype(tensor))
