"""The certificate where it is known in closed form: what it must be, not only what it must exceed.

A piece costs the integral of the gap and of the residual. Every candidate here has one of them or
both in numbers that can be found by hand, and most of them an exact error as well.
"""

import numpy as np
import pytest

from exact_flow import exact_flow
from independent_solver import euler_flow, gradient, gradient_matrix, length
from skimage_tvflow import ChambolleTVFlow, certify

RNG = np.random.default_rng(0)
A = 1.5
# Two pixels: each moves at speed 1 towards the other, with phi = 1 between them.
PAIR = np.array([-A, A])
PAIR_PHI = np.array([1.0, 0.0])


def bound_of(image, u, dual, times, **params):
    return certify(image, np.array(u), np.array(dual), times, **params).error_bound


def rms(u):
    return np.sqrt(np.mean(np.square(u)))


class TestTheGap:
    """A candidate that stands still with phi = 0 has no residual, and the gap J(f) all the time."""

    @pytest.mark.parametrize("t", [0.1, 0.7, 1.5])
    def test_of_two_pixels(self, t):
        bound = bound_of(PAIR, [PAIR], [0 * PAIR[None]], [t])
        # At A the flow has ended, and the bound is the distance from the mean.
        assert bound[0] == pytest.approx(A if t >= A else np.sqrt(2 * A * t), rel=1e-12)
        error = rms(exact_flow(PAIR, [t])[0] - PAIR)
        assert error == pytest.approx(min(t, A))
        assert error <= bound[0]

    @pytest.mark.parametrize(
        ("shape", "spacing", "channels"),
        [((9,), (0.5,), False), ((6, 7), (1, 1), False), ((6, 7), (2, 0.5), False),
         ((3, 4, 5), (1, 2, 0.7), False), ((2, 3, 2, 3), (1, 1, 1, 1), False),
         ((6, 7, 3), (1, 1), True)],
    )  # fmt: skip
    def test_of_any_image(self, shape, spacing, channels):
        image, times = RNG.standard_normal(shape), np.array([0.1, 0.4])
        sizes = shape[:-1] if channels else shape
        pixels = image.reshape(np.prod(sizes), -1)
        variation = length(gradient(gradient_matrix(sizes, spacing), pixels)).sum()
        params = {"spacing": spacing}
        if channels:
            params |= {"channel_axis": -1, "coupled_channels": True}
        dual = np.zeros((2, len(sizes), *shape))
        bound = bound_of(image, [image, image], dual, times, **params)
        np.testing.assert_allclose(bound, np.sqrt(2 * times * variation / image.size), rtol=1e-10)

    @pytest.mark.parametrize("c", [0.0, 0.3, 0.9])
    @pytest.mark.parametrize("n_pieces", [1, 4])
    def test_of_a_flow_that_is_too_slow(self, c, n_pieces):
        """phi = c moves both pixels at speed c; the gap 2 (1 - c) (a - c t) is linear in t."""
        times = np.arange(1, n_pieces + 1) / n_pieces
        u = [PAIR + c * t * np.array([1, -1]) for t in times]
        bound = bound_of(PAIR, u, [[c * PAIR_PHI]] * n_pieces, times)
        expected = np.sqrt((1 - c) * (2 * A * times - c * times**2))
        np.testing.assert_allclose(bound, expected, rtol=1e-10)
        assert (bound >= (1 - c) * times).all()  # the error


class TestTheResidual:
    """A candidate that stands still with the exact phi has no gap, and the residual |div phi|."""

    @pytest.mark.parametrize("t", [0.1, 1.0])
    def test_of_two_pixels_is_the_error(self, t):
        bound = bound_of(PAIR, [PAIR], [[PAIR_PHI]], [t])
        assert bound[0] == pytest.approx(t, abs=2e-6)  # the root of what rounding may be
        assert rms(exact_flow(PAIR, [t])[0] - PAIR) == pytest.approx(t)

    @pytest.mark.parametrize("speed", [-1.0, 0.5, 3.0])
    def test_of_another_speed(self, speed):
        t = 0.25
        u = PAIR + speed * t * np.array([1, -1])
        bound = bound_of(PAIR, [u], [[PAIR_PHI]], [t])
        assert bound[0] == pytest.approx(abs(speed - 1) * t, abs=2e-6)

    def test_of_a_spike(self):
        """In two dimensions, with the phi that the solver finds: the flow is linear in t."""
        spike, t = np.zeros((9, 9)), 0.2
        spike[4, 4] = 1
        flow = ChambolleTVFlow(n_steps=1, order=1, tol=1e-9, max_num_iter=10**5)
        found = flow.solve(spike, t, return_dual=True)
        bound = bound_of(spike, [spike], found.dual, [t])
        assert bound[0] == pytest.approx(rms(spike - euler_flow(spike, t, 1)), rel=1e-4)

    def test_is_added_to_what_was_there(self):
        """One piece with a gap alone, one with a residual alone, one with a gap alone."""
        duals = [0 * PAIR[None], [PAIR_PHI], 0 * PAIR[None]]
        bound = bound_of(PAIR, [PAIR] * 3, duals, [0.2, 0.5, 1.0])
        first = np.sqrt(2 * A * 0.2)
        second = first + 0.3
        third = np.sqrt(second**2 + 2 * A * 0.5)
        np.testing.assert_allclose(bound, [first, second, third], rtol=1e-10)


