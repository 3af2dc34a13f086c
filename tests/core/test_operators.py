"""Operators: exact identities, values by hand, and a bound that bounds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.core import operators


@st.composite
def grids(draw, max_side=6):
    """Draw a shape (N, C, *spatial) of one to four spatial axes, a spacing and a seed."""
    n_spatial = draw(st.integers(1, 4))
    side = st.integers(1, max_side if n_spatial < 4 else 3)
    sizes = draw(st.lists(side, min_size=n_spatial, max_size=n_spatial))
    h = st.floats(0.1, 10)
    spacing = tuple(draw(st.lists(h, min_size=n_spatial, max_size=n_spatial)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *sizes)
    return shape, spacing, draw(st.integers(0, 2**32 - 1))


def randn(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def random_dual(seed, shape):
    n, channels, *sizes = shape
    return randn(seed, n, channels, len(sizes), *sizes)


def dots(a, b):
    return (a * b).flatten(1).sum(1)


class TestGradientAndDivergence:
    @given(grids())
    def test_divergence_is_minus_the_adjoint_of_the_gradient(self, grid):
        shape, spacing, seed = grid
        u, phi = randn(seed, *shape), random_dual(seed + 1, shape)
        du, div = operators.gradient(u, spacing), operators.divergence(phi, spacing)
        size = dots(du.abs(), phi.abs()) + dots(u.abs(), div.abs())
        assert ((dots(du, phi) + dots(u, div)).abs() <= 1e-14 * size).all()

    @given(grids())
    def test_gradient_is_forward_differences_with_zero_last_entries(self, grid):
        shape, spacing, seed = grid
        u = randn(seed, *shape)
        du = operators.gradient(u, spacing).numpy()
        assert du.shape == (*shape[:2], len(spacing), *shape[2:])
        for axis, h in enumerate(spacing):
            expected = np.diff(u.numpy(), axis=2 + axis, append=u.numpy().take([-1], 2 + axis)) / h
            np.testing.assert_allclose(du[:, :, axis], expected, rtol=1e-14, atol=1e-14)
            assert not du[:, :, axis].take(-1, 2 + axis).any()

    @given(grids())
    def test_divergence_does_not_read_the_flux_out_of_the_image(self, grid):
        shape, spacing, seed = grid
        phi = random_dual(seed, shape)
        poisoned = phi.clone()
        for axis in range(len(spacing)):
            poisoned.select(2, axis).select(2 + axis, -1).fill_(math.inf)
        expected = operators.divergence(phi, spacing)
        assert torch.equal(operators.divergence(poisoned, spacing), expected)

    @given(grids())
    def test_divergence_sums_to_zero(self, grid):
        shape, spacing, seed = grid
        div = operators.divergence(random_dual(seed, shape), spacing)
        assert (div.sum(tuple(range(2, div.ndim))).abs() <= 1e-13 * (1 + div.abs().sum())).all()

    def test_values_by_hand(self):
        u = torch.tensor([[1.0, 3.0, 3.0], [0.0, 3.0, 7.0]])[None, None]
        du = operators.gradient(u, (0.5, 2.0))[0, 0]
        assert du[0].tolist() == [[-2, 0, 8], [0, 0, 0]]
        assert du[1].tolist() == [[1, 0, 0], [1.5, 2, 0]]
        phi = torch.stack([torch.tensor([[1.0, 2.0, 3.0], [9.0, 9.0, 9.0]]), u[0, 0]])[None, None]
        div = operators.divergence(phi, (0.5, 2.0))[0, 0]
        assert div.tolist() == [[2.5, 5.0, 4.5], [-2.0, -2.5, -7.5]]


class TestTotalVariation:
    def test_values_by_hand(self, dtype):
        u = torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
        u = u[None, None].to(getattr(torch, dtype))
        # The spike's own differences (-3, -3) meet in one pixel, those towards it in two others.
        assert operators.total_variation(u, (1, 1)).item() == pytest.approx(6 + 3 * math.sqrt(2))
        expected = 6 + 3 / 0.5 + math.hypot(6, 3) - 3
        assert operators.total_variation(u, (0.5, 1)).item() == pytest.approx(expected)

    def test_a_signal_has_the_sum_of_its_jumps(self):
        u = torch.tensor([0.0, 2.0, -1.0, -1.0, 4.0])[None, None]
        assert operators.total_variation(u, (1,)).tolist() == [10]
        assert operators.total_variation(u, (4,)).tolist() == [2.5]

    def test_coupled_channels_share_one_length(self):
        edge = torch.tensor([0.0, 1.0])
        u = torch.stack([3 * edge, 4 * edge])
        assert operators.total_variation(u[None], (1,)).tolist() == [5]
        assert operators.total_variation(u[:, None], (1,)).tolist() == [3, 4]

    def test_sums_of_float32_are_in_float64(self):
        u = (torch.arange(2**20) % 2).to(torch.float32)[None, None] * 0.1
        exact = (2**20 - 1) * float(np.float32(0.1))
        assert operators.total_variation(u, (1,)).item() == pytest.approx(exact, rel=1e-14)
        assert operators.inner(u, u).item() == pytest.approx(2**19 * 0.01, rel=1e-6)

    @given(grids())
    def test_it_is_the_largest_inner_product_with_dual_fields_of_length_one(self, grid):
        shape, spacing, seed = grid
        u = randn(seed, *shape)
        du = operators.gradient(u, spacing)
        length = operators.magnitude(du)
        assert length.shape == (shape[0], *shape[2:])
        best = du / length.clamp(min=1e-300)[:, None, None]
        variation = operators.total_variation(u, spacing)
        attained = -dots(u, operators.divergence(best, spacing))
        torch.testing.assert_close(variation, attained, rtol=1e-12, atol=1e-12)
        other = random_dual(seed + 1, shape)
        other = other / operators.magnitude(other).clamp(min=1)[:, None, None]
        assert (-dots(u, operators.divergence(other, spacing)) <= variation * (1 + 1e-12)).all()


class TestNormBound:
    @given(grids(max_side=9))
    def test_bounds_the_squared_norm_found_by_power_iteration(self, grid):
        shape, spacing, seed = grid
        bound = operators.norm_bound(spacing, shape[2:])
        u = randn(seed, 1, 1, *shape[2:])
        quotient = 0.0
        for _ in range(100):
            u = u / max(u.norm().item(), 1e-300)
            u = -operators.divergence(operators.gradient(u, spacing), spacing)
            quotient = max(quotient, u.norm().item())
        assert quotient <= bound * (1 + 1e-12)

    @pytest.mark.parametrize("sizes", [(400,), (60, 50), (1, 300)])
    def test_is_sharp_on_large_grids(self, sizes):
        spacing = (0.5, 2.0)[: len(sizes)]
        u = torch.ones(1, 1, *sizes, dtype=torch.float64)
        for axis, n in enumerate(sizes):  # the fastest oscillation
            signs = (-1.0) ** torch.arange(n)
            u = u * signs.reshape(1, 1, *(n if i == axis else 1 for i in range(len(sizes))))
        du = operators.gradient(u, spacing)
        quotient = (dots(du, du) / dots(u, u)).item()
        assert 0.95 * operators.norm_bound(spacing, sizes) <= quotient

    def test_axes_of_one_pixel_have_no_part(self):
        assert operators.norm_bound((0.01, 1.0), (1, 8)) == 4
        assert operators.norm_bound((0.5, 1.0), (8, 8)) == 20
        assert operators.norm_bound((0.5,), (1,)) == 16


class TestSlabs:
    @given(grids(), st.integers(1, 50))
    def test_do_not_change_a_sum(self, grid, size):
        shape, spacing, seed = grid
        u, v, phi = randn(seed, *shape), randn(seed + 1, *shape), random_dual(seed, shape)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(operators._SLAB, "cpu", size)
            variation = operators.total_variation(u, spacing)
            paired = operators.pairing(u, lambda slab: phi[:, :, :, slab], spacing)
            product, apart = operators.inner(u, v), operators.distance(u, v)
        expected = operators.magnitude(operators.gradient(u, spacing)).flatten(1).sum(1)
        torch.testing.assert_close(variation, expected)
        torch.testing.assert_close(paired, -dots(u, operators.divergence(phi, spacing)))
        torch.testing.assert_close(product, dots(u, v))
        torch.testing.assert_close(apart, (u - v).square().flatten(1).mean(1).sqrt())
