"""The model-driven TV flow: implicit Euler, every step a dual solve."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from skimage_tvflow.core.integrate import Method
from skimage_tvflow.core.integrators.automatic_steps import AutomaticSteps
from skimage_tvflow.core.integrators.euler_segment import EulerSettings
from skimage_tvflow.core.integrators.given_steps import GivenIterations, SolvesToTolerance
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.numbers import LARGEST_COUNT


class ChambolleTVFlow(BaseTVFlow):
    r"""Total variation flow by implicit Euler steps, to the accuracy asked for.

    The flow of an image f is the gradient flow of its isotropic total variation J,

    .. math:: u_t \in -\partial J(u), \qquad u(0) = f, \qquad J(u) = \sum_x |Du(x)|_2,

    with forward differences D and a Neumann boundary. An implicit Euler step is the denoising
    problem of Rudin, Osher and Fatemi,

    .. math::

        u_{n+1} = \arg\min_v \tfrac12 \|v - u_n\|^2 + \tau J(v) = u_n + \tau\,\mathrm{div}\,\phi,
        \qquad |\phi| \le 1,

    solved for its dual variable :math:`\phi` [1]_, which is handed on from step to step together
    with its momentum.

    Parameters
    ----------
    t : float or sequence of float, default=0.1
        Time or times of the flow, in the unit of value x spacing. The default suits an image in
        [0, 1]; multiply by 255 for one of uint8. `transform` may be given others.
    n_steps : "auto" or int, default="auto"
        Time steps from 0 to the largest time. "auto" chooses them so that the estimated error is at
        most `tol`: very many, of one iteration each, and at late times long ones that begin with a
        multigrid cycle. An integer fixes them: an interval between two requested times gets its
        share of the steps, at least one.
    order : {1, 2}, default=2
        1: implicit Euler. 2: Richardson extrapolation of two solutions, the second with every step
        bisected. Automatic steps extrapolate by less, 0.4 of the difference, which suits them.
    tol : float or None, default=1e-3
        Requested root-mean-square error, relative to the standard deviation of each independent
        image. With an integer `n_steps` it speaks of the solves of the steps, not of the length of
        the steps. None takes exactly `max_num_iter` iterations in every step. Automatic steps are
        computed in float32 from 3e-4 on, also for images in float64, unless a mask or the dual
        variable is asked for, and in float64 below.
    algorithm : {"accelerated", "projection"}, default="accelerated"
        How the dual problems are solved: by projected gradient ascent with two momenta that are
        never reset, or by the iteration of [1]_, for comparison.
    max_num_iter : int, default=2000
        Largest number of iterations in a time step. Automatic steps are short and take one to a
        few dozen: below 32 it only forbids the long steps with multigrid cycles, at late times.
    coupled_channels : bool, default=False
        Whether the norm of the gradient is taken over all channels, which keeps their edges
        together. Otherwise channels are separate images.
    spacing : float or sequence of float, optional
        Distance between pixels, one for all spatial axes or one for each. 1 by default.
    channel_axis : int, optional
        Axis of the channels.
    batch_axis : int, optional
        Axis of independent images. All other axes are spatial.
    batch_size : int, optional
        How many independent images or channels to solve at a time.
    device : str or torch.device, optional
        Where to compute: by default where the image is; "cuda" to compute there and return the
        result to where the image is; "auto" for the best device of this machine.

    Attributes
    ----------
    n_features_in_ : int
        Length of the signals that `fit` saw; only for tables with ``batch_axis=0``.

    See Also
    --------
    tv_flow : The same as a function.

    Notes
    -----
    The scheme is that of the model-driven TV flow in [2]_, eq. (6), with the factor 1/2 that is
    missing there: the paper's times in [0, 1] are [0, 0.2] here, for images in [0, 1].

    References
    ----------
    .. [1] A. Chambolle, "An algorithm for total variation minimization and applications", Journal
       of Mathematical Imaging and Vision 20 (2004) 89-97.
    .. [2] T. G. Grossmann, S. Dittmer, Y. Korolev, C.-B. Schönlieb, "Unsupervised Learning of the
       Total Variation Flow", arXiv:2206.04406 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import ChambolleTVFlow
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> ChambolleTVFlow(tol=1e-6).transform(step, t=1.0).round(3)
    array([0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75])
    """

    _takes_limits = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTVFlow._parameter_constraints,
        "n_steps": [Interval(Integral, 1, LARGEST_COUNT, closed="both"), StrOptions({"auto"})],
        "order": [Interval(Integral, 1, 2, closed="both")],
        "tol": [Interval(Real, 0, None, closed="neither"), None],
        "algorithm": [StrOptions({"accelerated", "projection"})],
        "max_num_iter": [Interval(Integral, 1, LARGEST_COUNT, closed="both")],
    }

    def __init__(
        self,
        *,
        t: Any = 0.1,
        n_steps: int | str = "auto",
        order: int = 2,
        tol: float | None = 1e-3,
        algorithm: str = "accelerated",
        max_num_iter: int = 2000,
        coupled_channels: bool = False,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        batch_size: int | None = None,
        device: Any = None,
    ) -> None:
        self.t = t
        self.n_steps = n_steps
        self.order = order
        self.tol = tol
        self.algorithm = algorithm
        self.max_num_iter = max_num_iter
        self.coupled_channels = coupled_channels
        self.spacing = spacing
        self.channel_axis = channel_axis
        self.batch_axis = batch_axis
        self.batch_size = batch_size
        self.device = device

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.n_steps == "auto" and self.tol is None:
            raise ValueError(
                "tol=None got n_steps='auto', and steps are chosen to meet a tol. Pass tol=1e-3, "
                "or an integer such as n_steps=50."
            )

    def _advice(self, dtype: torch.dtype) -> str:
        if self.n_steps == "auto":
            return "Pass a larger tol: rounding errors prevent this one."
        return super()._advice(dtype)

    def _method(self, flow_input: FlowInput) -> Method:
        settings = EulerSettings(
            n_steps=None if self.n_steps == "auto" else int(self.n_steps),
            order=int(self.order),
            tol=None if self.tol is None else float(self.tol),
            max_num_iter=int(self.max_num_iter),
            algorithm=self.algorithm,
        )
        if settings.n_steps is None:
            return partial(AutomaticSteps, settings)
        return partial(GivenIterations if settings.tol is None else SolvesToTolerance, settings)
