"""The learned TV flow: a network trained on nothing but the equation."""

from __future__ import annotations

import copy
import functools
import math
import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted, check_random_state

from skimage_tvflow.core.integrate import Method
from skimage_tvflow.core.integrators.network import NetworkIntegrator, NetworkSettings
from skimage_tvflow.core.networks.semi_resnet import ACTIVATIONS, SemiResNet
from skimage_tvflow.core.networks.unrolled import LARGEST_WEIGHT, find_unusable_weight
from skimage_tvflow.core.parallel import fork_safe
from skimage_tvflow.core.published_network import PublishedNetworkIntegrator
from skimage_tvflow.estimators.base import BaseTVFlow
from skimage_tvflow.estimators.callbacks import Callback, check_callback
from skimage_tvflow.estimators.result import Progress
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.learned import weight_files
from skimage_tvflow.learned.architectures import (
    ARCHITECTURES,
    kind_of,
    refuse_other_kind,
    untrained,
)
from skimage_tvflow.learned.fitting import train
from skimage_tvflow.learned.images import (
    as_image_list,
    check_grid,
    split_image,
    split_images,
    warn_of_colours,
)
from skimage_tvflow.learned.recipe import TrainingOptions
from skimage_tvflow.learned.weight_files import PretrainedNetwork

# More steps within a window would be lost to float32: a step changes u / step, which grows with the
# number of steps, by values of size 1.
_MOST_STEPS = 100_000
# Beyond this an update of the weights does not fit into memory; the recipe has 4.
_LARGEST_TRAIN_BATCH = 65_536
# The updates of Adam are computed in float32, which ends at 3e38; useful rates are below 0.1.
_LARGEST_LR = 1e30


