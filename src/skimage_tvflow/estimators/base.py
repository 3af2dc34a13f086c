"""The contract of every TV flow estimator: fit, transform, solve, staged_transform."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, InvalidParameterError
from sklearn.utils.metadata_routing import UNUSED

from skimage_tvflow.core.frames import Frames, OutputRequest
from skimage_tvflow.core.integrate import Method, integrate
from skimage_tvflow.core.parallel import fork_safe, fork_safe_items
from skimage_tvflow.core.progress import Report
from skimage_tvflow.estimators.callbacks import (
    Callback,
    StoppedByCallback,
    WorkReport,
    check_callback,
)
from skimage_tvflow.estimators.confined_input import (
    ConfinedInput,
    confined,
    refuse_what_is_not_known,
)
from skimage_tvflow.estimators.per_item import transform_each
from skimage_tvflow.estimators.result import TVFlowResult
from skimage_tvflow.estimators.result_builder import ResultBuilder
from skimage_tvflow.estimators.warn import warn_of_convergence
from skimage_tvflow.inputs.arrays import is_complex
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import is_per_item

_IMAGES_ONLY = OutputRequest()


class BaseTVFlow(TransformerMixin, BaseEstimator, ABC, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base class of the TV flow estimators.

    A subclass stores its parameters, lists their constraints, and names its method.
    """

    # scikit-learn calls the data X; here it is the image, and no metadata to be routed.
    __metadata_request__fit: ClassVar = {"image": UNUSED}
    __metadata_request__transform: ClassVar = {"image": UNUSED}
    __metadata_request__fit_transform: ClassVar = {"image": UNUSED}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        # Checked together with the image, which allows better messages.
        "t": "no_validation",
        "spacing": "no_validation",
        "channel_axis": "no_validation",
        "batch_axis": "no_validation",
        "device": "no_validation",
        "coupled_channels": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    }

    # Items of a batch are solved together up to this many bytes of images, at least one: more do
    # not make it faster, and the state of a solver takes up to sixteen times as much memory.
    _bytes_per_batch: ClassVar[int] = 2**23

    # Whether the method knows masks and weights, and the coupled parts of complex images.
    _takes_limits: ClassVar[bool] = False
    _takes_complex: ClassVar[bool] = True

    @abstractmethod
    def _method(self, flow_input: FlowInput) -> Method:
        """The method of the core with this estimator's parameters."""

    def fit(self, image: Any, y: Any = None) -> Any:
        """Check the parameters and the image; there is nothing to learn.

        Parameters
        ----------
        image : array-like
            An image as `transform` takes it.
        y : ignored
            Accepted because pipelines pass it.

        Returns
        -------
        BaseTVFlow
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the image is invalid.
        """
        # Another fit may see signals of another length.
        self.__dict__.pop("n_features_in_", None)
        if is_complex(y):
            raise ValueError(
                "Complex data not supported: y holds complex numbers, and nothing is learned from "
                "it. Leave y out; the image may be complex."
            )
        flow_input = self._check_input(image, None)
        if _is_table(flow_input.axes):
            self.n_features_in_ = flow_input.axes.shape[1]
        return self

    def transform(self, image: Any, t: Any = None, *, mask: Any = None, weight: Any = None) -> Any:
        r"""The TV flow of an image at one or several times.

        Parameters
        ----------
        image : array-like of shape (..., *spatial, ...)
            Finite. All axes but `batch_axis` and `channel_axis` are spatial. NumPy arrays, torch
            tensors, and arrays of other libraries that support DLPack. float32 stays float32,
            float16 becomes float32, everything else float64. Values are never rescaled. Of complex
            numbers the real and the imaginary part are coupled channels.
        t : float, sequence of T floats, or array of shape (T, B), optional
            Times >= 0 in the unit of value x spacing, in any order; `self.t` by default. With a
            batch axis, an array of two axes gives each of the B items times of its own.
        mask : array-like of bool, optional
            True where the image is data; elsewhere it may hold anything, NaN included, and comes
            back unchanged. No value is made up there: this is no inpainting. Nothing flows between
            data and the rest, and pieces of data that do not touch flow one by one; `tol` is then
            relative to the deviation from their means. Of the shape of the image, or without its
            axes of items or channels.
        weight : array-like, optional
            How strongly the image flows at each pixel: the flow is that of
            :math:`J_w(u) = \sum_x w(x) |Du(x)|`, with w >= 0. Its shape is that of a mask, and an
            axis may have length 1. A constant weight multiplies t.

        Returns
        -------
        array of shape image.shape, or (T, *image.shape) for a sequence
            The flow, as the same kind of array and on the same device as the image.

        Raises
        ------
        ValueError, TypeError
            If a parameter, a time or the image is invalid.

        Warns
        -----
        ConvergenceWarning
            Once per call, if the wanted accuracy was not reached.
        """
        t = self.t if t is None else t
        if is_per_item(t):
            return self._transform_each(self._check_input(image, np.ravel(t), mask, weight), t)
        flow_input = self._check_input(image, t, mask, weight)
        return self._collect(flow_input, _IMAGES_ONLY, None).flow()

    def fit_transform(self, image: Any, y: Any = None, t: Any = None) -> Any:
        """Fit to an image, then transform it.

        Parameters
        ----------
        image : array-like
            As for `transform`.
        y : ignored
            Accepted because pipelines pass it.
        t : float or sequence of T floats, optional
            As for `transform`.

        Returns
        -------
        array of shape image.shape, or (T, *image.shape) for a sequence
            The flow.
        """
        return self.fit(image, y).transform(image, t)

    def solve(
        self,
        image: Any,
        t: Any = None,
        *,
        mask: Any = None,
        weight: Any = None,
        return_dual: bool = False,
        certify: bool = True,
        callback: Callback | None = None,
    ) -> TVFlowResult:
        """The TV flow of an image, with an estimate and a bound of its error.

        Parameters
        ----------
        image : array-like
            As for `transform`.
        t : float or sequence of T floats, optional
            As for `transform`, but for times of every item; a number gives a result of one time.
        mask, weight : array-like, optional
            As for `transform`. Errors are then root mean squares over the data, and the dual
            variable is at most as long as the weight.
        return_dual : bool, optional
            Also return the dual variable.
        certify : bool, optional
            Also compute the rigorous error bound, which takes about as long as the flow itself.
        callback : callable, optional
            ``callback(progress)`` is called at least every 50 ms of work, in the calling thread,
            with the fraction of the work that is done, a `Progress`. Returning True stops the
            solve; the result then has the times that were finished.

        Returns
        -------
        TVFlowResult
            Times, images, estimated errors and error bounds.
        """
        check_callback(callback)
        for name, flag in (("return_dual", return_dual), ("certify", certify)):
            if not isinstance(flag, bool | np.bool_):
                raise TypeError(f"{name} must be True or False, got {flag!r}. Pass {name}=True.")
        request = OutputRequest(dual=bool(return_dual), bound=bool(certify))
        flow_input = self._check_input(image, t, mask, weight)
        return self._collect(flow_input, request, callback).result()

    def staged_transform(
        self, image: Any, t: Any = None, *, mask: Any = None, weight: Any = None
    ) -> Iterator[Any]:
        """Iterate over the flow at the requested times, each as soon as it is computed.

        Parameters
        ----------
        image : array-like
            As for `transform`.
        t : float or sequence of floats, optional
            As for `transform`, but for times of every item.
        mask, weight : array-like, optional
            As for `transform`.

        Returns
        -------
        iterator
            Of arrays like the image: the flow at the distinct times asked for, in increasing order.
        """
        return self._stages(self._check_input(image, t, mask, weight))

    @fork_safe()
    def _transform_each(self, flow_input: FlowInput, t: Any) -> Any:
        def warn(frames: Frames) -> None:
            self._warn(frames.error.T, frames.converged, flow_input.image.dtype, frames.hidden)

        return transform_each(flow_input, t, self._integrate, warn)

    def _stages(self, flow_input: FlowInput) -> Iterator[Any]:
        for frames in fork_safe_items(self._integrate(flow_input)):
            for m in range(len(frames.times)):
                yield flow_input.frame(frames.u[:, m].contiguous())
        self._warn(frames.error.T, frames.converged, flow_input.image.dtype, frames.hidden)

    @fork_safe()
    def _check_input(self, image: Any, t: Any, mask: Any = None, weight: Any = None) -> FlowInput:
        """Check the parameters, an image and times, and bring them into the core's layout."""
        self._check_parameters()
        flow_input = FlowInput.read(
            image,
            self.t if t is None else t,
            self.spacing,
            self.channel_axis,
            self.batch_axis,
            self.coupled_channels,
            self.device,
            mask,
            weight,
        )
        refuse_what_is_not_known(
            flow_input,
            type(self).__name__,
            limits=self._takes_limits,
            complex_images=self._takes_complex,
        )
        if flow_input.limits is not None:
            flow_input = confined(flow_input, flow_input.limits)
        axes = flow_input.axes
        expected = getattr(self, "n_features_in_", None)
        if expected is not None and _is_table(axes) and axes.shape[1] != expected:
            name = type(self).__name__
            raise ValueError(
                f"X has {axes.shape[1]} features, but {name} is expecting {expected} features as "
                "input, the length of the signals it was fitted to. Fit again, or use a new "
                f"{name}."
            )
        return flow_input

    def _integrate(
        self,
        flow_input: FlowInput,
        items: slice = slice(None),
        *,
        request: OutputRequest = _IMAGES_ONLY,
        out: torch.Tensor | None = None,
        report: Report | None = None,
    ) -> Iterator[Frames]:
        """The frames of some items at the increasing times; see `core.integrate`."""
        limits: dict[str, Any] = {}
        if isinstance(flow_input, ConfinedInput):
            limits["domain"] = flow_input.domain[items]
            limits["strength"] = flow_input.strength[items]
        return integrate(
            flow_input.image[items],
            flow_input.times.increasing,
            flow_input.spacing,
            self._method(flow_input),
            request=request,
            tol=getattr(self, "tol", None),
            out=out,
            report=report,
            **limits,
        )

    def _check_parameters(self) -> None:
        for name in self._numbers():
            # In Python True is an int, and would pass as the number 1.
            if isinstance(getattr(self, name), bool):
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be a number, got "
                    f"{getattr(self, name)!r} instead. {self._for_example(name)}"
                )
        try:
            self._validate_params()
        except InvalidParameterError as error:
            name = str(error).split("'")[1]
            raise InvalidParameterError(f"{error} {self._for_example(name)}") from None

    @classmethod
    @functools.cache
    def _numbers(cls) -> list[str]:
        """Names of the parameters that take a number."""
        constraints = cls._parameter_constraints.items()
        return [name for name, kinds in constraints if any(isinstance(k, Interval) for k in kinds)]

    def _for_example(self, name: str) -> str:
        default = inspect.signature(type(self)).parameters[name].default
        return f"For example, type {type(self).__name__}({name}={default!r})."

    @fork_safe()
    def _collect(
        self, flow_input: FlowInput, request: OutputRequest, callback: Callback | None
    ) -> ResultBuilder:
        """All frames of an input, and a warning if they are not as accurate as asked for."""
        builder = ResultBuilder(flow_input, request)
        report = None if callback is None else WorkReport(callback)
        n, size = flow_input.image.shape[0], self._items_per_batch(flow_input)
        try:
            for first in range(0, n, size):
                items = slice(first, min(first + size, n))
                part = report and report.part(items.start / n, items.stop / n)
                out = builder.begin(items)
                if report is not None:
                    report.time = 0.0
                for frames in self._integrate(
                    flow_input, items, request=request, out=out, report=part
                ):
                    builder.put(items, frames)
                    if report is not None:
                        report.reach(frames.times[-1])
                if part is not None:
                    part(1.0)
        except StoppedByCallback:
            builder.stop()
        else:
            dtype = flow_input.image.dtype
            self._warn(builder.error, builder.converged, dtype, builder.hidden)
        return builder

    def _items_per_batch(self, flow_input: FlowInput) -> int:
        image = flow_input.image
        if self.batch_size is not None:
            return int(self.batch_size)
        if image.device.type != "cpu":
            return image.shape[0]
        return max(1, self._bytes_per_batch // image[0].nbytes)

    def _warn(
        self,
        error: np.ndarray,
        converged: np.ndarray,
        dtype: torch.dtype,
        hidden: np.ndarray | None,
    ) -> None:
        if converged.all():
            return
        advice = self._advice(dtype)
        warn_of_convergence(getattr(self, "tol", None), error, converged, dtype, hidden, advice)

    def _advice(self, dtype: torch.dtype) -> str:
        advice = f"Pass a larger tol or max_num_iter (now {self.max_num_iter})"
        return f"{advice}, or a float64 image." if dtype == torch.float32 else f"{advice}."

    @classmethod
    @functools.cache
    def _get_param_names(cls) -> list[str]:
        # Reading the signature at every call, as scikit-learn does, takes as long as a small image.
        return super()._get_param_names()

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = self.batch_axis == 0
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _is_table(axes: ImageAxes) -> bool:
    return len(axes.shape) == 2 and axes.batch_axis == 0
