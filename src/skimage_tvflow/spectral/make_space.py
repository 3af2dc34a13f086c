"""From an image to its scale space."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.progress import share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.inputs.numbers import check_number
from skimage_tvflow.spectral.flow_bands import check_input
from skimage_tvflow.spectral.frame_store import FrameStore
from skimage_tvflow.spectral.measures import Measures
from skimage_tvflow.spectral.refinement import Growth
from skimage_tvflow.spectral.scale_space import ScaleSpace

# A space of a photograph has about so many frames at tol=1e-3; this decides about memory or disk.
_FRAMES = 80
# The rough space takes about this part of the whole work.
_ROUGH_SHARE = 0.05
_TOL = 1e-3


@fork_safe()
def scale_space(
    image: Any,
    *,
    t_max: float | None = None,
    flow: BaseTVFlow | None = None,
    tol: float | None = None,
    channel_axis: int | None = None,
    batch_axis: int | None = None,
    coupled_channels: bool = False,
    spacing: Any = None,
    device: Any = None,
    mask: Any = None,
    weight: Any = None,
    certify: bool = False,
    refine: bool = True,
    max_bytes: int = 2**30,
    folder: str | PathLike[str] | None = None,
    callback: Callback | None = None,
) -> ScaleSpace:
    r"""The TV flow of an image as a continuous function of t.

    The flow is solved once. Then the image at any time, its bands, its spectrum and filters cost no
    more than reading a few images. Knots are placed where the flow bends, so that between them
    linear interpolation in t is as accurate as the knots.

    A rough space, 40 dB or better at every time on photographs, comes first, in a fraction of a
    second; it tells where the knots must lie and is then refined from early times to late ones.

    Parameters
    ----------
    image : array-like
        Real and finite; all axes but `batch_axis` and `channel_axis` are spatial.
    t_max : float, optional
        The last time; None for the extinction.
    flow : estimator, optional
        Computes the flow and knows the axes of the image; then none of the other parameters of an
        estimator may be given. ``ChambolleTVFlow`` by default.
    tol : float, optional
        Largest root-mean-square error of the interpolation, and with the default flow also of the
        solver, relative to the standard deviation of each independent image. By default that of
        `flow`, otherwise 1e-3.
    channel_axis, batch_axis, coupled_channels, spacing, device : optional
        As for `ChambolleTVFlow`. The items of a batch have their knots in common.
    mask, weight : array-like, optional
        Where the image is data, and how strongly it flows: as for `ChambolleTVFlow.transform`.
    certify : bool, optional
        Also compute `error_bound` at the knots, which takes about as long as the flow itself.
    refine : bool, optional
        False returns the rough space; its `refine` improves it.
    max_bytes : int, optional
        A space that will take more bytes is kept in files, which vanish with it.
    folder : path-like, optional
        Where these files lie; the system's folder for temporary files by default.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, at least every 50 ms.
        Returning True stops; once there is a rough space, it is returned, refined as far as it is.

    Returns
    -------
    ScaleSpace
        The flow as a function of t.

    Raises
    ------
    ValueError, TypeError
        If the image or a parameter is not what it must be.
    StoppedByCallback
        If `callback` returned True before there was a rough space.

    See Also
    --------
    tv_flow : The flow at given times.
    spectral_decompose : The bands between given times.

    Notes
    -----
    An interval of length h has the error :math:`h^2 \|u''\| / 8`. The second derivative is measured
    from the knots themselves, and knots are added where it is larger than expected.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import scale_space
    >>> step = np.repeat([0.0, 1.0], 4)  # vanishes at t = 2
    >>> space = scale_space(step)
    >>> space([0.0, 1.0, 5.0])[:, 0].round(3)
    array([0.  , 0.25, 0.5 ])
    >>> round(space.extinction_time, 3)
    2.0
    """
    report = WorkReport.of(callback)
    own = {
        "channel_axis": channel_axis,
        "batch_axis": batch_axis,
        "coupled_channels": coupled_channels,
        "spacing": spacing,
        "device": device,
    }
    given = {name: value for name, value in own.items() if value is not None and value is not False}
    if t_max is not None:
        t_max = check_number(t_max, "t_max", 0, example=1.0)
    if tol is not None:
        tol = check_number(tol, "tol", 0, 1, example=_TOL, open_ends=True)
    max_bytes = check_number(max_bytes, "max_bytes", 0, example=2**30, integer=True)
    flow, flow_input = check_input(
        image, flow, given, mask, weight, tol=_TOL if tol is None else tol
    )
    tol = tol or getattr(flow, "tol", None) or _TOL
    size = flow_input.image.nbytes * _FRAMES
    store = FrameStore(size > max_bytes, folder)
    measures = Measures.of(flow_input, tol)
    growth = Growth(flow_input, flow, measures, t_max, store, check_flag(certify, "certify"))
    space = ScaleSpace(growth, *growth.begin(share_of(report, 0, _ROUGH_SHARE if refine else 1)))
    if check_flag(refine, "refine"):
        if report is not None:
            callback = _Later(report)
        space.refine(callback)
    elif report is not None:
        report(1.0)
    return space


def check_flag(value: Any, name: str) -> bool:
    """
    Check that a value is True or False.

    Parameters
    ----------
    value : object
        What the caller passed.
    name : str
        Name of the parameter, for the message.

    Returns
    -------
    bool
        The value.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}. Pass {name}=True.")
    return bool(value)


class _Later:
    """A callback that tells another one the rest of the work, after the rough space."""

    def __init__(self, report: WorkReport) -> None:
        self._report = report

    def __call__(self, progress: Any) -> bool:
        """Pass the progress on; the report raises where the callback returns True."""
        self._report.time = progress.time
        self._report(_ROUGH_SHARE + (1 - _ROUGH_SHARE) * progress)
        return False
