"""The image without its white noise."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from skimage_tvflow.applications.anscombe import counts_from, stabilize
from skimage_tvflow.applications.noisy_image import NoisyImage
from skimage_tvflow.applications.sigma import read_sigma
from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.progress import share_of
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, WorkReport
from skimage_tvflow.estimators.confined_input import ConfinedInput, RawImage
from skimage_tvflow.inputs.caller import stacklevel_of_caller
from skimage_tvflow.spectral.flow_bands import check_input

# Fixed steps and iterations: small changes of the image then make small changes of the flow.
_SCHEME = {"n_steps": 64, "order": 1, "tol": None, "max_num_iter": 8}
# A sigma so many times smaller than the noise is probably one in other units.
_FAR_ABOVE = 3.0
# The noise that is found in counts of .3 to 1000 photons, in the values of Anscombe, is .55 to 1.4.
_LEAST_OF_COUNTS, _MOST_OF_COUNTS = 0.4, 2.0


@fork_safe()
def denoise(
    image: Any,
    sigma: Any = None,
    *,
    flow: BaseTVFlow | None = None,
    mask: Any = None,
    variance_stabilize: bool = False,
    random_state: int | None = 0,
    callback: Callback | None = None,
    **params: Any,
) -> Any:
    r"""Remove white noise by spectral TV filtering, its strength found from the image itself.

    The image is taken apart into bands around the times at which noise of that strength vanishes,
    and put together with weights :math:`0 \le w_1 \le w_2 \le \dots \le 1`, those that minimise
    Stein's unbiased estimate of the risk [1]_, [2]_,

    .. math:: \|\hat u - f\|^2 + 2 \sigma^2\,\mathrm{div}_f\,\hat u, \qquad
        \hat u = \mathrm{residual} + \sum_k w_k\,\mathrm{band}_k ,

    the divergences measured by a small random change of the image [3]_. Nothing is tuned.

    Items of a batch, and channels unless the flow couples them, are denoised one by one, each with
    the noise that it has. Where the image is constant over many pixels, as in a black border, it
    has no noise and stays as it is.

    Parameters
    ----------
    image : array-like
        A noisy image.
    sigma : float or array-like, optional
        Standard deviation of the noise, in the values of the image; by default it is estimated as
        by `noise_level`, for every item and channel. One number; one for each channel, or for each
        item where there are no channels; or an array like the image where the noise differs from
        pixel to pixel: the flow is then as strong at each pixel as its noise. 0 leaves a channel or
        a pixel as it is, for instance an alpha channel: ``sigma=[0.1, 0.1, 0.1, 0]``.
    flow : estimator, optional
        By default ``ChambolleTVFlow(n_steps=64, order=1, tol=None, max_num_iter=8)``: always the
        same steps, so that a small change of the image makes a small change of the flow. If one of
        these four is among `params`, the others are those of ``ChambolleTVFlow()``.
    mask : array-like of bool, optional
        True where the image is data; the rest comes back unchanged.
    variance_stabilize : bool, optional
        True for counts of photons (or electrons), whose noise is that of Poisson: the image is
        denoised in the values of Anscombe, :math:`2 \sqrt{x + 3/8}`, and brought back without bias
        [4]_. `sigma` is then that of these values, about 1 for counts. Grey values of a camera
        become counts if its offset is subtracted, what is then negative is set to 0, and the rest
        divided by the gain, the grey values per photon.
    random_state : int or None, optional
        Seed of the random change.
    callback : callable, optional
        ``callback(progress)`` is told the fraction of the work done, a float from 0 to 1, at least
        every 50 ms, in the thread that called; returning True stops.
    **params : dict, optional
        Parameters of `ChambolleTVFlow`, such as `spacing`, `channel_axis`, `batch_axis` and
        `coupled_channels` (for photographs); not together with `flow`, which has its own.

    Returns
    -------
    array of shape image.shape
        The image without its noise, in the same units: that of 8 bits from 0 to 255, as float64.

    Raises
    ------
    ValueError
        If `sigma` is negative, not finite or of a shape that does not fit, or counts are negative.
    StoppedByCallback
        If `callback` returned True.

    Warns
    -----
    UserWarning
        If no noise was found, so that the image comes back as it is; if the noise is plainly not
        white, such as blurred noise or stripes, of which little can be removed; if `sigma` is far
        below the noise of the image, as one in other units is; or if the noise is not that of
        counts with `variance_stabilize`.

    See Also
    --------
    noise_level : The standard deviation that is found in the image.

    References
    ----------
    .. [1] C. M. Stein, "Estimation of the mean of a multivariate normal distribution", Annals of
       Statistics 9 (1981) 1135-1151.
    .. [2] T. Blu, F. Luisier, "The SURE-LET approach to image denoising", IEEE Transactions on
       Image Processing 16 (2007) 2778-2786.
    .. [3] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE", IEEE Transactions on Image Processing
       17 (2008) 1540-1554.
    .. [4] M. Makitalo, A. Foi, "A closed-form approximation of the exact unbiased inverse of the
       Anscombe variance-stabilizing transformation", IEEE Transactions on Image Processing 20
       (2011) 2697-2698.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.applications import denoise
    >>> clean = np.zeros((64, 64))
    >>> clean[16:48, 16:48] = 1
    >>> noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)
    >>> bool(np.std(denoise(noisy) - clean) < 0.03)
    True

    Counts of photons, with a camera that adds 100 and has a gain of 2 grey values per photon:

    >>> counts = np.random.default_rng(0).poisson(20 + 60 * clean)
    >>> recorded = 100 + 2.0 * counts
    >>> found = denoise(np.maximum((recorded - 100) / 2, 0), variance_stabilize=True)
    >>> bool(np.std(found - 20 - 60 * clean) < 3)
    True
    """
    report = WorkReport.of(callback)
    scheme = {} if _SCHEME.keys() & params.keys() else _SCHEME
    flow, flow_input = check_input(image, flow, params, mask, **scheme)
    levels = None if sigma is None else read_sigma(sigma, flow_input.axes)
    raw = RawImage.of(flow_input)
    noisy = raw.image
    if variance_stabilize:
        if noisy.min() < 0:
            raise ValueError(
                f"variance_stabilize=True got values down to {float(noisy.min()):g}, and counts "
                "are >= 0. Pass np.maximum((image - offset) / gain, 0), with offset and gain of "
                "the camera, or leave variance_stabilize out."
            )
        noisy = stabilize(noisy)
    random, clean = np.random.default_rng(random_state), noisy.clone()
    # The same for every item of a batch, which is denoised as it would be alone.
    batch, shape = flow_input.axes.batch_axis, flow_input.axes.shape
    signs = random.choice(
        np.array([-1, 1], np.int8), [1 if a == batch else n for a, n in enumerate(shape)]
    )
    probes = flow_input.axes.to_core(torch.from_numpy(signs).to(noisy.device).expand(shape))
    found, n = [], len(noisy)
    for i in range(n):
        item = NoisyImage.of(noisy[i], raw.data[i], None if levels is None else levels[i])
        found.append(item)
        if item.sigma.any():
            part = share_of(report, i / n, (i + 1) / n)
            change = item.least_risk(flow, flow_input.spacing, probes[i], part)
            clean[i] = torch.where(item.noisy, noisy[i] + change, noisy[i])
    if report is not None:
        report(1.0)
    if not (variance_stabilize and sigma is None and _warn_of_no_counts(found)):
        whole = not variance_stabilize and bool((raw.image == raw.image.round()).all())
        _warn(found, sigma is None, bool(torch.equal(clean, noisy)), whole)
    if variance_stabilize:
        clean = torch.where(clean == noisy, raw.image, counts_from(clean).to(clean.dtype))
    result = flow_input.axes.from_core(clean)
    if isinstance(flow_input, ConfinedInput) and flow_input.given is not None:
        result = torch.where(flow_input.data, result, flow_input.given)
    return flow_input.restore(result)


def _warn_of_no_counts(items: list[NoisyImage]) -> bool:
    """Warn if the noise of an item is not that of counts; return whether it is not."""
    levels = [float(item.sigma.max()) for item in items if item.varies]
    wrong = [level for level in levels if not _LEAST_OF_COUNTS < level < _MOST_OF_COUNTS]
    if wrong:
        message = (
            "These are no counts of photons: their noise would be 1 in Anscombe's values, and is "
            f"{wrong[0]:.2g}, so the result is poor. Pass np.maximum((image - offset) / gain, 0), "
            "with offset and gain of the camera. Counts that were divided, as by img_as_float or "
            "in skimage.util.random_noise, must be multiplied again."
        )
        warnings.warn(message, UserWarning, stacklevel=stacklevel_of_caller())
    return bool(wrong)


def _warn(items: list[NoisyImage], estimated: bool, unchanged: bool, whole: bool) -> None:
    """Say what the user would otherwise take for a result."""
    message = ""
    coloured = [item for item in items if not item.is_white]
    far = [] if estimated else [i for i in coloured if i.level() > _FAR_ABOVE * i.sigma.max()]
    if far:
        message = f"sigma is far below the noise of the image, {far[0].level():.2g}. "
        # The command line reads integers into float32, so the dtype does not tell.
        message += (
            "It is in the units of the image, whose values are whole numbers: if it is meant for "
            "values from 0 to 1, multiply it by the largest possible value, 255 for 8 bits, or "
            "divide the image by that (--unit-range on the command line)."
            if whole
            else "Leave it out, and it is estimated."
        )
    elif coloured:
        message = (
            "The noise is plainly not white: distant pixels differ much more than neighbours do, "
            "as after blurring, compression or in stripes. Little of it is removed. Pass the image "
            "as it was recorded"
            + ", or sigma, the standard deviation of a single pixel" * estimated
            + "."
        )
    elif unchanged and estimated and any(item.varies for item in items):
        message = (
            "No noise was found, so the image comes back as it is. Pass sigma if you know that "
            "there is noise, such as sigma=0.05."
        )
    if message:
        warnings.warn(message, UserWarning, stacklevel=stacklevel_of_caller())
