"""The least speed at which an image loses its contrast, against images that are slow to."""

import itertools

import numpy as np
import pytest
import torch

from skimage_tvflow.core.decay_rate import decay_rate
from skimage_tvflow.core.operators import total_variation

GRIDS = [((9,), (0.5,)), ((8, 8), (1.0, 1.0)), ((4, 13), (1.0, 2.0)), ((1, 7), (1.0, 1.0)),
         ((5, 5, 5), (1.0, 1.0, 1.0)), ((3, 6, 4), (2.0, 1.0, 0.5)),
         ((3, 3, 3, 3), (1.0, 1.0, 2.0, 1.0))]  # fmt: skip


def quotient(v, spacing):
    """J(v) over the distance from the mean; v is (C, *spatial)."""
    spatial = tuple(range(1, v.ndim))
    size = np.linalg.norm(v - v.mean(spatial, keepdims=True))
    return float(total_variation(torch.from_numpy(v)[None], spacing)[0]) / size


def slow_images(shape, rng):
    """Halves, corners at every vertex, slabs, single pixels, ramps and noise."""
    index = np.indices(shape)
    for axis, n in enumerate(shape):
        for k in range(1, n):
            yield (index[axis] < k).astype(float)
    for ends in itertools.product([False, True], repeat=len(shape)):
        sides = zip(index, shape, ends, strict=True)
        far = sum((n - 1 - i if end else i) / n for i, n, end in sides)
        for reach in np.unique(far)[:-1]:
            yield (far <= reach).astype(float)
    yield index.sum(0).astype(float)
    for _ in range(20):
        yield rng.standard_normal(shape)
        yield (rng.random(shape) < 0.2).astype(float) + rng.random(shape) * 1e-3


@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
def test_no_image_is_slower_and_some_are_nearly_as_slow(shape, spacing):
    rng, rate = np.random.default_rng(3), decay_rate(spacing, shape)
    found = [quotient(v[None], spacing) for v in slow_images(shape, rng)]
    assert min(found) >= rate * (1 - 1e-12)
    assert min(found) <= 3 * rate


@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
def test_coupled_channels_are_not_slower(shape, spacing):
    rng, rate = np.random.default_rng(4), decay_rate(spacing, shape)
    images = list(slow_images(shape, rng))
    for _ in range(300):
        one, two = (images[k] for k in rng.integers(len(images), size=2))
        v = np.stack([one, rng.standard_normal() * two])
        assert quotient(v, spacing) >= rate * (1 - 1e-12)


def test_closed_forms():
    assert decay_rate((0.5,), (16,)) == pytest.approx(1.0)
    assert decay_rate((1.0, 1.0), (4, 12)) == pytest.approx(np.sqrt(2 * 48 / (16 + 144)))
    assert decay_rate((1.0, 3.0, 1.0), (8, 1, 8)) == pytest.approx(1.0)
    assert decay_rate((1.0, 1.0), (1, 1)) == np.inf


def test_a_line_attains_it():
    half = np.repeat([0.0, 1.0], 8)[None]
    assert quotient(half, (0.5,)) == pytest.approx(decay_rate((0.5,), (16,)))
