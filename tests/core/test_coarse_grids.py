"""Coarse grids cover the image exactly, and halve the axes whose differences are strong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.core.backends.coarse_grids import LEAST_PIXELS, grids_of, visits_of


@given(
    sizes=st.lists(st.integers(1, 80), min_size=1, max_size=4),
    spacing=st.lists(st.sampled_from([0.3, 1.0, 1.7, 5.0]), min_size=4, max_size=4),
)
def test_every_grid_covers_the_image(sizes, spacing):
    spacing = spacing[: len(sizes)]
    grids = grids_of(sizes, spacing)
    for grid in grids:
        assert grid.sizes == tuple(map(len, grid.widths))
        for n, h, coarse_h, w in zip(sizes, spacing, grid.spacing, grid.widths):
            assert coarse_h * w.sum() == pytest.approx(h * n)
            assert (w[:-1] == 1).all()
            assert 0 < w[-1] <= 1
    assert (len(grids) == 1) == (max(sizes) < LEAST_PIXELS)
    assert max(grids[-1].sizes) < LEAST_PIXELS
    assert visits_of(grids)[-1] == 0


def test_axes_of_coarse_spacing_wait_until_the_others_have_caught_up():
    grids = grids_of((64, 64), (5.0, 1.0))
    assert [grid.sizes for grid in grids] == [
        (64, 64), (64, 32), (64, 16), (32, 8), (16, 8), (8, 8)
    ]  # fmt: skip
    assert visits_of(grids) == [1, 1, 2, 1, 1, 0]


def test_a_last_cell_that_is_not_whole_counts_less():
    fine, coarse, *_ = grids_of((17, 33), (1.0, 1.0))
    assert coarse.sizes == (9, 17)
    np.testing.assert_array_equal(coarse.widths[0], [1] * 8 + [0.5])
    areas, volumes = coarse.areas_and_volumes()
    assert volumes[-1, -1] == 0.25
    assert volumes[-1, 0] == 0.5
    assert areas[0, 3, -1] == 0.5  # the face towards the next row is as wide as the cell
    assert areas[0, -1, 3] == 1
    assert areas[1, -1, 3] == 0.5
    np.testing.assert_array_equal(fine.shares[0], [0.5] * 16 + [1])
    # Children of sizes 1 and 1/2 in a cell of 3/2.
    third = grids_of((67,), (1.0,))[1]
    np.testing.assert_allclose(third.shares[0][-2:], [2 / 3, 1 / 3])


def test_the_first_coarse_grids_visit_the_next_one_twice():
    assert visits_of(grids_of((512, 512), (1.0, 1.0))) == [1, 2, 2, 1, 1, 1, 0]
    assert visits_of(grids_of((64, 64, 64), (1.0, 1.0, 1.0))) == [1, 2, 2, 0]
    assert visits_of(grids_of((200,), (1.0,))) == [1, 1, 1, 1, 0]
    assert visits_of(grids_of((15,), (1.0,))) == [0]
