"""JointSpaceTimeTVFlow: the flow as a minimum over space and time."""

import pickle
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

from exact_flow import exact_flow
from skimage_tvflow import ChambolleTVFlow, JointSpaceTimeTVFlow, certify, total_variation, tv_flow
from strategies import images

TIGHT = {"n_times": 6, "tol": 1e-6, "max_num_iter": 10**5}
BOTH = pytest.mark.parametrize(
    "params", [{}, {"objective": "residual", "max_num_iter": 60}], ids=["gap", "residual"]
)
few = settings(max_examples=12)
times = st.floats(0.01, 2)


def joint(image, t, **params):
    return JointSpaceTimeTVFlow(**params).transform(image, t)


def rms(u):
    return float(np.sqrt(np.mean(np.square(u))))


class TestBrezisEkeland:
    def test_it_is_implicit_euler(self, image):
        t = np.linspace(0.02, 0.2, 10)
        steps = ChambolleTVFlow(n_steps=10, order=1, tol=1e-7, max_num_iter=10**5)
        u = joint(image, t, n_times=10, tol=1e-5, max_num_iter=10**4)
        assert rms(u - steps.transform(image, t)) <= 2e-5 * image.std()

    def test_sixty_decibels_of_fifty_times_by_default(self, image):
        t = np.linspace(0.004, 0.2, 50)
        truth = ChambolleTVFlow(n_steps=50, order=1, tol=1e-6, max_num_iter=10**5)
        result = JointSpaceTimeTVFlow().solve(image.astype(np.float32), t)
        assert rms(result.u - truth.transform(image, t)) <= 1e-3
        assert result.n_iter < 200
        # what is asked for in between is the same
        alone = joint(image.astype(np.float32), 0.2)
        assert rms(alone - result.u[-1]) <= 1e-3

    @few
    @given(image=images(n_spatial=(1,)), t=times)
    def test_signals_in_closed_form(self, image, t):
        t = np.array([0.3, 1]) * t
        u = joint(image, t, **TIGHT)
        assert rms(u - exact_flow(image, t)) <= 1e-4 * max(image.std(), 1e-12)

    @few
    @given(image=images(), t=times)
    def test_the_mean_stays(self, image, t):
        u = joint(image, t, n_times=5, tol=1e-2)
        assert u.mean() == pytest.approx(image.mean(), abs=1e-13)

    @few
    @given(image=images(n_spatial=(2, 3)), t=times, data=st.data())
    def test_swapping_two_axes_and_their_spacings(self, image, t, data):
        spacing = np.array([1.0, 2.5, 0.7])[: image.ndim]
        order = data.draw(st.permutations(range(image.ndim)))
        fixed = {"n_times": 4, "tol": 1e-9, "max_num_iter": 40}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            there = joint(image.transpose(order), t, spacing=spacing[order], **fixed)
            expected = joint(image, t, spacing=spacing, **fixed).transpose(order)
        np.testing.assert_allclose(there, expected, atol=1e-11)

    @few
    @given(image=images(), t=st.floats(0.01, 0.2), share=st.floats(0.2, 0.8))
    def test_semigroup(self, image, t, share):
        part = round(share * 10) / 10 * t
        split = {**TIGHT, "n_times": 10, "tol": 1e-5}
        once = joint(image, t, **split)
        first = {**split, "n_times": round(share * 10)}
        second = {**split, "n_times": 10 - round(share * 10)}
        twice = joint(joint(image, part, **first), t - part, **second)
        assert rms(once - twice) <= 1e-3 * max(image.std(), 1e-12)

    @few
    @given(image=images(), t=times)
    def test_total_variation_never_grows_and_values_stay_between(self, image, t):
        u = joint(image, [0, t / 2, t], **TIGHT)
        variation = [total_variation(frame) for frame in u]
        slack = 1e-3 * image.std()
        assert (np.diff(variation) <= slack * image.size).all()
        assert u.max() <= image.max() + slack
        assert u.min() >= image.min() - slack

    def test_extinction_to_the_mean(self, image):
        small = image[8:24, 16:32]
        u = joint(small, 500.0, n_times=5, max_num_iter=20000)
        assert rms(u - small.mean()) <= 1e-2 * small.std()

    def test_single_step_is_denoising(self, image):
        one = ChambolleTVFlow(n_steps=1, order=1, tol=1e-7, max_num_iter=10**5)
        u = joint(image, 0.1, n_times=1, tol=1e-5, max_num_iter=10**4)
        assert rms(u - one.transform(image, 0.1)) <= 2e-5 * image.std()

    def test_coupled_channels(self, image):
        channels = np.stack([image, image**2, 1 - image], -1)
        both = {"channel_axis": -1, "coupled_channels": True}
        steps = ChambolleTVFlow(n_steps=5, order=1, tol=1e-6, max_num_iter=10**5, **both)
        u = joint(channels, 0.1, n_times=5, tol=1e-5, max_num_iter=10**4, **both)
        assert rms(u - steps.transform(channels, 0.1)) <= 3e-5 * channels.std()

    def test_the_dual_variable_makes_the_steps(self, image):
        t = np.linspace(0.02, 0.2, 10)
        result = JointSpaceTimeTVFlow(n_times=10).solve(image, t, return_dual=True)
        again = certify(image, result.u, result.dual, t)
        np.testing.assert_allclose(again.error_bound, result.error_bound, rtol=1e-6)
        assert np.sqrt((result.dual**2).sum(1)).max() <= 1 + 1e-12

    def test_what_it_takes_is_told(self, image):
        little = JointSpaceTimeTVFlow(max_num_iter=10)
        with pytest.warns(ConvergenceWarning, match="larger tol or max_num_iter"):
            result = little.solve(image, 0.2)
        assert not result.converged
        assert result.n_iter == 10
        assert result.error_estimate[0] > 1e-3 * image.std()

    def test_the_loss_falls_to_zero(self, image):
        result = JointSpaceTimeTVFlow(tol=1e-5, max_num_iter=10**4).solve(image, 0.2)
        curve = result.loss_curve
        assert (curve >= 0).all()
        assert curve[-1] < 1e-6 * curve[0]
        # half the square of the distance from implicit Euler steps is at most this
        steps = ChambolleTVFlow(n_steps=50, order=1, tol=1e-7, max_num_iter=10**5)
        rough = JointSpaceTimeTVFlow(tol=2e-2).solve(image, 0.2)
        distance = rms(rough.u[0] - steps.transform(image, 0.2)) / image.std()
        assert distance**2 / 2 <= rough.loss_curve[-1]


