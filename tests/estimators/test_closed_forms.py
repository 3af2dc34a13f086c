"""Truth: flows that are known exactly, and independent solvers run tight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.restoration import denoise_tv_chambolle

from exact_flow import exact_flow, extinction, signals
from skimage_tvflow import ChambolleTVFlow, extinction_time

# Implicit Euler is exact on signals, so one step from time to time will do, solved tight.
TIGHT = {"order": 1, "n_steps": 1, "tol": 1e-8, "max_num_iter": 10**6}
AUTO = {"tol": 1e-6, "max_num_iter": 10**5}


def assert_flow(flow, truth, signal, tol=1e-6):
    deviation = np.sqrt(np.mean((np.asarray(flow) - truth) ** 2, axis=tuple(range(1, truth.ndim))))
    assert deviation.max() <= tol * np.std(signal)


class TestExactSolverItself:
    """The truth of the other tests, by hand."""

    def test_speeds_of_extrema_ends_and_monotone_runs(self):
        signal = [0, 0, 1, 3, 3, 2, 4]
        assert exact_flow(signal, [0.1]).tolist() == [[0.05, 0.05, 1, 2.9, 2.9, 2.2, 3.9]]
        expected = [[0.025, 0.025, 1, 2.95, 2.95, 2.1, 3.95]]
        assert exact_flow(signal, [0.1], h=2)[0] == pytest.approx(expected[0])

    def test_merging(self):
        # The middle meets its right neighbour at t = 1/3, both go on as one region at an end.
        assert exact_flow([0, 3, 2], [1 / 3, 1 / 2])[1] == pytest.approx([0.5, 2.25, 2.25])

    def test_extinction_in_the_mean(self):
        signal = [0, 0, 1, 1]
        assert exact_flow(signal, [0.99, 1, 7])[:, 0] == pytest.approx([0.495, 0.5, 0.5])
        assert extinction(signal) == 1


class TestSignals:
    @settings(max_examples=40)
    @given(signals(), st.sampled_from([0.25, 1.0, 3.0]))
    def test_through_merging_to_extinction(self, signal, h):
        times = extinction(signal, h) * np.array(
            [0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1, 1.2]
        )
        u = ChambolleTVFlow(spacing=h, **TIGHT).transform(signal, times)
        assert_flow(u, exact_flow(signal, times, h), signal)
        np.testing.assert_allclose(u[-1], signal.mean(), atol=1e-12)

    @pytest.mark.parametrize("n", [40, 150])
    def test_long_signals_through_a_hundred_events(self, n):
        signal = np.random.default_rng(n).standard_normal(n)
        times = extinction(signal) * np.geomspace(1e-3, 1.05, 12)
        truth = exact_flow(signal, times)
        assert np.count_nonzero(np.diff(truth[0])) > n / 2
        assert np.ptp(truth[-1]) < 1e-12
        assert_flow(ChambolleTVFlow(**TIGHT).transform(signal, times), truth, signal)

    @pytest.mark.parametrize("order", [1, 2])
    def test_any_number_of_steps(self, order):
        signal = np.random.default_rng(7).standard_normal(24)
        times = extinction(signal) * np.array([0.1, 0.37, 0.9])
        for n_steps in (1, 3, 20):
            flow = ChambolleTVFlow(**{**TIGHT, "order": order, "n_steps": n_steps})
            assert_flow(flow.transform(signal, times), exact_flow(signal, times), signal)

    @settings(max_examples=60)
    @given(signals(), st.sampled_from([1, 2, 8]), st.sampled_from([1e-2, 1e-3, 1e-6]))
    def test_steps_chosen_by_the_tolerance(self, signal, n_times, tol):
        shares = np.random.default_rng(n_times).uniform(0.01, 1.3, n_times)
        times = extinction(signal) * np.sort(shares)
        u = ChambolleTVFlow(tol=tol, max_num_iter=10**5).transform(signal, times)
        assert_flow(u, exact_flow(signal, times), signal, tol=1.5 * tol)

    def test_extinction_between_two_close_times(self):
        signal, times = np.array([0.0, 0.0, 1.0, 1.0]), [0.5, 0.7, 0.9, 0.99, 1.01, 1.1]
        u = ChambolleTVFlow(**AUTO).transform(signal, times)
        assert_flow(u, exact_flow(signal, times), signal, tol=1.5 * AUTO["tol"])

    def test_extinction_time(self):
        for signal in ([0.0, 1.0], [0, 3, 1, 1, 4, 9.0], np.random.default_rng(0).normal(size=50)):
            for h in (1, 0.2):
                time = extinction_time(signal, spacing=h, rtol=1e-4)
                assert time == pytest.approx(extinction(signal, h), rel=1e-3)


class TestConstantAlongAllAxesButOne:
    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("length", [1, 2, 5])
    def test_in_2d(self, axis, length):
        self.check(n_spatial=2, axis=axis, length=length)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_in_3d(self, axis):
        self.check(n_spatial=3, axis=axis, length=2, n=8)

    def check(self, n_spatial, axis, length, n=12):
        signal = np.random.default_rng(axis).standard_normal(n)
        spacing = np.array([1.0, 2.0, 1.5])[:n_spatial]
        times = extinction(signal, spacing[axis]) * np.array([0.02, 0.1, 0.3, 0.6, 0.9, 1.1])
        shape = [length] * n_spatial
        shape[axis] = len(signal)
        along = [-1 if i == axis else 1 for i in range(n_spatial)]
        image = np.broadcast_to(signal.reshape(along), shape)
        truth = exact_flow(signal, times, spacing[axis]).reshape(len(times), *along)
        u = ChambolleTVFlow(spacing=spacing, **TIGHT).transform(image, times)
        assert_flow(u, np.broadcast_to(truth, u.shape), signal)


class TestSpike:
    @pytest.mark.parametrize("n", [8, 15])
    def test_height_falls_linearly(self, n):
        image = np.zeros((n, n))
        image[n // 2, n // 2] = 1
        times = np.array([0.01, 0.05, 0.1, 0.2, 0.25])
        u = ChambolleTVFlow(**TIGHT).transform(image, times)
        height = u[:, n // 2, n // 2] - u[:, 0, 0]
        expected = 1 - (2 + np.sqrt(2)) * times * n**2 / (n**2 - 1)
        np.testing.assert_allclose(height, expected, atol=1e-6)

    def test_steps_chosen_by_the_tolerance(self):
        image = np.zeros((12, 12))
        image[4, 6] = 1
        times = np.array([0.05, 0.15, 0.25])
        height = ChambolleTVFlow(**AUTO).transform(image, times)[:, 4, 6] - 1 / 144
        fall = (2 + np.sqrt(2)) * times  # of the spike itself; the rest shares what it loses
        np.testing.assert_allclose(height, 1 - 1 / 144 - fall, atol=1e-4)

    def test_is_absorbed(self):
        image = np.zeros((12, 12))
        image[6, 6] = 1
        absorbed = 143 / 144 / (2 + np.sqrt(2))
        u = ChambolleTVFlow(**TIGHT).transform(image, absorbed * 1.2)
        np.testing.assert_allclose(u, image.mean(), atol=1e-6)


class TestDisc:
    RADIUS, SIDE = 20, 160
    AREA, INSIDE = 160**2, np.pi * 20**2

    X = np.arange(SIDE) - (SIDE - 1) / 2
    DISTANCE = np.hypot(X[:, None], X)

    @pytest.mark.parametrize("params", [{}, {"n_steps": 50, "order": 1}], ids=["auto", "Euler"])
    def test_centre_minus_background(self, params):
        times = np.array([0.5, 1, 2, 3, 4])
        u = ChambolleTVFlow(**params).transform((self.DISTANCE <= self.RADIUS) * 1.0, times)
        contrast = u[:, self.DISTANCE < 5].mean(1) - u[:, self.DISTANCE > 100].mean(1)
        speed = 2 / self.RADIUS + 2 * np.pi * self.RADIUS / (self.AREA - self.INSIDE)
        np.testing.assert_allclose(contrast, 1 - speed * times, rtol=0.05)

    def test_extinction_time(self):
        time = extinction_time((self.DISTANCE <= self.RADIUS) * 0.8)
        expected = 0.8 * self.RADIUS / 2 * (1 - self.INSIDE / self.AREA)
        assert time == pytest.approx(expected, rel=0.06)


class TestOneStepIsDenoising:
    """scikit-image converges at 1/k: small images, or noise, which is solved at once."""

    WEIGHT = 0.05

    @pytest.mark.parametrize(
        "shape", [(12, 12), (8, 15), (24, 24), (60,), (5, 6, 7)], ids=lambda shape: str(shape)
    )
    def test_of_noise(self, shape):
        noise = np.random.default_rng(1).uniform(size=shape)
        self.check(noise, max_num_iter=20_000)

    def test_of_a_natural_image(self, image):
        self.check(image[8:16, 20:28], max_num_iter=40_000)

    def check(self, image, max_num_iter):
        truth = denoise_tv_chambolle(image, self.WEIGHT, eps=0, max_num_iter=max_num_iter)
        u = ChambolleTVFlow(**TIGHT).transform(image, self.WEIGHT)
        assert np.abs(truth - image).max() > 0.03
        np.testing.assert_allclose(u, truth, atol=1e-6)


class TestManySmallSteps:
    @pytest.mark.parametrize("t", [0.2, 1.0])
    @pytest.mark.parametrize(
        ("params", "error"),
        [({}, 1.5e-3), ({"tol": 2e-4}, 3e-4), ({"n_steps": 25, "tol": 1e-5}, 1e-3)],
        ids=["auto", "auto, tight", "Richardson"],
    )
    def test_agree_with_the_second_order(self, image, t, params, error):
        small = image[:32, :40]
        # Richardson of the reference itself: 1200 and 2400 Euler steps, each solved tight
        euler = [
            ChambolleTVFlow(order=1, n_steps=n, tol=None, max_num_iter=k).transform(small, t)
            for n, k in [(1200, 40), (2400, 40)]
        ]
        truth = 2 * euler[1] - euler[0]
        u = ChambolleTVFlow(**params).transform(small, t)
        assert np.sqrt(np.mean((u - truth) ** 2)) <= error * small.std()

    def test_euler_is_of_first_order_and_richardson_better(self, image):
        small, t = image[:24, :24], 0.5
        truth = ChambolleTVFlow(order=1, n_steps=4000, tol=None, max_num_iter=40).transform(
            small, t
        )
        errors = {}
        for order, n_steps in [(1, 8), (1, 32), (2, 8)]:
            flow = ChambolleTVFlow(order=order, n_steps=n_steps, tol=1e-6, max_num_iter=10**5)
            errors[order, n_steps] = np.sqrt(np.mean((flow.transform(small, t) - truth) ** 2))
        assert 2.5 < errors[1, 8] / errors[1, 32] < 6
        assert errors[2, 8] < errors[1, 8] / 3
