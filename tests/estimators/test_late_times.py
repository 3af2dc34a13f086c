"""Late times: numba and torch take the same multigrid cycles, and need them."""

import numpy as np
import pytest
import torch

from skimage_tvflow import ChambolleTVFlow, extinction_time
from skimage_tvflow.core import step_control
from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.torch.sweep import TorchTrajectory


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def with_torch(monkeypatch):
    """Return what calls a function while plain torch computes, as it does on a GPU."""

    def call(function, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(backends, "has_compiled", lambda u, algorithm: False)
            return function(*args, **kwargs)

    return call


def plateaus(*shape):
    """Wide plateaus and some noise, different in every item: it takes long until they are gone."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal([-(-n // 20) for n in shape])
    for axis, n in enumerate(shape):
        values = values.repeat(20, axis).take(range(n), axis)
    return values + 0.1 * rng.standard_normal(shape)


@pytest.mark.parametrize(
    ("shape", "params"),
    [((500,), {}), ((64, 45), {}), ((3, 200), {"batch_axis": 0}),
     ((40, 30, 2), {"channel_axis": -1}), ((18, 17, 20), {"spacing": (3.0, 1.0, 1.0)})],
    ids=["1-D", "2-D", "batch", "coupled", "3-D"],
)  # fmt: skip
def test_numba_and_torch_agree(shape, params, with_torch, monkeypatch):
    monkeypatch.setattr(step_control, "FINEST_FLOAT32", np.inf)  # not in single precision
    image, flow = plateaus(*shape), ChambolleTVFlow(tol=1e-2, **params)
    t = 0.3 * np.min(extinction_time(image, **params))
    compiled, plain = flow.solve(image, t), with_torch(flow.solve, image, t)
    np.testing.assert_array_equal(plain.n_iter, compiled.n_iter)
    assert np.abs(plain.u - compiled.u).max() <= 1e-6 * image.std()
    assert np.all(plain.converged)


def test_cycles_spare_most_iterations(with_torch, monkeypatch):
    x = np.arange(500)
    image = np.sin(x / 80) + 0.1 * np.random.default_rng(0).standard_normal(len(x))
    flow, t, cycles = ChambolleTVFlow(tol=1e-2), 0.6 * extinction_time(image), []
    advance = TorchTrajectory.advance

    def counting(self, *args, n_cycles=0, **kwargs):
        cycles.append(n_cycles)
        return advance(self, *args, n_cycles=n_cycles, **kwargs)

    monkeypatch.setattr(TorchTrajectory, "advance", counting)
    with_cycles = with_torch(flow.solve, image, t)
    assert max(cycles) == 1
    monkeypatch.setattr(backends, "has_cycles", lambda u, algorithm: False)
    without = with_torch(flow.solve, image, t)
    # A cycle counts as the iterations that take as long.
    assert with_cycles.n_iter < without.n_iter / 3
    distance = np.sqrt(np.mean((with_cycles.u - without.u) ** 2))
    assert distance <= 2e-2 * image.std()


def test_four_axes_take_cycles_as_three_do():
    """Nothing moves along an axis on which the image is constant: numba takes the other three."""
    image = plateaus(3, 20, 18)
    t = 0.5 * extinction_time(image)
    three = ChambolleTVFlow(tol=1e-2).transform(image, t)
    four = ChambolleTVFlow(tol=1e-2, spacing=(5.0, 1.0, 1.0, 1.0)).transform([image, image], t)
    for found in four:
        assert np.sqrt(np.mean((found - three) ** 2)) <= 2e-2 * image.std()


def test_elsewhere_only_large_batches_of_large_images_take_cycles():
    """There a coarse grid takes nearly as long as a fine one."""

    def has(*shape, device, algorithm="accelerated"):
        return backends.has_cycles(torch.empty(shape, device=device), algorithm)

    assert has(1, 1, 16, 16, device="cpu")
    assert not has(1, 1, 15, 15, device="cpu")
    assert not has(1, 1, 512, device="cpu", algorithm="projection")
    assert has(1, 1, 4096, 4096, device="meta")
    assert has(256, 1, 256, 256, device="meta")
    assert not has(1, 1, 2048, 2048, device="meta")
    assert not has(2000, 1, 96, 96, device="meta")


@pytest.mark.parametrize("times", [[8.0], [0.5, 5.0], np.geomspace(0.01, 100, 40)], ids=len)
def test_an_item_does_not_know_its_batch(times):
    """Late times begin at another time for each, and each has stages of its own."""
    stack = np.stack([
        10 * plateaus(64, 45), np.random.default_rng(1).random((64, 45)), np.full((64, 45), 0.3),
        3 + plateaus(64, 45)[::-1], np.roll(plateaus(64, 45), 20, 1),
    ])  # fmt: skip
    together = ChambolleTVFlow(batch_axis=0).transform(stack, times)
    for item, u in zip(stack, np.moveaxis(together, 1, 0), strict=True):
        np.testing.assert_array_equal(u, ChambolleTVFlow().transform(item, times))
