"""Who takes part: every contender is a flow whose effort is a number of iterations."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from skimage.restoration import denoise_tv_chambolle

from skimage_tvflow import ChambolleTVFlow

Step = Callable[[np.ndarray, float, int], np.ndarray]


@dataclass(frozen=True)
class Contender:
    """One way to compute the flow.

    Attributes
    ----------
    name : str
    flow : from an image, increasing times, an effort and whether only the last frame is wanted to
        frames of shape (T, *image.shape)
    note : what a reader of the table must know
    uniform : every step costs the same, so that a few steps tell what all of them cost
    isotropic : otherwise there is nothing to be accurate to, and only time to see
    distribution : where its version is known
    load : raises ImportError where it is not installed
    """

    name: str
    flow: Callable[..., np.ndarray]
    note: str = ""
    uniform: bool = True
    isotropic: bool = True
    distribution: str | None = None
    load: Callable[[], object] | None = None

    @property
    def available(self) -> bool:
        """Whether it is installed and can be imported."""
        try:
            if self.load is not None:
                self.load()
        except ImportError:
            return False
        return True

    @property
    def label(self) -> str:
        """The name with the version."""
        if self.distribution is None or not self.available:
            return self.name
        return f"{self.name} {metadata.version(self.distribution)}"


def loop(start: Callable[[], Step]) -> Callable[..., np.ndarray]:
    """The flow as a loop over denoising problems, one for each time."""

    def flow(
        image: np.ndarray, times: Sequence[float], effort: int, last: bool = False
    ) -> np.ndarray:
        step = start()
        frames = []
        u = image
        for length in np.diff(times, prepend=0.0):
            u = step(u, float(length), effort)
            frames = [u] if last else [*frames, u]
        return np.stack(frames)

    return flow


def ours(
    image: np.ndarray, times: Sequence[float], effort: int, last: bool = False, **axes: int
) -> np.ndarray:
    """`ChambolleTVFlow` with as many steps as there are times."""
    solver = ChambolleTVFlow(n_steps=len(times), order=1, tol=None, max_num_iter=effort, **axes)
    return solver.transform(image, times[-1:] if last else times)


def _scikit_image(u: np.ndarray, length: float, effort: int) -> np.ndarray:
    return denoise_tv_chambolle(u, weight=length, eps=0, max_num_iter=effort)


def _scikit_image_eps(u: np.ndarray, length: float, effort: int) -> np.ndarray:
    return denoise_tv_chambolle(u, weight=length, eps=effort**-2.0, max_num_iter=20_000)


@torch.no_grad()
def _chambolle_2004(u: np.ndarray, length: float, effort: int) -> np.ndarray:
    """``p <- (p + tau D v) / (1 + tau |D v|)``, ``v = div p + u / length``, from p = 0."""
    f = torch.from_numpy(u) / length
    # 1/4 on a plane, as in practice; it diverges in three dimensions.
    tau = 1 / 4 if f.ndim == 2 else 1 / (2 * f.ndim)
    p, ascent = f.new_zeros((2, f.ndim, *f.shape))
    v, size = torch.empty_like(f), torch.empty_like(f)
    # Views: the pixels that have a neighbour along an axis, and these neighbours.
    here = [(slice(None),) * i + (slice(0, -1),) for i in range(f.ndim)]
    there = [(slice(None),) * i + (slice(1, None),) for i in range(f.ndim)]

    def primal() -> torch.Tensor:
        v.copy_(f)
        for i in range(f.ndim):
            v.add_(p[i])
            v[there[i]].sub_(p[i][here[i]])
        return v

    for _ in range(effort):
        primal()
        for i in range(f.ndim):
            torch.sub(v[there[i]], v[here[i]], out=ascent[i][here[i]])
        torch.mul(ascent[0], ascent[0], out=size)
        for other in ascent[1:]:
            size.addcmul_(other, other)
        p.add_(ascent, alpha=tau).div_(size.sqrt_().mul_(tau).add_(1))
    return primal().mul_(length).numpy()


def _pyproximal(u: np.ndarray, length: float, effort: int) -> np.ndarray:
    from pyproximal import TV

    return TV(u.shape, niter=effort, rtol=0.0).prox(u, length).reshape(u.shape)


def _load_deepinv() -> type:
    """Its denoiser alone: the package imports seven others, of no use to the denoiser."""
    if "deepinv.models.tv" not in sys.modules:
        found = importlib.util.find_spec("deepinv")
        if found is None or found.origin is None:
            raise ImportError("deepinv")
        for name in ("deepinv", "deepinv.models"):
            package = types.ModuleType(name)
            package.__path__ = [str(Path(found.origin).parent.parent / name.replace(".", "/"))]
            sys.modules[name] = package
    return importlib.import_module("deepinv.models.tv").TVDenoiser


def _start_deepinv() -> Step:
    denoiser = _load_deepinv()(crit=0.0)

    @torch.no_grad()
    def step(u: np.ndarray, length: float, effort: int) -> np.ndarray:
        denoiser.n_it_max = effort
        return denoiser(torch.from_numpy(u)[None, None], length)[0, 0].numpy()

    return step


def _prox_tv(u: np.ndarray, length: float, effort: int) -> np.ndarray:
    from prox_tv import tv1_2d, tvgen

    if u.ndim == 2:
        return tv1_2d(u, length, n_threads=1)
    axes = list(range(1, u.ndim + 1))
    return tvgen(u, [length] * u.ndim, axes, [1] * u.ndim, n_threads=1)


OURS = Contender("skimage-tvflow", ours, distribution="skimage-tvflow", uniform=False)
SCIKIT_IMAGE = Contender(
    "scikit-image denoise_tv_chambolle",
    loop(lambda: _scikit_image),
    note="`eps=0`, `max_num_iter` tuned",
    distribution="scikit-image",
)
SCIKIT_IMAGE_EPS = Contender(
    "scikit-image denoise_tv_chambolle",
    loop(lambda: _scikit_image_eps),
    note="`eps` tuned; the number is `eps ** -0.5`",
    distribution="scikit-image",
    uniform=False,
)
CHAMBOLLE_2004 = Contender(
    "Chambolle 2004 in torch",
    loop(lambda: _chambolle_2004),
    note="plain operations, in place, without gradients",
    distribution="torch",
)
PYPROXIMAL = Contender(
    "pyproximal TV",
    loop(lambda: _pyproximal),
    note="`rtol=0`, `niter` tuned",
    distribution="pyproximal",
    load=lambda: importlib.import_module("pyproximal"),
)
DEEPINV = Contender(
    "deepinv TVDenoiser",
    loop(_start_deepinv),
    note="warm from step to step, `crit=0`, `n_it_max` tuned",
    distribution="deepinv",
    load=_load_deepinv,
)
PROX_TV = Contender(
    "proxTV",
    loop(lambda: _prox_tv),
    note="**anisotropic**: another flow, its own iterations, time only",
    isotropic=False,
    distribution="prox-tv",
    load=lambda: importlib.import_module("prox_tv"),
)
