"""Minimisation over space and time: compiled against plain torch, and both against the truth."""

import numpy as np
import pytest
import torch

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.core import losses
from skimage_tvflow.core.backends.numba.space_time import NumbaDescent, NumbaPrimalDual
from skimage_tvflow.core.backends.protocol import SpaceTimeGrid
from skimage_tvflow.core.backends.torch.space_time import TorchDescent, TorchPrimalDual

SHAPES = [
    ((1, 7), (1.0,)),
    ((2, 6, 9), (1.0, 1.0)),
    ((1, 1, 9), (1.0, 1.0)),
    ((1, 5, 1, 6), (1.0, 2.0, 1.5)),
    ((1, 2, 3, 2, 4), (1.0, 1.0, 2.0, 1.0)),
    ((1, 40, 60), (1.0, 1.0)),
]
PAIRS = [(TorchPrimalDual, NumbaPrimalDual, 0.02), (TorchDescent, NumbaDescent, 5e-3)]


def a_grid(shape, spacing, dtype=torch.float64, flat=True):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
    if flat:
        image.flatten()[: image.numel() // 3] = 0.5
    return SpaceTimeGrid(image, tuple(np.linspace(0.01, 0.03, 5)), spacing)


@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-11), (torch.float32, 2e-4)])
def test_compiled_primal_dual_is_plain(shape, spacing, dtype, atol):
    grid = a_grid(shape, spacing, dtype)
    a, b = TorchPrimalDual(grid, 0.02), NumbaPrimalDual(grid, 0.02)
    a.iterate(25)
    b.iterate(25)
    torch.testing.assert_close(a.start(), b.start(), rtol=0, atol=0)
    for u, v in zip(a.trajectory(), b.trajectory(), strict=True):
        assert v.dtype == dtype
        torch.testing.assert_close(u, v, rtol=0, atol=atol)
    for n in range(5):
        torch.testing.assert_close(a.dual(n), b.dual(n), rtol=0, atol=atol)
    torch.testing.assert_close(a.gaps(), b.gaps(), rtol=0, atol=atol * grid.image.numel())


@pytest.mark.parametrize(
    ("shape", "spacing", "dtype", "tol"),
    [*((*case, torch.float64, 1e-9) for case in SHAPES), (*SHAPES[-1], torch.float32, 0.2)],
)
def test_compiled_descent_is_plain(shape, spacing, dtype, tol):
    grid = a_grid(shape, spacing, dtype, flat=False)
    rate = 5e-3
    a, b = TorchDescent(grid, rate), NumbaDescent(grid, rate)
    np.testing.assert_allclose(a.iterate(5), b.iterate(5), rtol=tol / 20)
    # Adam takes a step of the full rate however small a gradient is, and be it that of the
    # constraint where |phi| is 1 but for rounding: a few entries may differ, not the mean.
    pairs = [(a.start(), b.start()), *zip(a.trajectory(), b.trajectory(), strict=True)]
    pairs += [(a.dual(n), b.dual(n)) for n in range(5)]
    for x, y in pairs:
        assert y.dtype == dtype
        assert float((x - y).square().mean().sqrt()) <= tol * rate
    torch.testing.assert_close(a.gaps(), b.gaps(), rtol=tol / 20, atol=tol)


@pytest.mark.parametrize(("plain", "compiled", "step"), PAIRS)
def test_pieces_and_segments_are_the_whole(plain, compiled, step, monkeypatch):
    grid = a_grid((1, 30, 50), (1.0, 1.0))
    whole = compiled(grid, step)
    monkeypatch.setattr("skimage_tvflow.core.backends.numba.space_time._PIXELS_PER_CALL", 3000)
    pieces = compiled(grid, step)
    for minimisation in (whole, pieces):
        minimisation.iterate(7)
    for u, v in zip(whole.trajectory(), pieces.trajectory(), strict=True):
        torch.testing.assert_close(u, v, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [TorchPrimalDual, NumbaPrimalDual, TorchDescent, NumbaDescent])
def test_cancelled_at_once(kind):
    minimisation = kind(a_grid((1, 6, 7), (1.0, 1.0)), 0.02)
    assert minimisation.iterate(10**9, [True]) == []


@pytest.mark.parametrize(("shape", "spacing"), SHAPES[:-2])
def test_primal_dual_ends_in_implicit_euler_steps(shape, spacing):
    grid = a_grid(shape, spacing)
    minimisation = NumbaPrimalDual(grid, 0.02)
    minimisation.iterate(3000)
    assert float(minimisation.gaps().max()) < 1e-8
    u = np.stack([u.numpy() for u in minimisation.trajectory()])
    flow = ChambolleTVFlow(
        n_steps=1,
        order=1,
        tol=1e-9,
        max_num_iter=10**5,
        spacing=spacing,
        channel_axis=0,
        coupled_channels=True,
    )
    before = grid.image.numpy()
    for length, after in zip(grid.lengths, u):
        before = flow.transform(before, length)
        np.testing.assert_allclose(after, before, atol=2e-5)


def test_the_gap_bounds_the_distance_from_implicit_euler_steps():
    grid = a_grid((1, 12, 13), (1.0, 1.0))
    tight = NumbaPrimalDual(grid, 0.02)
    tight.iterate(5000)
    truth = [u.clone() for u in tight.trajectory()]
    lengths = torch.tensor(grid.lengths, dtype=torch.float64)
    minimisation = NumbaPrimalDual(grid, 0.02)
    for _ in range(12):
        minimisation.iterate(3)
        bound = 2 * torch.cumsum(lengths * minimisation.gaps(), 0)
        for n, (u, v) in enumerate(zip(minimisation.trajectory(), truth)):
            assert float((u - v).square().sum()) <= float(bound[n]) * (1 + 1e-9) + 1e-14


@pytest.mark.parametrize("kind", [TorchDescent, NumbaDescent])
def test_descent_tells_the_loss_of_the_paper(kind):
    grid = a_grid((1, 8, 9), (1.0, 1.0))
    minimisation = kind(grid, 5e-3)
    values = minimisation.iterate(1)
    u = grid.image.expand(6, 1, *grid.image.shape)
    phi = grid.start()[1].expand(5, 1, *grid.start()[1].shape)
    times = torch.tensor([0.0, *grid.lengths], dtype=torch.float64).cumsum(0)
    expected = losses.loss(u, phi, grid.image[None], times, grid.spacing)
    assert values == [pytest.approx(float(expected[0]))]
    values += minimisation.iterate(400)
    assert values[-1] < 0.02 * values[0]