class TestOneStep:
    """The signal (0, 3, 2): its peak meets the right end at t = 1/3, within the step to 1/2.

    Euler's phi = (1, -1/2) fits until then, later (1, -1) would: the gap falls from 1/2 to 0. Two
    steps of 1/4 err in the second alone, from 1/4 to 0.
    """

    STEP = np.array([0.0, 3.0, 2.0])
    ONE, TWO = np.sqrt(2 / 3 * 0.5 * 0.5 / 2), np.sqrt(2 / 3 * 0.25 * 0.25 / 2)
    shapes = pytest.mark.parametrize(
        "repeated", [(1,), (4, 1), (2, 2, 1), (2, 1, 2, 1)], ids=["1-D", "2-D", "3-D", "4-D"]
    )

    def bound(self, repeated, **params):
        flow = ChambolleTVFlow(tol=None, max_num_iter=400, **params)
        return flow.solve(np.tile(self.STEP, repeated), 0.5).error_bound[0]

    @shapes
    def test_of_euler(self, repeated):
        assert self.bound(repeated, n_steps=1, order=1) == pytest.approx(self.ONE, rel=1e-5)
        assert self.bound(repeated, n_steps=2, order=1) == pytest.approx(self.TWO, rel=1e-5)

    @shapes
    def test_of_order_2_is_that_of_the_finer_path(self, repeated):
        """Both paths are exact at the end, so nothing is added for their distance."""
        assert self.bound(repeated, n_steps=1, order=2) == pytest.approx(self.TWO, rel=1e-5)

    def test_of_order_2_adds_the_distance_of_the_paths(self):
        image = RNG.random((8, 8))
        params = {"tol": None, "max_num_iter": 400}
        order_2 = ChambolleTVFlow(n_steps=2, order=2, **params).solve(image, 0.1)
        fine = ChambolleTVFlow(n_steps=4, order=1, **params).solve(image, 0.1)
        apart = rms(order_2.u - fine.u)
        assert apart > 1e-4
        expected = fine.error_bound[0] + apart
        assert order_2.error_bound[0] == pytest.approx(expected, rel=1e-6)

    def test_of_the_last_step_into_the_mean(self):
        """(0, 1, 0) is extinct at 1/3; phi = 1 / (3 t) leaves the gap 2 (1 - phi), falling to 0.

        The bound of the gaps ends at the size of the image, from whose mean the flow never departs.
        """
        for t in (0.35, 0.4, 0.5, 1.0, 4.0):
            bound = ChambolleTVFlow(n_steps=1, order=1).solve([0.0, 1.0, 0.0], t).error_bound
            by_gaps = np.sqrt(2 / 3 * (t - 1 / 3))
            assert bound[0] == pytest.approx(min(by_gaps, np.sqrt(2) / 3), rel=1e-6)


class TestNeverBelowTheTruth:
    """In two and three dimensions, where no closed form is: against many independent steps."""

    @pytest.mark.parametrize("shape", [(7, 8), (4, 5, 3)])
    @pytest.mark.parametrize("size", [0.0, 0.02, 0.5])
    def test_of_any_candidate(self, shape, size):
        image, t = RNG.random(shape), 0.06
        fine = euler_flow(image, t, 400, gap=1e-12)
        truth = 2 * fine - euler_flow(image, t, 200, gap=1e-12)
        unsure = rms(truth - fine)
        found = ChambolleTVFlow(n_steps=3, order=1).solve(image, t, return_dual=True)
        for share in (0.0, 0.5, 1.0, 1.5):
            u = found.u[0] + size * RNG.standard_normal(shape)
            bound = bound_of(image, [u], share * found.dual, [t])[0]
            assert rms(u - truth) <= bound + unsure

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    @pytest.mark.parametrize("shape", [(7, 8), (4, 5, 3)])
    def test_of_a_solve(self, shape):
        image, t = RNG.random(shape), 0.06
        fine = euler_flow(image, t, 400, gap=1e-12)
        truth = 2 * fine - euler_flow(image, t, 200, gap=1e-12)
        unsure = rms(truth - fine)
        for params in (
            {},
            {"order": 1},
            {"tol": 0.1},
            {"n_steps": 2, "tol": None, "max_num_iter": 2},
        ):
            result = ChambolleTVFlow(**params).solve(image, t)
            assert rms(result.u - truth) <= result.error_bound[0] + unsure


@pytest.mark.parametrize("size", [1.0, 1e-200, 1e200, 1e-310])
def test_long_after_extinction_the_bound_is_the_size_of_the_image(size):
    image = size * np.random.default_rng(0).random((24, 24))
    result = ChambolleTVFlow().solve(image, [1e3 * size, 1e308])
    np.testing.assert_allclose(result.u, image.mean(), rtol=1e-12)
    deviation = size * (image / size).std()  # the squares of 1e-200 are out of range
    assert (result.error_bound <= 1.001 * deviation + 1e-15 * size).all()
    far = certify(image, np.stack([image]), np.zeros((1, 2, 24, 24)), [1e3 * size]).error_bound
    assert far[0] >= deviation  # the candidate that stands still is off by that
