"""The flow of a smoothed total variation, for comparison."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from skimage_tvflow.core.integrate import Method
from skimage_tvflow.core.integrators.regularized import (
    RegularizedIntegrator,
    RegularizedSettings,
    fewest_stable_steps,
)
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.numbers import LARGEST_COUNT

_LAGGED_STEPS = 50
# Explicit steps that nobody would wait for.
_MOST_STEPS = 10**7


class RegularizedTVFlow(BaseTVFlow):
    r"""Flow of a smoothed total variation: a diffusion, and what the TV flow is not.

    With :math:`|Du|_\epsilon = \sqrt{|Du|^2 + \epsilon^2}` the flow is the nonlinear diffusion

    .. math:: u_t = \mathrm{div}\,\frac{Du}{|Du|_\epsilon}, \qquad u(0) = f .

    It is here so that it can be seen what is lost: edges blur, plateaus are never flat, structures
    do not vanish, and steps that resolve a small :math:`\epsilon` are very short.

    Parameters
    ----------
    t : float or sequence of float, default=0.1
        Time or times of the flow, in the unit of value x spacing.
    scheme : {"lagged-diffusivity", "explicit"}, default="lagged-diffusivity"
        "explicit" is explicit Euler, [1]_ eq. (4). "lagged-diffusivity" is implicit in :math:`Du`
        and takes :math:`1 / |Du|_\epsilon` from before, [1]_ eq. (5): a sparse system per step.
    eps : float, default=1e-3
        The :math:`\epsilon`, in the unit of value / spacing. The default suits an image in [0, 1];
        multiply by 255 for one of uint8.
    n_steps : "auto" or int, default="auto"
        Steps from 0 to the largest time. "auto" is the fewest stable ones of explicit Euler, none
        longer than ``2 eps / L``, ``L = 4 sum(1 / spacing**2)``; or 50 of lagged diffusivity.
    max_num_iter : int, default=1
        Linear systems in every step of lagged diffusivity. 1 is eq. (5); with more, the diffusivity
        is that of the end of the step (Vogel and Oman [2]_).
    coupled_channels : bool, default=False
        Whether channels share one norm and so their edges. Otherwise they are separate images.
    spacing, channel_axis, batch_axis, batch_size, device : optional
        As for `ChambolleTVFlow`.

    Attributes
    ----------
    n_features_in_ : int
        Length of the signals that `fit` saw; only for tables with ``batch_axis=0``.

    See Also
    --------
    ChambolleTVFlow : The flow of the total variation itself, and much sooner.

    Notes
    -----
    The dual variable of `solve` is :math:`Du / |Du|_\epsilon`. With lagged diffusivity it takes its
    two parts from different images, and can be longer than 1; the bound of the error knows.

    References
    ----------
    .. [1] T. G. Grossmann, S. Dittmer, Y. Korolev, C.-B. Schönlieb, "Unsupervised Learning of the
       Total Variation Flow", arXiv:2206.04406 (2022).
    .. [2] C. R. Vogel, M. E. Oman, "Iterative methods for total variation denoising", SIAM Journal
       on Scientific Computing 17 (1996) 227-238.

    Examples
    --------
    With a small :math:`\epsilon` it is near the flow, with a large one it blurs:

    >>> import numpy as np
    >>> from skimage_tvflow import RegularizedTVFlow
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> RegularizedTVFlow(eps=1e-3).transform(step, t=1.0).round(2)
    array([0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75])
    >>> RegularizedTVFlow(eps=1.0).transform(step, t=1.0).round(2)
    array([0.01, 0.03, 0.12, 0.33, 0.67, 0.88, 0.97, 0.99])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTVFlow._parameter_constraints,
        "scheme": [StrOptions({"lagged-diffusivity", "explicit"})],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "n_steps": [Interval(Integral, 1, LARGEST_COUNT, closed="both"), StrOptions({"auto"})],
        "max_num_iter": [Interval(Integral, 1, LARGEST_COUNT, closed="both")],
    }

    def __init__(
        self,
        *,
        t: Any = 0.1,
        scheme: str = "lagged-diffusivity",
        eps: float = 1e-3,
        n_steps: int | str = "auto",
        max_num_iter: int = 1,
        coupled_channels: bool = False,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        batch_size: int | None = None,
        device: Any = None,
    ) -> None:
        self.t = t
        self.scheme = scheme
        self.eps = eps
        self.n_steps = n_steps
        self.max_num_iter = max_num_iter
        self.coupled_channels = coupled_channels
        self.spacing = spacing
        self.channel_axis = channel_axis
        self.batch_axis = batch_axis
        self.batch_size = batch_size
        self.device = device

    def _method(self, flow_input: FlowInput) -> Method:
        settings = RegularizedSettings(
            self.scheme, float(self.eps), self._steps(flow_input), int(self.max_num_iter)
        )
        return partial(RegularizedIntegrator, settings)

    def _steps(self, flow_input: FlowInput) -> int | None:
        """The number of steps, or None for the fewest explicit ones that are stable."""
        if self.scheme != "explicit":
            return _LAGGED_STEPS if self.n_steps == "auto" else int(self.n_steps)
        t, sizes = flow_input.times.increasing[-1], flow_input.image.shape[2:]
        needed = fewest_stable_steps(t, self.eps, flow_input.spacing, sizes)
        if needed > _MOST_STEPS:
            raise ValueError(
                f"Explicit Euler with eps={self.eps} up to t={t} would take {needed:.1e} steps. "
                f"Pass a larger eps, such as eps={self.eps * 1e3:g}, or "
                "scheme='lagged-diffusivity'."
            )
        if self.n_steps == "auto":
            return None
        if int(self.n_steps) < needed:
            raise ValueError(
                f"n_steps={self.n_steps} explicit Euler steps are unstable with eps={self.eps} up "
                f"to t={t}: at least {needed} are needed. Pass "
                f"n_steps={needed} or more, n_steps='auto', or scheme='lagged-diffusivity'."
            )
        return int(self.n_steps)