class TestResidual:
    def test_better_than_the_paper(self, image):
        t = np.linspace(0.004, 0.2, 50)
        truth = ChambolleTVFlow(n_steps=50, order=1, tol=1e-6, max_num_iter=10**5)
        result = JointSpaceTimeTVFlow(objective="residual").solve(image.astype(np.float32), t)
        psnr = -20 * np.log10(rms(result.u - truth.transform(image, t)))
        assert psnr >= 38.59
        assert result.loss_curve.shape == (2000,)
        assert result.loss_curve[-1] < 0.1 * result.loss_curve[0]
        assert result.n_iter == 2000
        assert result.converged

    def test_a_larger_rate_takes_fewer_iterations(self, image):
        losses = [
            JointSpaceTimeTVFlow(objective="residual", lr=lr, max_num_iter=100).solve(image, 0.1)
            for lr in (1e-4, 5e-3)
        ]
        assert losses[1].loss_curve[-1] < losses[0].loss_curve[-1]


class TestBoth:
    @BOTH
    @few
    @given(image=images(), t=times, power=st.integers(-40, 40), sign=st.sampled_from([-1, 1]))
    def test_scale_by_powers_of_two(self, params, image, t, power, sign):
        params = {**params, "n_times": 4}
        scaled = joint(sign * 2.0**power * image, 2.0**power * t, **params)
        expected = sign * 2.0**power * joint(image, t, **params)
        np.testing.assert_allclose(scaled, expected, rtol=1e-9, atol=1e-9 * 2.0**power)

    @BOTH
    @pytest.mark.parametrize(("c", "shift"), [(3.0, 0.0), (-0.7, 12.0), (255.0, -90.0)])
    def test_scale_and_shift(self, params, c, shift, image):
        moved = joint(c * image + shift, abs(c) * 0.1, **params)
        expected = c * joint(image, 0.1, **params) + shift
        # Adam takes steps of the full rate also where the gradient is a rounding error.
        tol = 2e-3 if "objective" in params else 1e-9
        assert rms(moved - expected) <= tol * abs(c) * image.std()

    @BOTH
    def test_the_bound_is_never_below_the_error(self, params, image):
        t = [0.05, 0.2, 1.0]
        truth = ChambolleTVFlow(tol=2e-4, max_num_iter=10**4).transform(image, t)
        for dtype in ("float32", "float64"):
            for more in ({}, {"n_times": 5}, {"max_num_iter": 3}):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    flow = JointSpaceTimeTVFlow(**{**params, **more})
                    result = flow.solve(image.astype(dtype), t)
                error = np.sqrt(np.mean((result.u - truth) ** 2, axis=(1, 2)))
                assert (error <= result.error_bound + 2e-4 * image.std()).all()

    @BOTH
    def test_items_of_a_batch_are_what_they_are_alone(self, params, image):
        stack = np.stack([image[:20, :20], np.ones((20, 20)), 3 * image[20:40, :20] ** 2])
        flow = JointSpaceTimeTVFlow(batch_axis=0, **params)
        result = flow.solve(stack, [0.1, 0.2], return_dual=True)
        assert result.u.shape == (2, *stack.shape)
        assert result.dual.shape == (2, 2, *stack.shape)
        assert result.error_bound.shape == (2, 3)
        assert result.loss_curve.shape[1:] == (3,)
        assert (result.u[:, 1] == 1).all()
        assert (result.error_bound[:, 1] == 0).all()
        alone = JointSpaceTimeTVFlow(**params)
        for i in (0, 2):
            one = alone.solve(stack[i], [0.1, 0.2])
            np.testing.assert_array_equal(result.u[:, i], one.u)
            assert result.n_iter[i] == one.n_iter
            curve = result.loss_curve[:, i]
            np.testing.assert_array_equal(curve[: len(one.loss_curve)], one.loss_curve)
            assert (curve[len(one.loss_curve) :] == one.loss_curve[-1]).all()
        parts = [JointSpaceTimeTVFlow(batch_axis=0, batch_size=2, **params), flow]
        np.testing.assert_array_equal(*(part.transform(stack, 0.1) for part in parts))
        separate = JointSpaceTimeTVFlow(channel_axis=0, **params).solve(stack, [0.1, 0.2])
        np.testing.assert_allclose(
            separate.loss_curve, result.loss_curve.sum(1), rtol=1e-12, atol=1e-300
        )

    @BOTH
    @pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_extreme_values(self, params, scale, dtype, image):
        shown = (image[:16, :16] * scale).astype(dtype)
        u = joint(shown, 0.1 * scale, **params)
        assert u.dtype == dtype
        expected = joint(image[:16, :16], 0.1, **params)
        assert rms(u / scale - expected) <= 2e-3

    @BOTH
    def test_times(self, params, image):
        small = image[:12, :14]
        flow = JointSpaceTimeTVFlow(**params)
        assert flow.transform(small, 0).tolist() == small.tolist()
        asked = flow.transform(small, [0.2, 0.0, 0.1, 0.2])
        in_order = flow.transform(small, [0.0, 0.1, 0.2])
        np.testing.assert_array_equal(asked, in_order[[2, 0, 1, 2]])
        stages = [*flow.staged_transform(small, [0.2, 0.1])]
        np.testing.assert_array_equal(stages, in_order[1:])
        tensor = flow.transform(torch.from_numpy(small), 0.1)
        assert isinstance(tensor, torch.Tensor)
        constant = flow.solve(np.full((5, 6), 3.0), [0.1, 0.2])
        assert (constant.u == 3).all()
        assert constant.n_iter == 0

    @BOTH
    def test_far_beyond_extinction_it_is_the_mean(self, params, image):
        small = image[:12, :14]
        times = [0.01, 50.0, 1e6, 1e300]
        result = JointSpaceTimeTVFlow(**params).solve(small, times, return_dual=True)
        slack = 1e-9 if "objective" not in params else 0.5
        assert np.abs(result.u[1:] - small.mean()).max() <= slack * small.std()
        assert np.sqrt((result.dual**2).sum(1)).max() <= 1 + 1e-9
        if "objective" not in params:
            # a late time does not starve an early one
            truth = ChambolleTVFlow(tol=1e-5, max_num_iter=10**5).transform(small, 0.01)
            assert rms(result.u[0] - truth) <= 1e-2 * small.std()

    def test_iterations_that_lead_away_are_told(self, image):
        with pytest.warns(ConvergenceWarning):
            result = JointSpaceTimeTVFlow(objective="residual", lr=1e6, max_num_iter=50).solve(
                image, 0.1
            )
        assert not result.converged

    @BOTH
    def test_a_callback_sees_it_through(self, params, image):
        told = []
        flow = JointSpaceTimeTVFlow(**params)
        flow.solve(image, [0.1, 0.2], callback=lambda progress: told.append(progress.fraction))
        assert told == sorted(told)
        assert told[-1] == 1

    @BOTH
    def test_a_callback_ends_it(self, params, image):
        flow = JointSpaceTimeTVFlow(**{**params, "tol": 1e-12, "max_num_iter": 10**7})
        start = time.monotonic()
        result = flow.solve(image, [0.1, 0.2], callback=lambda progress: True)
        assert time.monotonic() - start < 20
        assert len(result.times) == len(result.u) == 0
        assert result.loss_curve is None

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"objective": "adam"}, "'objective' parameter"),
            ({"n_times": 0}, "'n_times' parameter"),
            ({"n_times": 2.5}, "'n_times' parameter"),
            ({"lr": 0}, "'lr' parameter"),
            ({"lr": True}, "'lr' parameter .* must be a number"),
            ({"tol": -1e-3}, "'tol' parameter"),
            ({"max_num_iter": "many"}, "'max_num_iter' parameter"),
            ({"t": -1}, "t must be >= 0"),
            ({"spacing": 0}, "spacing"),
        ],
    )
    def test_bad_parameters(self, params, message, image):
        with pytest.raises((ValueError, TypeError), match=message):
            JointSpaceTimeTVFlow(**params).fit(image)

    def test_bad_images(self):
        for bad in (np.nan * np.ones((4, 4)), np.ones((3, 0)), "image"):
            with pytest.raises((ValueError, TypeError)):
                JointSpaceTimeTVFlow().transform(bad)

    def test_tv_flow_knows_it(self, image):
        expected = joint(image, 0.1, n_times=7)
        np.testing.assert_array_equal(tv_flow(image, 0.1, method="joint", n_times=7), expected)

    @pytest.mark.parametrize(
        ("axis", "at_least"), [({}, 1), ({"batch_axis": 0}, 40)], ids=["default", "batch_axis=0"]
    )
    @pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
    @BOTH
    def test_nothing_fails_and_nothing_is_excused(self, params, axis, at_least):
        flow = JointSpaceTimeTVFlow(**params, **axis)
        results = check_estimator(flow, on_fail=None, on_skip=None)
        failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
        assert not failed
        assert {r["status"] for r in results} <= {"passed", "skipped"}
        assert sum(r["status"] == "passed" for r in results) >= at_least

    def test_clone_and_pickle(self, image):
        flow = JointSpaceTimeTVFlow(n_times=7, objective="residual", max_num_iter=20)
        expected = flow.transform(image)
        for other in (clone(flow), pickle.loads(pickle.dumps(flow))):
            np.testing.assert_array_equal(other.transform(image), expected)
