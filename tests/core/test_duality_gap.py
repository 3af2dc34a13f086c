"""Gap and residual of a step: compiled against plain torch in float64, and an exact pair."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.core import operators
from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.numba import duality_gap as numba_duality_gap
from skimage_tvflow.core.backends.numba import duality_gap_kernel
from skimage_tvflow.core.backends.protocol import ROUNDING
from skimage_tvflow.core.backends.torch import duality_gap


@st.composite
def pieces(draw):
    """Images before and after, a dual variable, the length of the piece, the spacing."""
    n_axes = draw(st.integers(1, 3))
    longest = {1: 600, 2: 40, 3: 9}[n_axes]
    sizes = [draw(st.integers(1, longest)) for _ in range(n_axes)]
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *sizes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    before, change = (torch.from_numpy(rng.standard_normal(shape)).to(dtype) for _ in range(2))
    dual = torch.from_numpy(rng.standard_normal((*shape[:2], n_axes, *sizes))).to(dtype)
    size = draw(st.sampled_from([0.1, 1.0]))
    lengths = rng.uniform(0.01, 2, shape[0])
    spacing = tuple(rng.choice([1.0, 1.5, 4.0], n_axes))
    return before, before + size * change, size * dual, lengths, spacing


@given(pieces())
def test_compiled_is_the_reference(piece):
    found, expected = backends.gap_and_residual(*piece), duality_gap.gap_and_residual(*piece)
    np.testing.assert_allclose(found.gaps, expected.gaps, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(found.residual, expected.residual, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 2, 300, 520), (1, 1, 9, 70, 300)])
def test_pieces_of_rows_do_not_change_a_bit(shape, monkeypatch):
    rng = np.random.default_rng(0)
    before, after = (torch.from_numpy(rng.standard_normal(shape)) for _ in range(2))
    n_axes = len(shape) - 2
    dual = torch.from_numpy(rng.standard_normal((*shape[:2], n_axes, *shape[2:])))
    results = []
    for pixels in (1, 1000, 2**30):
        monkeypatch.setattr(numba_duality_gap, "_PIXELS_PER_TASK", pixels)
        results.append(backends.gap_and_residual(before, after, dual, np.ones(1), (1.0,) * n_axes))
    for result in results[1:]:
        np.testing.assert_array_equal(result.gaps, results[0].gaps)
        np.testing.assert_array_equal(result.residual, results[0].residual)


def test_layouts_in_memory_do_not_matter():
    rng = np.random.default_rng(0)
    before = torch.from_numpy(rng.standard_normal((4, 1, 12, 10))).expand(4, 3, 12, 10)
    after = torch.from_numpy(rng.standard_normal((10, 12, 3, 4)).T)
    dual = torch.from_numpy(rng.standard_normal((4, 3, 2, 24, 10)))[..., ::2, :].float()
    found = backends.gap_and_residual(before, after, dual, np.arange(4.0), (1, 1))
    expected = duality_gap.gap_and_residual(before, after, dual, np.arange(4.0), (1, 1))
    np.testing.assert_allclose(found.gaps, expected.gaps, rtol=1e-12)
    np.testing.assert_allclose(found.residual, expected.residual, rtol=1e-12)


@pytest.mark.parametrize("of", [backends.gap_and_residual, duality_gap.gap_and_residual])
def test_of_an_exact_pair(of):
    """u has gap zero with its own direction Du / |Du|, and moves by its divergence."""
    u = torch.arange(24.0, dtype=torch.float64).reshape(1, 1, 4, 6)
    du = operators.gradient(u, (1, 1))
    phi = du / operators.magnitude(du).clamp_(min=1e-300)[:, None, None]
    after = u + 0.3 * operators.divergence(phi, (1, 1))
    found = of(u, after, phi, np.array([0.3]), (1, 1))
    assert found.gaps[0].item() <= 1e-10
    assert found.residual.item() <= 1e-11
    # What rounding may have hidden is added: in J(u), in <u, div phi> and in |phi| <= 1.
    variation = operators.total_variation(u, (1, 1)).item()
    assert found.gaps[0].item() >= 2.5 * ROUNDING * variation
    assert found.residual.item() >= ROUNDING * operators.rms(u).item()
    backwards = of(torch.zeros_like(u), u, phi, np.array([0.3]), (1, 1))
    assert 2.5 * ROUNDING * variation <= backwards.gaps[2].item() <= 1e-10


def test_a_projected_dual_variable_is_shorter_than_1_whatever_the_rounding():
    phi = 3 * np.random.default_rng(0).standard_normal((2, 2, 1, 30, 40))
    factor = np.empty((30, 40))
    duality_gap_kernel.shorten(phi, ROUNDING, 0, 30, factor)
    length = np.sqrt((phi**2).sum((0, 1)))[0]
    assert (factor * length).max() <= 1 - ROUNDING / 2
    assert (factor * np.maximum(length, 1)).min() >= 1 - 2 * ROUNDING


@pytest.mark.parametrize("of", [backends.gap_and_residual, duality_gap.gap_and_residual])
def test_of_images_that_stand_still_the_residual_is_the_rounding_of_both(of):
    u = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, 9, 11)))
    found = of(u, u.clone(), torch.zeros(1, 1, 2, 9, 11), np.ones(1), (1, 1))
    size = float(u.square().mean().sqrt())
    np.testing.assert_allclose(found.residual, 2 * ROUNDING * size, rtol=1e-9)
