"""The TV flow at all times at once, as the minimum of an objective over space and time."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from skimage_tvflow.core.integrate import Method
from skimage_tvflow.core.integrators.space_time import SpaceTimeIntegrator, SpaceTimeSettings
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.numbers import LARGEST_COUNT


class JointSpaceTimeTVFlow(BaseTVFlow):
    r"""Total variation flow by one minimisation over all times.

    Nothing is solved step by step: images :math:`u_1, \dots, u_N` and dual variables :math:`\phi_1,
    \dots, \phi_N` at N times are the unknowns of one problem. It begins with :math:`u_n = f` and
    :math:`\phi_n = Df / (|Df| + \epsilon)`.

    Parameters
    ----------
    t : float or sequence of float, default=0.1
        Time or times of the flow, in the unit of value x spacing. The problem reaches from 0 to the
        largest.
    n_times : int, default=50
        Time steps from 0 to the largest time. An interval between requested times gets its share,
        at least one.
    objective : {"brezis-ekeland", "residual"}, default="brezis-ekeland"
        What is minimised. "brezis-ekeland" is convex, and its minimum is known to be 0; "residual"
        is the loss of TVflowNET [1]_, for comparison. See Notes.
    lr : float, default=5e-3
        Learning rate of Adam, for "residual".
    tol : float, default=1e-3
        Root-mean-square distance from implicit Euler steps of the same lengths at which to stop, as
        it is estimated, relative to the standard deviation of each independent image. "residual"
        takes all its iterations.
    max_num_iter : int, default=2000
        Largest number of iterations.
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
    ChambolleTVFlow : The flow to a tolerance, step by step, and much sooner.

    Notes
    -----
    Among all :math:`u_n = f + \sum_{m \le n} \tau_m \mathrm{div}\,\phi_m` with :math:`|\phi_m| \le
    1`, the principle of Brezis and Ekeland [2]_ singles out implicit Euler steps as the minimum of

    .. math:: \sum_n \tau_n \bigl( J(u_n) + \langle u_n, \mathrm{div}\,\phi_n \rangle \bigr) \ge 0 .

    Half the square of the distance from them is at most its value, and the error is estimated from
    its root, rather too large: by a factor of 4 in the median. As the minimum is 0, its
    optimality system is a monotone inclusion, and solved by the primal-dual iteration of Chambolle
    and Pock [3]_ with the time derivative inverted in every iteration; how many iterations that
    takes hardly depends on the number of times. Projected gradients of :math:`\phi` alone are ill
    conditioned by the sum over time: with momentum they had 28 dB after 300 iterations where these
    have 60 after 50. Every look at the objective, once in ten iterations or less, is an entry of
    the `loss_curve` of `solve`, per pixel and relative to the variance.

    The loss of TVflowNET, [1]_ eq. (9), is :math:`\|u_t - \mathrm{div}\,\phi\|^2 + \|\langle u,
    \mathrm{div}\,\phi \rangle + J(u)\|^2 + \int \sum_x (|\phi| - 1)_+ dt + \|f - u(0)\|^2`, here
    per pixel and as a mean over time, minimised by Adam with the paper's settings. It is not
    homogeneous: as in the paper, where images in [0, 1] are multiplied by five, each is brought to
    the standard deviation 1.25 first. Every iteration is an entry of the `loss_curve`. Its
    minimum is the flow as well, but Adam is far from it after 2000 iterations: for five photographs
    in [0, 1] of 96 x 96 pixels at fifty times up to 0.2 the loss was .003 to .04, where it is 1e-11
    at implicit Euler steps, and the peak signal-to-noise ratio 40 to 47 dB (31 to 39 after 500).

    Memory: the unknowns at all times, 3 copies of a 2-D image per time, and with "residual" 10.

    References
    ----------
    .. [1] T. G. Grossmann, S. Dittmer, Y. Korolev, C.-B. Schönlieb, "Unsupervised Learning of the
       Total Variation Flow", arXiv:2206.04406 (2022).
    .. [2] H. Brezis, I. Ekeland, "Un principe variationnel associé à certaines équations
       paraboliques", C. R. Acad. Sci. Paris 282 (1976) 971-974.
    .. [3] A. Chambolle, T. Pock, "A first-order primal-dual algorithm for convex problems with
       applications to imaging", J. Math. Imaging Vis. 40 (2011) 120-145.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import JointSpaceTimeTVFlow
    >>> step = np.repeat([0.0, 1.0], 4)
    >>> flow = JointSpaceTimeTVFlow(n_times=10, tol=1e-6)
    >>> flow.transform(step, t=1.0).round(3)
    array([0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75])
    >>> bool(flow.solve(step, t=1.0).loss_curve[-1] < 1e-10)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTVFlow._parameter_constraints,
        "n_times": [Interval(Integral, 1, LARGEST_COUNT, closed="both")],
        "objective": [StrOptions({"brezis-ekeland", "residual"})],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_num_iter": [Interval(Integral, 1, LARGEST_COUNT, closed="both")],
    }

    def __init__(
        self,
        *,
        t: Any = 0.1,
        n_times: int = 50,
        objective: str = "brezis-ekeland",
        lr: float = 5e-3,
        tol: float = 1e-3,
        max_num_iter: int = 2000,
        coupled_channels: bool = False,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        batch_size: int | None = None,
        device: Any = None,
    ) -> None:
        self.t = t
        self.n_times = n_times
        self.objective = objective
        self.lr = lr
        self.tol = tol
        self.max_num_iter = max_num_iter
        self.coupled_channels = coupled_channels
        self.spacing = spacing
        self.channel_axis = channel_axis
        self.batch_axis = batch_axis
        self.batch_size = batch_size
        self.device = device

    def _method(self, flow_input: FlowInput) -> Method:
        settings = SpaceTimeSettings(
            n_times=int(self.n_times),
            objective=self.objective,
            lr=float(self.lr),
            tol=float(self.tol),
            max_num_iter=int(self.max_num_iter),
        )
        return partial(SpaceTimeIntegrator, settings)