class TVFlowNet(BaseTVFlow):
    r"""Total variation flow by a network that was trained without a single solution.

    The network takes implicit Euler steps, and replaces the solve in each step by a few learned
    updates of the dual variable. They keep :math:`|\phi| \le 1`, and the image changes by
    :math:`\mathrm{div}\,\phi`, for any weights: every answer is an admissible trajectory and has a
    rigorous error bound. The network is trained on the gap of Brezis and Ekeland [2]_,

    .. math:: \sum_k J(u_k) + \langle u_k, \mathrm{div}\,\phi_k \rangle \ge 0 ,

    which vanishes for the flow of implicit Euler steps, and only for it. The idea to learn the flow
    from its equation is that of TVflowNET [1]_.

    Parameters
    ----------
    t : float or sequence of float, default=0.2
        Time or times of the flow, in the unit of value x spacing.
    n_steps : int, default=16
        Time steps up to .8 standard deviations of the image (the time 0.2 for a photograph in
        [0, 1]), at most 100,000; later steps grow with the root of the time. More steps are more
        accurate, for the same weights. Between steps the answer is linear in time. A semi-resnet
        has no steps, and does not look at it.
    refine : int, default=0
        Iterations of the exact dual solve in every step, from the answer of the network; at most
        100,000. A semi-resnet takes none.
    weights : str, path or None, default=None
        Network to start from: the name of a shipped model, "natural-2d", "natural-3d" or
        "paper-2d", or a
        ``.safetensors`` file of `save_pretrained`. With weights, `transform` needs no `fit`, and
        `fit` trains them further. The file is read at every call.
    architecture : {"unrolled", "semi-resnet"}, default="unrolled"
        Kind of network; with `weights` it must be theirs. "semi-resnet" is that of the paper [1]_:
        it maps the image and a time to the flow at that time, by eight convolutions in a row. It is
        here for comparison: the other is far more accurate.
    activation : {"mixed", "relu", "softplus"}, default="mixed"
        Of a semi-resnet: ReLU after the first convolution and softplus after the others, or the
        same after all.
    max_epochs : "auto" or int, default="auto"
        Epochs of `fit`. Those of "unrolled" have at most 100 updates, and "auto" depends on the
        number of pixels to learn from; those of "semi-resnet" have one patch for every patch's
        size of pixels, and "auto" is 55. 0 takes `weights` as they are.
    lr : "auto" or float, default="auto"
        Largest learning rate of Adam, at most 1e30. "auto" is 0.003, or 0.0005 for "semi-resnet".
    patch_size : "auto" or int, default="auto"
        Side of the patches to learn from. "auto" is 48, or 20 in three dimensions; for
        "semi-resnet" 96, or 24 in three dimensions.
    train_batch_size : "auto" or int, default="auto"
        Patches in an update, at most 65,536. "auto" is 4, or 2 in three dimensions.
    validation_fraction : float, default=0.1
        Fraction of the images that is held out to measure the validation loss. A single image
        serves for both.
    early_stopping : bool, default=True
        Whether to stop after 10 epochs without a smaller validation loss, 55 for "semi-resnet".
    checkpoint_dir : str, path or None, default=None
        Folder of a checkpoint, written after every epoch, from which an interrupted `fit` with the
        same images and parameters continues to the same weights.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous `fit`.
    random_state : int, RandomState or None, default=None
        Seed of weights and patches; the same integer gives the same network, in any thread. None
        takes a new seed for every `fit`. NumPy's and torch's own random states are never changed.
    verbose : int, default=0
        Whether `fit` shows a progress bar.
    coupled_channels : bool, default=False
        Must be False: channels are separate images here.
    spacing : float or sequence of float, optional
        Distance between pixels, the same along all spatial axes.
    channel_axis, batch_axis : optional
        As for `ChambolleTVFlow`.
    batch_size : int, optional
        How many independent images or channels to compute at a time: on the CPU one, on other
        devices all. More than one is faster for images below about 64 x 64 pixels, and changes
        results by rounding errors.
    device : optional
        As for `ChambolleTVFlow`.

    Attributes
    ----------
    net_ : torch.nn.Module
        The network, on the CPU.
    n_iter_ : int
        Epochs of the last `fit`.
    loss_curve_, validation_loss_curve_ : list of float
        The mean loss of every epoch, and the loss of held out patches after it.
    recipe_ : dict
        How the weights were trained; `save_pretrained` keeps it.
    n_spatial_dims_ : int
        2 or 3: the spatial axes of the images it was trained on. One-dimensional signals are images
        of one row.
    n_features_in_ : int
        Length of the signals that `fit` saw; only for tables with ``batch_axis=0``.

    See Also
    --------
    ChambolleTVFlow : The flow to a tolerance.

    Notes
    -----
    `transform` records no gradients. To differentiate the flow with respect to the image or the
    weights, call `net_` itself. It is a torch module for float32 images of shape (N, 1, \*spatial)
    divided by the length of a time step: ``net_.start(image / step)`` gives a state,
    ``net_(state, n)`` the states after each of n steps, and ``step * state.g`` is the image of a
    state, ``state.z`` its dual variable. The network was trained on images without their mean, and
    on 8 to 50 steps per .8 standard deviations of the image. See the last example.

    References
    ----------
    .. [1] T. G. Grossmann, S. Dittmer, Y. Korolev, C.-B. Schönlieb, "Unsupervised Learning of the
       Total Variation Flow", arXiv:2206.04406 (2022).
    .. [2] H. Brezis, I. Ekeland, "Un principe variationnel associé à certaines équations
       paraboliques", C. R. Acad. Sci. Paris 282 (1976) 971-974.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage_tvflow import TVFlowNet
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> flow = TVFlowNet.from_pretrained("natural-2d")
    >>> result = flow.solve(image, 0.1)
    >>> bool(result.error_bound[0] < 0.1 * image.std())
    True

    The derivative of the squared flow with respect to the image, at the time of 8 steps:

    >>> import torch
    >>> f = torch.tensor(image - image.mean(), dtype=torch.float32)[None, None].requires_grad_()
    >>> step = 0.8 * image.std() / 16
    >>> *_, last = flow.net_(flow.net_.start(f / step), 8)
    >>> u = step * last.g
    >>> (u**2).sum().backward()
    >>> f.grad.shape
    torch.Size([1, 1, 32, 32])
    """

    __metadata_request__fit: ClassVar = {"image": UNUSED, "callback": UNUSED}

    # One item at a time. torch's convolutions round otherwise when the batch has another size, and
    # an image must not depend on those beside it. Larger batches are faster for tiny images only.
    _bytes_per_batch: ClassVar[int] = 1

    _takes_complex = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTVFlow._parameter_constraints,
        "n_steps": [Interval(Integral, 1, _MOST_STEPS, closed="both")],
        "refine": [Interval(Integral, 0, _MOST_STEPS, closed="both")],
        "weights": [str, os.PathLike, None],
        "architecture": [StrOptions(set(ARCHITECTURES))],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "max_epochs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(Real, 0, _LARGEST_LR, closed="right"), StrOptions({"auto"})],
        "patch_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "train_batch_size": [
            Interval(Integral, 1, _LARGEST_TRAIN_BATCH, closed="both"),
            StrOptions({"auto"}),
        ],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "early_stopping": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        t: Any = 0.2,
        n_steps: int = 16,
        refine: int = 0,
        weights: Any = None,
        architecture: str = "unrolled",
        activation: str = "mixed",
        max_epochs: int | str = "auto",
        lr: float | str = "auto",
        patch_size: int | str = "auto",
        train_batch_size: int | str = "auto",
        validation_fraction: float = 0.1,
        early_stopping: bool = True,
        checkpoint_dir: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
        coupled_channels: bool = False,
        spacing: Any = None,
        channel_axis: int | None = None,
        batch_axis: int | None = None,
        batch_size: int | None = None,
        device: Any = None,
    ) -> None:
        self.t = t
        self.n_steps = n_steps
        self.refine = refine
        self.weights = weights
        self.architecture = architecture
        self.activation = activation
        self.max_epochs = max_epochs
        self.lr = lr
        self.patch_size = patch_size
        self.train_batch_size = train_batch_size
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.checkpoint_dir = checkpoint_dir
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.coupled_channels = coupled_channels
        self.spacing = spacing
        self.channel_axis = channel_axis
        self.batch_axis = batch_axis
        self.batch_size = batch_size
        self.device = device

    @classmethod
    def from_pretrained(cls, name_or_path: Any = "natural-2d", **params: Any) -> TVFlowNet:
        """Return an estimator with trained weights.

        Parameters
        ----------
        name_or_path : str or path, optional
            "natural-2d", "natural-3d", "paper-2d", or a ``.safetensors`` file of
            `save_pretrained`. Its `architecture` and `activation` become those of the estimator.
        **params : dict
            Parameters of the estimator. `weights` among them takes the place of `name_or_path`.

        Returns
        -------
        TVFlowNet
            Ready to `transform`, with a network of its own; `fit` leaves the weights as they are
            unless `max_epochs` is given.

        Raises
        ------
        TypeError, ValueError, OSError
            If there is no such model, or the file is damaged or of another kind.
        """
        flow = cls(**{"weights": name_or_path, "max_epochs": 0, **params})
        trained = weight_files.load(flow.weights)
        # What the file says, unless the caller says something else, which is then refused.
        flow.set_params(**{**kind_of(trained.net), **params})
        flow._set_network(flow._matching(trained))
        return flow

    def save_pretrained(self, path: Any) -> None:
        """Write the network to one file, from which `from_pretrained` makes an estimator.

        Parameters
        ----------
        path : str or path
            The file, ending in ``.safetensors``. An existing file is replaced at once.

        Raises
        ------
        ValueError
            If the path ends in something else, or `net_` or `recipe_` could not be loaded again.
        OSError
            If the folder does not exist, or the file cannot be written.
        NotFittedError
            If there is no network yet.
        """
        trained = self._trained()
        weight_files.save(path, trained.net, trained.recipe)

    @fork_safe()
    def fit(self, image: Any, y: Any = None, *, callback: Callback | None = None) -> Any:
        """Train on images, without targets.

        Parameters
        ----------
        image : array-like, list of arrays of any sizes, or torch Dataset
            Images as `transform` takes them; of a Dataset's tuples the first entry. The items of a
            batch and the channels are separate images.
        y : ignored
            Present for the sake of pipelines.
        callback : callable, optional
            ``callback(progress)`` is told the fraction of the work that is done after every update;
            returning True ends the training with the best weights so far.

        Returns
        -------
        TVFlowNet
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an image is not valid, or the loss becomes NaN or infinite.

        Warns
        -----
        UserWarning
            If the last axis of a volume looks like colours.
        """
        check_callback(callback)
        self.__dict__.pop("n_features_in_", None)
        if self.checkpoint_dir is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"checkpoint_dir got random_state={self.random_state!r}, and a training can only "
                "be continued with the same seed. Pass random_state=0, say."
            )
        images = self._images(image)
        options = self._training_options()
        start = self._start(3 if images[0].ndim == 3 else 2, options.seed)
        warn_of_colours(images)
        try:
            losses, validation_losses = train(
                start.net,
                images,
                options,
                checkpoint_dir=None if self.checkpoint_dir is None else Path(self.checkpoint_dir),
                show_bar=bool(self.verbose),
                stop_requested=lambda done: (
                    callback is not None and bool(callback(Progress(done, math.nan)))
                ),
            )
        except FloatingPointError as error:
            raise ValueError(
                f"The training has left the range of numbers: {error}. Pass a smaller lr than "
                f"lr={self.lr!r}, such as lr=1e-3."
            ) from error
        recipe = start.recipe
        if losses:
            best = min(validation_losses)
            recipe = {"epochs": len(losses), "validation_loss": best, "from": start.recipe or None}
        self._set_network(PretrainedNetwork(start.net, recipe))
        self.n_iter_ = len(losses)
        self.loss_curve_, self.validation_loss_curve_ = losses, validation_losses
        return self

    def _images(self, image: Any) -> list[np.ndarray]:
        """Return every separate image that `fit` was given, float32, with 2 or 3 axes."""
        entries = as_image_list(image)
        if entries is None:
            flow_input = self._check_input(image, None)
            if len(flow_input.axes.shape) == 2 and flow_input.axes.batch_axis == 0:
                self.n_features_in_ = flow_input.axes.shape[1]
            return split_image(flow_input.image)
        self._check_parameters()
        return split_images(
            entries,
            batch_axis=self.batch_axis,
            channel_axis=self.channel_axis,
            spacing=self.spacing,
        )

    def _training_options(self) -> TrainingOptions:
        if isinstance(self.random_state, Integral):
            seed = int(self.random_state)
        elif self.random_state is None:
            # scikit-learn would draw from NumPy's global random state, which is the caller's.
            seed = int(np.random.default_rng().integers(2**31 - 1))
        else:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return TrainingOptions(
            max_epochs=self.max_epochs,
            lr=self.lr,
            patch_size=self.patch_size,
            batch_size=self.train_batch_size,
            validation_fraction=float(self.validation_fraction),
            early_stopping=bool(self.early_stopping),
            seed=seed,
        )

    def _start(self, n_spatial: int, seed: int) -> PretrainedNetwork:
        """Return the network with which training begins; it belongs to the caller."""
        if self.warm_start and hasattr(self, "net_"):
            # A training that fails must leave the weights as they were.
            start = self._matching(PretrainedNetwork(copy.deepcopy(self.net_), self.recipe_))
        elif self.weights is not None:
            start = self._matching(weight_files.load(self.weights))
        else:
            net = untrained(self.architecture, self.activation, n_spatial, seed)
            start = PretrainedNetwork(net, {})
        trained_on = start.net.design.n_spatial
        if trained_on != n_spatial:
            raise ValueError(
                f"The weights are for {trained_on}-D images, got images with {n_spatial} spatial "
                f"axes. Pass weights='natural-{n_spatial}d', weights=None to train new ones, or "
                "channel_axis=-1 if the last axis has colours."
            )
        return start

    def _matching(self, trained: PretrainedNetwork) -> PretrainedNetwork:
        """Return a network, or raise if it is of another kind than the parameters say."""
        refuse_other_kind(trained.net, architecture=self.architecture, activation=self.activation)
        return trained

    def _set_network(self, trained: PretrainedNetwork) -> None:
        self.net_, self.recipe_ = trained.net, trained.recipe
        self.n_spatial_dims_ = trained.net.design.n_spatial

    def _trained(self) -> PretrainedNetwork:
        """Return the network that `transform` uses."""
        if not hasattr(self, "net_") and self.weights is not None:
            return self._matching(weight_files.load(self.weights))
        check_is_fitted(self)
        # The caller can write to the parameters of net_.
        unusable = find_unusable_weight(dict(self.net_.named_parameters()))
        if unusable is not None:
            raise ValueError(
                f"{unusable} of net_ has NaN or infinite weights, or weights beyond "
                f"{LARGEST_WEIGHT:g}, with which the flow would overflow. Smaller weights are "
                "needed: fit again, or load them again by TVFlowNet.from_pretrained('natural-2d')."
            )
        return self._matching(PretrainedNetwork(self.net_, self.recipe_))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.coupled_channels:
            raise ValueError(
                "coupled_channels=True got TVFlowNet, whose channels are separate images. Pass "
                "coupled_channels=False, or use ChambolleTVFlow."
            )
        if self.refine and self.architecture == "semi-resnet":
            raise ValueError(
                f"refine={self.refine} got architecture='semi-resnet', which has no steps to be "
                "refined. Pass refine=0, or architecture='unrolled'."
            )

    def _check_input(self, image: Any, t: Any, mask: Any = None, weight: Any = None) -> FlowInput:
        flow_input = super()._check_input(image, t, mask, weight)
        check_grid(flow_input.axes, flow_input.spacing)
        return flow_input

    def _method(self, flow_input: FlowInput) -> Method:
        net, n_spatial = self._trained().net, flow_input.axes.n_spatial
        if net.design.n_spatial != max(n_spatial, 2):
            raise ValueError(
                f"The network is for {net.design.n_spatial}-D images, got one with {n_spatial} "
                f"spatial axes. Pass weights='natural-{max(n_spatial, 2)}d', or batch_axis=0 for a "
                "stack of images."
            )
        if isinstance(net, SemiResNet):
            return functools.partial(PublishedNetworkIntegrator, net)
        settings = NetworkSettings(net, n_steps=int(self.n_steps), refine=int(self.refine))
        return functools.partial(NetworkIntegrator, settings)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_") or self.weights is not None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.weights is None
        tags.non_deterministic = False
        return tags
