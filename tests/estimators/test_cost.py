"""What a solve may cost: in iterations and looks at the image, which no busy machine changes."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skimage_tvflow import ChambolleTVFlow, extinction_time
from skimage_tvflow.core import step_control
from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.extinction import LastStep
from skimage_tvflow.core.integrators import automatic_steps


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
    off = np.abs(result.u[:2] - 1e5 * noise).max()
    # Automatic steps are taken in single precision.
    assert off <= (1e-7 if params else 1e-1)
    assert result.converged


def test_neighbouring_times_are_planned_together(noise, monkeypatch):
    stages, stage = [], automatic_steps._Stage
    monkeypatch.setattr(automatic_steps, "_Stage", lambda *args: stages.append(1) or stage(*args))
    image = np.kron(noise, np.ones((6, 6)))
    few = np.geomspace(0.01, 0.9 * extinction_time(image), 12)
    many = np.sort(np.concatenate([few, *(few[:-1] + k / 6 * np.diff(few) for k in range(1, 6))]))
    alone = ChambolleTVFlow().solve(image, few, certify=False)
    n_alone = len(stages)
    together = ChambolleTVFlow().solve(image, many, certify=False)
    assert len(many) == 67
    assert len(stages) - n_alone < 2 * n_alone
    assert together.converged
    assert together.n_iter < 1.3 * alone.n_iter
    apart = together.u[np.isin(many, few)] - alone.u
    assert np.sqrt((apart**2).mean((1, 2))).max() < 2e-3 * image.std()


class TestSinglePrecision:
    """Images in float64 are computed in float32 where only images within ``tol`` are asked for."""

    @pytest.fixture
    def computed_in(self, monkeypatch):
        """The precisions of the trajectories."""
        found, start = set(), backends.start
        remember = lambda u, *args: found.add(str(u.dtype)) or start(u, *args)  # noqa: E731
        monkeypatch.setattr(backends, "start", remember)
        return found

    def test_the_result_is_that_of_double_precision(self, noise, computed_in, monkeypatch):
        image, times = 1e5 + np.kron(noise, np.ones((6, 6))), [0.1, 0.5, 1.5]
        fast = ChambolleTVFlow().transform(image, times)
        assert computed_in == {"torch.float32"}
        monkeypatch.setattr(step_control, "FINEST_FLOAT32", np.inf)
        exact = ChambolleTVFlow().transform(image, times)
        assert fast.dtype == exact.dtype == np.float64
        assert np.abs(fast - exact).max() < 1e-4 * image.std()
        np.testing.assert_allclose(fast.mean((1, 2)), image.mean(), rtol=1e-15)

    @pytest.mark.parametrize(
        ("params", "options"),
        [({"tol": 1e-4}, {}), ({"n_steps": 3}, {}), ({}, {"return_dual": True})], ids=str,
    )  # fmt: skip
    def test_not_where_more_is_asked_for(self, noise, computed_in, params, options):
        ChambolleTVFlow(**params).solve(noise, 0.1, certify=False, **options)
        assert computed_in == {"torch.float64"}
