"""Domains: their pieces, their faces, and how fast every image approaches its means at least."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow.core.domain import Domain, faces_between
from skimage_tvflow.core.operators import total_variation
from skimage_tvflow.core.pieces import Pieces

SHAPES = st.sampled_from([(7,), (4, 5), (3, 6), (2, 3, 4)])


def random_domain(shape, seed, hidden, spacing):
    random = np.random.default_rng(seed)
    mask = torch.from_numpy(random.random((1, *shape)) > hidden)
    radius = torch.from_numpy(random.uniform(0.2, 1, (1, *shape))) * mask
    faces = faces_between(mask, radius)
    return Domain.of(radius, faces, spacing), Pieces.of(faces[0].numpy())


@settings(max_examples=200)
@given(SHAPES, st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.4]), st.booleans())
def test_no_image_decays_more_slowly_than_the_rate(shape, seed, hidden, even):
    """Indicators of parts of a piece come nearest to it; random images are far from it."""
    spacing = tuple(1.0 if even else 1.0 + axis for axis in range(len(shape)))
    domain, pieces = random_domain(shape, seed, hidden, spacing)
    random = np.random.default_rng(seed + 1)
    flat = pieces.labels.ravel()
    for k in np.flatnonzero(pieces.sizes > 1):
        inside = np.flatnonzero(flat == k)
        for part in [[i] for i in inside] + [inside[: n + 1] for n in range(len(inside) - 1)]:
            v = np.zeros(flat.size)
            v[part] = 1 + 0.1 * random.random()
            v = v.reshape(shape) - pieces.means(v.reshape(shape))
            variation = total_variation(torch.from_numpy(v)[None, None], spacing, domain)
            assert float(variation) >= domain.rate[0] * np.linalg.norm(v) * (1 - 1e-12)


@settings(max_examples=50)
@given(SHAPES, st.integers(0, 10**6))
def test_pieces_are_joined_by_open_faces_alone(shape, seed):
    _, pieces = random_domain(shape, seed, 0.3, (1.0,) * len(shape))
    assert pieces.sizes.sum() == pieces.labels.size
    for axis, open_ in enumerate(pieces.faces):
        here, there = (
            np.moveaxis(pieces.labels, axis, 0)[:-1],
            np.moveaxis(pieces.labels, axis, 0)[1:],
        )
        where = np.moveaxis(open_, axis, 0)
        assert (here[where[:-1]] == there[where[:-1]]).all()
        assert not where[-1].any()
    values = np.random.default_rng(seed).random(shape)
    means = pieces.means(values)
    for k in range(len(pieces.sizes)):
        inside = pieces.labels == k
        np.testing.assert_allclose(means[inside], values[inside].mean(), atol=1e-14)


def test_a_piece_that_fills_a_box_has_the_rate_of_the_box():
    mask = torch.ones(1, 9, 8, dtype=torch.bool)
    mask[0, :, 3] = False
    domain = Domain.of(mask.double(), faces_between(mask, mask.double()), (1.0, 1.0))
    boxes = [torch.ones(1, 9, n, dtype=torch.bool) for n in (3, 4)]
    rates = [Domain.of(b.double(), faces_between(b, b.double()), (1.0, 1.0)).rate for b in boxes]
    assert domain.rate[0] == np.min(rates)
    hole = mask.clone()
    hole[0, 4, 5] = False
    other = Domain.of(hole.double(), faces_between(hole, hole.double()), (1.0, 1.0))
    assert other.rate[0] < domain.rate[0]
