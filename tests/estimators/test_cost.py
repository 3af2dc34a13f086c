"""What a solve may cost: in iterations and looks at the image, which no busy machine changes."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skimage_tvflow import ChambolleTVFlow, extinction_time
from skimage_tvflow.core.extinction import LastStep


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).random((12, 14))


@pytest.mark.parametrize("late", [[1e6], [1e8], [1e-3, 1e12], [1e200]], ids=str)
def test_times_beyond_extinction_do_not_make_early_ones_dear(noise, late):
    early = 0.3
    assert early < extinction_time(noise) < 0.4
    alone = ChambolleTVFlow().solve(noise, early)
    together = ChambolleTVFlow().solve(noise, sorted([early, *late]))
    assert together.n_iter < 2 * alone.n_iter
    assert together.converged


def test_times_over_all_magnitudes_end(noise):
    result = ChambolleTVFlow().solve(noise, np.geomspace(1e-12, 1e12, 30))
    assert result.converged
    assert result.n_iter < 10_000
    np.testing.assert_allclose(result.u[-1], noise.mean(), rtol=1e-14)


def test_a_tolerance_that_nothing_can_meet_ends(noise):
    with pytest.warns(ConvergenceWarning, match="tol=1e-300"):
        result = ChambolleTVFlow(tol=1e-300).solve(noise[:2, :2], 0.1)
    assert not result.converged
    assert result.n_iter < 10_000_000


@pytest.mark.parametrize(
    "params", [{}, {"n_steps": 50}, {"n_steps": 50, "tol": None, "max_num_iter": 2}], ids=str
)
def test_a_constant_image_is_not_looked_at(params, monkeypatch):
    looks = []
    of = LastStep.of
    monkeypatch.setattr(LastStep, "of", lambda *args: looks.append(1) or of(*args))
    result = ChambolleTVFlow(**params).solve(np.ones((8, 8)), np.linspace(0.01, 0.2, 20))
    assert not looks
    assert (result.u == 1).all()
    assert (result.error_bound == 0).all()
    assert result.n_iter == 0


@pytest.mark.parametrize(
    ("side", "count"), [(96, 227), (512, 8), (1024, 2), (2048, 1)], ids=lambda n: str(n)
)
def test_a_batch_has_a_size_in_bytes(side, count):
    flow = ChambolleTVFlow(batch_axis=0)
    stack = np.zeros((2, side, side), np.float32)
    assert flow._items_per_batch(flow._check_input(stack, 0.1)) == count
    flow.set_params(batch_size=3)
    assert flow._items_per_batch(flow._check_input(stack, 0.1)) == 3


@pytest.mark.parametrize("params", [{}, {"n_steps": 4}], ids=str)
def test_a_time_that_underflows_is_a_time_all_the_same(noise, params):
    result = ChambolleTVFlow(**params).solve(1e5 * noise, [5e-324, 1e-300, 0.1])
    np.testing.assert_allclose(result.u[:2], [1e5 * noise] * 2, rtol=1e-12)
    assert result.converged
