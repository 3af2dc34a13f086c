"""Bounds of the extinction time from below: never above it, and sharp where they say so."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow import extinction_time
from skimage_tvflow.core.extinction import coarse_remaining_time, pixel_time, remaining_time

BOUNDS = pytest.mark.parametrize("bound", [remaining_time, coarse_remaining_time])


def by_pixel(u, spacing):
    return pixel_time(u.flatten(1).std(1, correction=0).numpy(), spacing)


@pytest.mark.parametrize("bound", [remaining_time, coarse_remaining_time, by_pixel])
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_never_above_the_extinction_time(bound, data, seed):
    n = data.draw(st.integers(1, 3))
    shape = data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    spacing = data.draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n))
    rng = np.random.default_rng(seed)
    image = rng.standard_normal(shape) * rng.integers(0, 2, shape)
    u = torch.from_numpy(image - image.mean())[None, None]
    found = float(bound(u, spacing)[0])
    assert 0 <= found <= extinction_time(image, rtol=1e-3, spacing=spacing) * 1.002


@BOUNDS
@pytest.mark.parametrize("axis", [0, 1])
def test_sharp_for_two_halves(bound, axis):
    # The step of height 1 shrinks by 1/8 at either side.
    u = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    u.narrow(2 + axis, 8, 8).fill_(1)
    assert float(bound(u - u.mean(), [1.0, 1.0])[0]) == pytest.approx(4)


def test_blocks_see_through_noise():
    rng = np.random.default_rng(0)
    image = np.repeat([[0.0], [1.0]], 32, axis=0) + 0.5 * rng.standard_normal((64, 64))
    u = torch.from_numpy(image - image.mean())[None, None]
    spacing = [1.0, 1.0]
    assert coarse_remaining_time(u, spacing)[0] > 10 * remaining_time(u, spacing)[0]


@BOUNDS
def test_constant_images_have_no_time_left(bound):
    u = torch.full((2, 1, 8, 8), 1e-3)
    u[1, 0, :4] = -1e-3
    assert bound(u, [1.0, 1.0])[0] == 0
    assert bound(u, [1.0, 1.0])[1] > 0
