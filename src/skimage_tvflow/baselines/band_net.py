"""A supervised network for the bands of an image between fixed times."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skimage_tvflow.baselines.candidate import SupervisedTVFlow, flows_of
from skimage_tvflow.core.networks.convolutions import convolution, draw_convolution

# The ends of the bands, in standard deviations of the image.
_BAND_TIMES = np.geomspace(0.03, 4.0, 15)
# An update sees this many crops of this side.
_CROPS, _SIDE = 8, 40


class BandNetTVFlow(SupervisedTVFlow):
    r"""The flow at fixed times by one pass of a convolutional network, learned by example.

    The network maps the image to bands, :math:`u(t_{k-1}) - u(t_k)` of the flow at fixed times
    :math:`t_k`, and is trained on the mean squared distance from bands that the solver computed.
    It is modelled on TVspecNET [1]_. Between these times it is linear, and constant after the last.

    Parameters
    ----------
    t : float or sequence of float, default=0.1
        Time or times of the flow, in the unit of value x spacing.
    width, n_layers : int, default=32 and 7
        Maps between the convolutions of 3 x 3, and convolutions, with ReLU between them.
    max_num_iter : int, default=1500
        Updates of `fit`.
    lr : float, default=1e-3
        Largest learning rate of Adam; it falls as a cosine.
    random_state : int, default=0
        Seed of weights and crops.
    coupled_channels : bool, default=False
        Must be False: channels are separate images here.
    spacing, channel_axis, batch_axis, batch_size, device : optional
        As for `ChambolleTVFlow`; images of two spatial axes of equal spacing.

    Attributes
    ----------
    net_ : torch.nn.Module
        The network, on the CPU.
    loss_curve_ : list of float
        The loss of every update.

    See Also
    --------
    TVFlowNet : A network that needs no examples.

    Notes
    -----
    TVspecNET is of the size of DnCNN, 17 layers of 64 maps with batch normalisation, and gives the
    bands of the spectral TV transform, second derivatives in time; its weights are not published.
    Here the bands are those of the flow, which alone can be compared, and the network is a tenth
    of that. Published is a time of about .002 s for a megapixel on a GPU.

    References
    ----------
    .. [1] T. G. Grossmann, Y. Korolev, G. Gilboa, C.-B. Schönlieb, "Deeply learned spectral total
       variation decomposition", NeurIPS (2020).

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow.baselines import BandNetTVFlow
    >>> images = np.random.default_rng(0).random((2, 24, 24))
    >>> flow = BandNetTVFlow(batch_axis=0, max_num_iter=2).fit(images)
    >>> flow.transform(images, [0.1, 0.2]).shape
    (2, 2, 24, 24)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SupervisedTVFlow._parameter_constraints,
        "width": [Interval(Integral, 1, 1024, closed="both")],
        "n_layers": [Interval(Integral, 2, 64, closed="both")],
        "max_num_iter": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both")],
    }

    def __init__(
        self,
        *,
        t: Any = 0.1,
        width: int = 32,
        n_layers: int = 7,
        max_num_iter: int = 1500,
        lr: float = 1e-3,
        random_state: int = 0,
        coupled_channels: bool = False,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        batch_size: int | None = None,
        device: Any = None,
    ) -> None:
        self.t = t
        self.width = width
        self.n_layers = n_layers
        self.max_num_iter = max_num_iter
        self.lr = lr
        self.random_state = random_state
        self.coupled_channels = coupled_channels
        self.spacing = spacing
        self.channel_axis = channel_axis
        self.batch_axis = batch_axis
        self.batch_size = batch_size
        self.device = device

    def fit(self, image: Any, y: Any = None) -> BandNetTVFlow:
        """Learn from images, whose flows the solver computes.

        Parameters
        ----------
        image : array-like, or list of arrays of any sizes
            Images as `transform` takes them.
        y : ignored
            Present for the sake of pipelines.

        Returns
        -------
        BandNetTVFlow
            The estimator itself.
        """
        images = self._training_images(image)
        paths = [
            np.concatenate([f[None], u]).astype(np.float32)
            for f, u in zip(images, flows_of(images, _BAND_TIMES))
        ]
        side = min(_SIDE, *(n for f in images for n in f.shape))
        rng = np.random.default_rng(int(self.random_state))
        net = self._draw_network(torch.Generator().manual_seed(int(self.random_state)))
        optimizer = torch.optim.Adam(net.parameters(), float(self.lr))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, int(self.max_num_iter))
        losses = []
        with torch.enable_grad():
            for _ in range(int(self.max_num_iter)):
                crops = torch.from_numpy(np.stack([_crop(rng, paths, side) for _ in range(_CROPS)]))
                bands = crops[:, :-1] - crops[:, 1:]
                loss = (net(crops[:, :1]) - bands).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append(float(loss.detach()))
        self.net_, self.loss_curve_ = net, losses
        return self

    def _draw_network(self, generator: torch.Generator) -> nn.Sequential:
        sizes = [1, *[int(self.width)] * (int(self.n_layers) - 1), len(_BAND_TIMES)]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layer = convolution(n_in, n_out, 3, 2).to_empty(device="cpu")
            draw_convolution(layer, generator)
            layers += [layer, nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def _candidates(self, f: np.ndarray, times: np.ndarray, device: torch.device) -> np.ndarray:
        check_is_fitted(self)
        with torch.no_grad():
            bands = self.net_.to(device)(torch.from_numpy(f).float().to(device)[None, None])[0]
        self.net_.to("cpu")
        lost = np.cumsum(bands.double().cpu().numpy(), 0)
        path = np.concatenate([f[None], f[None] - lost])
        knots = np.concatenate([[0.0], _BAND_TIMES])
        position = np.interp(times, knots, np.arange(len(knots)))
        low = np.minimum(position.astype(int), len(_BAND_TIMES) - 1)
        share = (position - low)[:, None, None]
        return (1 - share) * path[low] + share * path[low + 1]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")


def _crop(rng: np.random.Generator, paths: list[np.ndarray], side: int) -> np.ndarray:
    """A square of one flow at all times; the flow of a crop is nearly the crop of the flow."""
    path = paths[int(rng.integers(len(paths)))]
    y, x = (int(rng.integers(n - side + 1)) for n in path.shape[1:])
    return path[:, y : y + side, x : x + side]
