"""ChambolleTVFlow and the functions on it: results, accuracy, refusals."""

import itertools
import re
import time
import warnings

import numpy as np
import pytest
import torch
from skimage import data, transform
from sklearn.exceptions import ConvergenceWarning

from skimage_tvflow import (
    ChambolleTVFlow,
    TVFlowResult,
    extinction_time,
    geometric_times,
    total_variation,
    tv_flow,
)
from skimage_tvflow.core.operators import divergence

EXTREMES = [
    *itertools.product(["float32", "float64"], [1e-30, 1e-12, 1e12, 1e30]),
    ("float64", 1e-300),
    ("float64", 1e300),
]


def rms(u, axis=None):
    return np.sqrt(np.mean(np.square(u), axis=axis))


def div(phi, spacing=None):
    """Divergence of a dual of shape (n_spatial, *image.shape), all axes spatial."""
    spacing = (1.0,) * len(phi) if spacing is None else spacing
    return divergence(torch.from_numpy(phi)[None, None], spacing)[0, 0].numpy()


@pytest.fixture(scope="module")
def small(image):
    return image[8:28, 16:40]


def assert_same_flow(one, other):
    """Hold that two answers are the same solve: apart by less than a hundredth of its tol.

    Not bit for bit: a processor may round a sum and a product together in one call of the kernel
    and apart in another.
    """
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


class TestTimes:
    def test_a_number_gives_an_image_and_a_sequence_a_stack(self, estimator, small):
        assert estimator.transform(small, 0.1).shape == small.shape
        assert estimator.transform(small, np.float32(0.1)).shape == small.shape
        assert estimator.transform(small, [0.1]).shape == (1, *small.shape)
        assert estimator.transform(small, (0.1, 0.2, 0.3)).shape == (3, *small.shape)
        assert estimator.transform(small, torch.tensor([0.1, 0.2])).shape == (2, *small.shape)

    def test_the_parameter_t_is_the_default(self, small):
        times = [0.05, 0.1]
        expected = ChambolleTVFlow().transform(small, times)
        np.testing.assert_array_equal(ChambolleTVFlow(t=times).transform(small), expected)
        np.testing.assert_array_equal(ChambolleTVFlow(t=times).fit_transform(small), expected)
        np.testing.assert_array_equal(ChambolleTVFlow().fit_transform(small, t=times), expected)

    def test_unsorted_and_repeated_times_come_in_the_order_asked(self, estimator, small):
        sorted_, asked = [0.0, 0.05, 0.1, 0.2], [0.2, 0.05, 0.2, 0.0, 0.1]
        frames = estimator.transform(small, sorted_)
        np.testing.assert_array_equal(estimator.transform(small, asked), frames[[3, 1, 3, 0, 2]])
        result = estimator.solve(small, asked)
        assert result.times.tolist() == asked
        assert_same_flow(result.u, frames[[3, 1, 3, 0, 2]])
        assert (result.error_estimate == result.error_estimate[[0, 1, 0, 3, 4]]).all()

    def test_at_zero_it_is_the_image(self, estimator, small):
        np.testing.assert_array_equal(estimator.transform(small, 0), small)
        result = estimator.solve(small, [0, -0.0], return_dual=True)
        np.testing.assert_array_equal(result.u, [small, small])
        assert result.error_estimate.tolist() == [0, 0]
        assert not result.dual.any()
        assert result.n_iter == 0
        assert result.converged

    def test_the_image_is_not_written_to(self, estimator):
        image = np.arange(12.0).reshape(3, 4)
        u = estimator.transform(image, [0, 1])
        u[:] = 7
        np.testing.assert_array_equal(image, np.arange(12.0).reshape(3, 4))

    def test_far_beyond_extinction_it_is_the_mean(self, small):
        for params in ({}, {"n_steps": 3}, {"n_steps": 3, "order": 1, "tol": None}):
            result = ChambolleTVFlow(**params).solve(small, [1e4, 1e8], return_dual=True)
            np.testing.assert_allclose(result.u, small.mean(), rtol=1e-13)
            assert result.converged
            assert (result.error_estimate <= 1e-3 * small.std()).all()


class TestResult:
    def test_fields(self, estimator, small):
        result = estimator.solve(small, [0.1, 0.2])
        assert isinstance(result, TVFlowResult)
        assert result.times.tolist() == [0.1, 0.2]
        assert result.u.shape == (2, *small.shape)
        assert result.dual is None
        assert result.error_estimate.shape == (2,)
        assert result.n_iter.shape == result.converged.shape == ()
        assert result.converged
        assert result.n_iter > 0
        assert_same_flow(result.u, estimator.transform(small, [0.1, 0.2]))
        with pytest.raises(AttributeError):
            result.u = None

    def test_a_single_time_is_one_frame(self, estimator, small):
        result = estimator.solve(small, 0.1, return_dual=True)
        assert result.u.shape == (1, *small.shape)
        assert result.dual.shape == (1, 2, *small.shape)

    def test_with_batch_and_channels(self, small):
        stack = np.stack([small, 2 * small, small**2, 1 - small, small + 1, small])
        stack = np.moveaxis(stack.reshape(2, 3, *small.shape), 1, -1)
        for coupled in (False, True):
            flow = ChambolleTVFlow(batch_axis=0, channel_axis=-1, coupled_channels=coupled)
            result = flow.solve(stack, [0.1, 0.2, 0.3], return_dual=True)
            assert result.u.shape == (3, *stack.shape)
            assert result.dual.shape == (3, 2, *stack.shape)
            assert result.error_estimate.shape == (3, 2)
            assert result.n_iter.shape == result.converged.shape == (2,)
            if not coupled:
                parts = [ChambolleTVFlow().solve(stack[0, :, :, c], 0.3) for c in range(3)]
                errors = [part.error_estimate[0] for part in parts]
                one = ChambolleTVFlow(batch_axis=0, channel_axis=-1).solve(stack, 0.3)
                assert one.error_estimate[0, 0] == pytest.approx(rms(errors))
                assert one.n_iter[0] == sum(part.n_iter for part in parts)

    def test_without_anything_that_could_estimate_it_the_error_is_nan(self, small):
        plain = {"n_steps": 5, "tol": None, "max_num_iter": 4}
        assert np.isnan(ChambolleTVFlow(order=1, **plain).solve(small, 0.1).error_estimate).all()
        estimate = ChambolleTVFlow(order=2, **plain).solve(small, 0.1).error_estimate
        assert 0 < estimate[0] < small.std()

    def test_plain_iterations_are_counted(self, small):
        plain = {"n_steps": 5, "tol": None, "max_num_iter": 4}
        assert ChambolleTVFlow(order=1, **plain).solve(small, [0.05, 0.1]).n_iter == 6 * 4
        assert ChambolleTVFlow(order=1, **plain).solve(small, 0.1).n_iter == 5 * 4
        assert ChambolleTVFlow(order=2, **plain).solve(small, 0.1).n_iter == 3 * 5 * 4


class TestDual:
    TIMES = (0.02, 0.05, 0.2)

    @pytest.mark.parametrize(
        "params",
        [
            {"n_steps": 10, "order": 1, "tol": None, "max_num_iter": 5},
            {"n_steps": 10, "order": 1},
            {"order": 1},
            {"n_steps": 4, "order": 1, "algorithm": "projection", "tol": None, "max_num_iter": 9},
        ],
        ids=["fixed", "controlled", "auto", "projection"],
    )
    @pytest.mark.parametrize("spacing", [None, (2.0, 0.5)])
    def test_moves_the_image_from_time_to_time(self, small, params, spacing):
        flow = ChambolleTVFlow(spacing=spacing, **params)
        result = flow.solve(small, self.TIMES, return_dual=True)
        assert np.sqrt((result.dual**2).sum(1)).max() <= 1 + 1e-12
        before, u = 0.0, small
        for now, frame, phi in zip(result.times, result.u, result.dual):
            u = u + (now - before) * div(phi, spacing)
            np.testing.assert_allclose(frame, u, atol=1e-12)
            before, u = now, frame

    def test_is_that_of_the_finer_path_for_order_2(self, small):
        result = ChambolleTVFlow().solve(small, 0.2, return_dual=True)
        assert np.sqrt((result.dual**2).sum(1)).max() <= 1 + 1e-12
        finer = small + 0.2 * div(result.dual[0])
        assert rms(finer - result.u[0]) <= 4 * result.error_estimate[0]

    def test_asking_for_it_does_not_change_the_images(self, small):
        fixed = {"n_steps": 6, "tol": None, "max_num_iter": 4}
        for params in ({}, {"n_steps": 6}, fixed):
            flow = ChambolleTVFlow(**params)
            with_dual = flow.solve(small, self.TIMES, return_dual=True).u
            assert_same_flow(with_dual, flow.transform(small, self.TIMES))

    def test_coupled_channels_have_one_length(self, small):
        colour = np.stack([small, small**2, 1 - small])
        flow = ChambolleTVFlow(channel_axis=0, coupled_channels=True, order=1)
        phi = flow.solve(colour, 0.3, return_dual=True).dual[0]
        length = np.sqrt((phi**2).sum((0, 1)))
        assert 0.99 < length.max() <= 1 + 1e-12


class TestStages:
    def test_are_the_frames_of_transform_in_increasing_order(self, small):
        for params in ({}, {"n_steps": 20}, {"n_steps": 20, "tol": None, "max_num_iter": 3}):
            flow = ChambolleTVFlow(**params)
            stages = list(flow.staged_transform(small, [0.2, 0, 0.1, 0.2]))
            np.testing.assert_array_equal(stages, flow.transform(small, [0, 0.1, 0.2]))

    def test_come_one_by_one(self, small):
        stages = ChambolleTVFlow(n_steps=10**6).staged_transform(small, np.geomspace(1e-6, 1, 10))
        first = next(stages)
        assert first.shape == small.shape
        assert 0 < rms(first - small) < 1e-5
        stages.close()

    def test_errors_come_at_the_call_and_not_at_the_first_stage(self, estimator, small):
        with pytest.raises(ValueError, match="t must be >= 0"):
            estimator.staged_transform(small, [-1])

    def test_warn_once_in_the_end(self, small):
        flow = ChambolleTVFlow(n_steps=5, max_num_iter=2)
        with pytest.warns(ConvergenceWarning) as record:
            list(flow.staged_transform(small, [1.0, 2.0]))
        assert len(record) == 1


class TestCallback:
    def test_hears_a_fraction_that_never_falls(self, small):
        stack, heard = np.stack([small] * 8), []
        flow = ChambolleTVFlow(batch_axis=0, batch_size=3)
        quiet = flow.transform(stack, [0.1, 0.4])
        loud = flow.solve(stack, [0.1, 0.4], callback=lambda p: heard.append(p) or False)
        fractions = [progress.fraction for progress in heard]
        assert fractions == sorted(fractions)
        assert len(set(fractions)) >= 6
        assert 0 <= fractions[0] < fractions[-1] == 1
        assert {progress.time for progress in heard} >= {0.1, 0.4}
        assert_same_flow(loud.u, quiet)

    def test_returning_true_stops_with_the_times_finished(self, small):
        times = [0.05, 0.1, 0.15, 0.2]
        flow = ChambolleTVFlow(n_steps=8)
        result = flow.solve(small, times[::-1], callback=lambda progress: progress.time >= 0.1)
        assert result.times.tolist() == [0.1, 0.05]
        assert result.u.shape == (2, *small.shape)
        assert_same_flow(result.u, flow.transform(small, times)[1::-1])
        assert not result.converged

    def test_stops_within_a_long_step(self, small):
        calls = []
        flow = ChambolleTVFlow(n_steps=1, order=1, tol=None, max_num_iter=10**8)
        result = flow.solve(small, 1.0, callback=lambda progress: calls.append(1) or True)
        assert len(calls) == 1
        assert result.u.shape == (0, *small.shape)
        assert result.times.shape == result.error_estimate.shape == (0,)

    @pytest.mark.parametrize("asked", [{"certify": True}, {"return_dual": True}, {}], ids=str)
    @pytest.mark.parametrize("n_steps", ["auto", 400])
    def test_hears_while_single_short_steps_are_taken(self, asked, n_steps):
        """No piece of the work is long here; processor time, for the sake of a busy machine."""
        noise, heard = np.random.default_rng(0).uniform(size=(150, 150)), []
        flow = ChambolleTVFlow(n_steps=n_steps, order=1, tol=5e-4)
        flow.solve(noise, 0.2, **asked)
        begin = time.process_time()
        flow.solve(
            noise, 0.2, **asked, callback=lambda p: heard.append(time.process_time()) and None
        )
        pauses = np.diff([begin, *heard, time.process_time()])
        assert pauses.max() <= 0.4
        assert pauses.sum() >= 2 * pauses.max()

    @pytest.mark.parametrize("name", ["certify", "return_dual"])
    def test_flags_that_are_none(self, small, name):
        with pytest.raises(TypeError, match=rf"{name} must be True or False, got 'no'\. Pass "):
            ChambolleTVFlow().solve(small, **{name: "no"})

    def test_that_is_no_function(self, small):
        with pytest.raises(TypeError, match=r"function of the progress, got 3\. Pass call"):
            ChambolleTVFlow().solve(small, callback=3)

    def test_only_true_stops(self, small):
        result = ChambolleTVFlow().solve(small, [0.1, 0.2], callback=lambda progress: None)
        assert result.times.tolist() == [0.1, 0.2]

    def test_what_it_raises_comes_through(self, small):
        def callback(progress):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ChambolleTVFlow().solve(small, 0.1, callback=callback)


class TestConvergence:
    @pytest.mark.parametrize("params", [{}, {"order": 1}, {"algorithm": "projection"}], ids=str)
    def test_too_few_iterations_warn_exactly_once(self, small, params):
        stack = np.stack([small] * 10)
        flow = ChambolleTVFlow(n_steps=5, batch_axis=0, batch_size=2, max_num_iter=2, **params)
        for call in (flow.transform, flow.fit_transform, flow.solve):
            with pytest.warns(ConvergenceWarning) as record:
                call(stack, t=[1.0, 3.0, 5.0])
            assert len(record) == 1
            message = str(record[0].message)
            assert re.search(r"10 of 10 .* tol=0.001: the worst estimate is \d", message)
            assert "Pass a larger tol or max_num_iter (now 2)" in message
            assert record[0].filename == __file__

    def test_items_converge_on_their_own(self, small):
        stack = np.stack([small, np.full_like(small, 0.5), small])
        with pytest.warns(ConvergenceWarning, match="2 of 3"):
            result = ChambolleTVFlow(n_steps=5, batch_axis=0, max_num_iter=2).solve(stack, 2.0)
        assert result.converged.tolist() == [False, True, False]

    def test_unreached_errors_are_reported(self, small):
        with pytest.warns(ConvergenceWarning):
            result = ChambolleTVFlow(n_steps=5, max_num_iter=2).solve(small, 5.0)
        assert not result.converged
        assert result.error_estimate[0] > 1e-3 * small.std()

    def test_automatic_steps_converge_with_few_iterations_in_each(self, small):
        """Only the number of steps counts: two iterations in each are enough for any time."""
        times = [1.0, 30.0]
        few = ChambolleTVFlow(max_num_iter=2).transform(small, times)
        usual = ChambolleTVFlow().transform(small, times)
        assert rms(few - usual).max() <= 2e-3 * small.std()

    def test_a_fixed_number_of_iterations_does_not_warn(self, small):
        flow = ChambolleTVFlow(n_steps=5, tol=None, max_num_iter=1)
        assert flow.solve(small, 5.0).converged


def pictures():
    rng = np.random.default_rng(0)
    x = np.arange(64) - 31.5
    ball = np.linspace(-1, 1, 14)
    radius = np.sqrt(ball[:, None, None] ** 2 + ball[:, None] ** 2 + ball**2)
    return {
        "camera": data.camera()[80:144, 200:264] / 255,
        "noise": rng.standard_normal((48, 48)),
        "disc": (np.hypot(x[:, None], x) <= 20) * 1.0,
        "volume": (radius < 0.7) + 0.1 * rng.standard_normal(radius.shape),
    }


PICTURES = pictures()
TIMES = (0.2, 1.0, 5.0)


@pytest.fixture(scope="module")
def truths():
    """Richardson of many Euler steps with many iterations each: its own error is below 5e-5."""
    found = {}
    for name, picture in PICTURES.items():
        flows = [
            ChambolleTVFlow(n_steps=400, order=2, tol=None, max_num_iter=k) for k in (100, 200)
        ]
        rough, fine = (flow.transform(picture, TIMES) for flow in flows)
        assert rms(rough - fine) <= 1e-4 * picture.std()
        found[name] = fine
    return found


class TestAccuracy:
    @pytest.mark.parametrize("name", PICTURES)
    @pytest.mark.parametrize("order", [1, 2])
    @pytest.mark.parametrize("together", [True, False], ids=["together", "alone"])
    def test_tol_is_met(self, truths, name, order, together):
        picture, truth = PICTURES[name], truths[name]
        flow = ChambolleTVFlow(order=order)
        if together:
            u = flow.transform(picture, TIMES)
        else:
            u = np.stack([flow.transform(picture, t) for t in TIMES])
        errors = rms(u - truth, axis=tuple(range(1, u.ndim)))
        assert (errors <= 1.5e-3 * picture.std()).all()

    @pytest.mark.parametrize("t", TIMES[:2])
    @pytest.mark.parametrize("tol", [3e-3, 1e-3])
    def test_the_estimate_is_within_a_factor_3_of_the_truth(self, truths, t, tol):
        result = ChambolleTVFlow(tol=tol).solve(PICTURES["camera"], t)
        error = rms(result.u[0] - truths["camera"][TIMES.index(t)])
        assert 1 / 3 <= result.error_estimate[0] / error <= 3

    def test_float32_meets_it_too(self, truths):
        picture = PICTURES["camera"].astype(np.float32)
        errors = rms(ChambolleTVFlow().transform(picture, TIMES) - truths["camera"], axis=(1, 2))
        assert (errors <= 1.5e-3 * picture.std()).all()

    def test_the_estimate_knows_what_float32_loses_of_a_small_contrast(self):
        faint = 1e-3 * np.random.default_rng(0).standard_normal(60)
        image = (1000 + faint).astype(np.float32)
        truth = ChambolleTVFlow(tol=1e-5).transform(image.astype(float), 5e-4)
        with pytest.warns(ConvergenceWarning, match="offset of the image hides"):
            result = ChambolleTVFlow().solve(image, 5e-4)
        error = rms(result.u[0] - truth)
        assert not result.converged
        assert error / 3 <= result.error_estimate[0] <= 3 * error
        assert error <= result.error_bound[0]

    def test_projection_agrees(self, truths):
        picture = PICTURES["camera"]
        flow = ChambolleTVFlow(n_steps=20, algorithm="projection", tol=3e-3, max_num_iter=10**4)
        assert rms(flow.transform(picture, 0.2) - truths["camera"][0]) <= 3e-3 * picture.std()

    def test_the_bound_on_iterations_is_what_keeps_a_tolerance_from_being_met(self, truths):
        picture, truth = PICTURES["noise"], truths["noise"]
        for order in (1, 2):
            flow = ChambolleTVFlow(order=order, tol=3e-4, max_num_iter=10**6)
            result = flow.solve(picture, TIMES[:2])
            assert result.converged
            errors = rms(result.u - truth[:2], axis=(1, 2))
            assert (errors <= 1.5 * 3e-4 * picture.std()).all()

    def test_frames_in_which_both_solves_lag_behind(self):
        """Near extinction k and 2k iterations agree long before they are right."""
        picture = transform.resize(data.camera() / 255, (64, 64), anti_aliasing=True)
        times = np.linspace(0, 8, 161)
        fixed = {"n_steps": 160, "order": 1}
        truth = ChambolleTVFlow(**fixed, tol=None, max_num_iter=3000).transform(picture, times)
        result = ChambolleTVFlow(**fixed).solve(picture, times, certify=False)
        errors = rms(result.u - truth, axis=(1, 2))
        assert result.converged
        assert errors.max() <= 1.5e-3 * picture.std()

    def test_a_tolerance_beyond_the_arithmetic_ends_with_a_warning(self, small, dtype):
        with pytest.warns(ConvergenceWarning, match="Pass a larger tol") as record:
            result = ChambolleTVFlow(tol=1e-300).solve(small[:2, :2].astype(dtype), 1e-3)
        assert "rounding errors prevent this one" in str(record[0].message)
        assert not result.converged

    def test_a_scheme_of_fixed_steps_solves_them_to_tol(self, small):
        tight = {"order": 1, "n_steps": 10, "max_num_iter": 10**5}
        truth = ChambolleTVFlow(tol=1e-7, **tight).transform(small, 1.0)
        for tol in (1e-2, 1e-3, 1e-4):
            result = ChambolleTVFlow(tol=tol, **tight).solve(small, 1.0)
            assert rms(result.u[0] - truth) <= 1.5 * tol * small.std()
            assert result.error_estimate[0] <= tol * small.std()


class TestArrays:
    @pytest.mark.parametrize(
        ("given", "returned"),
        [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), (">f4", "f4"), (">f8", "f8"), ("u1", "f8"),
         ("u2", "f8"), ("i8", "f8"), ("?", "f8")],
    )  # fmt: skip
    def test_dtypes(self, estimator, given, returned):
        image = (np.arange(48).reshape(6, 8) % 7 > 2).astype(given)
        result = estimator.solve(image, [0, 0.1], return_dual=True)
        for array in (estimator.transform(image, 0.1), result.u, result.dual):
            assert array.dtype == np.dtype(returned)
        expected = estimator.transform(image.astype(float), 0.1)
        np.testing.assert_allclose(result.u[1], expected, atol=1e-3)

    @pytest.mark.parametrize("scale", [255, 65535])
    def test_integers_keep_their_values(self, estimator, small, scale):
        dtype = np.uint8 if scale == 255 else np.uint16
        image = np.rint(small * scale).astype(dtype)
        u = estimator.transform(image, 0.1 * scale)
        assert u.dtype == np.float64
        expected = estimator.transform(image / scale, 0.1) * scale
        assert rms(u - expected) <= 1e-6 * scale

    def test_torch(self, estimator, small, device, dtype):
        image = torch.from_numpy(small.astype(dtype)).to(device)
        expected = estimator.transform(small, [0.1, 0.2])
        result = estimator.solve(image, [0.1, 0.2], return_dual=True)
        for tensor in (result.u, result.dual, estimator.transform(image, 0.1)):
            assert isinstance(tensor, torch.Tensor)
            assert tensor.dtype == getattr(torch, dtype)
            assert tensor.device.type == device
        torch.testing.assert_close(
            result.u.cpu().double(), torch.from_numpy(expected), rtol=0, atol=2e-4
        )
        assert isinstance(result.error_estimate, np.ndarray)

    def test_tensors_that_require_gradients(self, estimator, small):
        image = torch.from_numpy(small).requires_grad_()
        with pytest.raises(ValueError, match=r"image requires grad.*Pass image\.detach\(\), or"):
            estimator.transform(image * 1, 0.1)
        with torch.no_grad():
            u = estimator.transform(image, 0.1)
        assert not u.requires_grad
        np.testing.assert_array_equal(u.numpy(), estimator.transform(small, 0.1))

    def test_memory_layouts(self, estimator, small):
        expected = estimator.transform(small, 0.1)
        strided = np.repeat(np.repeat(small, 2, 0), 3, 1)[::2, ::3]
        for image in (np.asfortranarray(small), strided, small[::-1, ::-1].copy()[::-1, ::-1]):
            np.testing.assert_array_equal(estimator.transform(image, 0.1), expected)
        frozen = small.copy()
        frozen.flags.writeable = False
        u = estimator.transform(frozen, 0.1)
        np.testing.assert_array_equal(u, expected)
        assert u.flags.writeable
        np.testing.assert_array_equal(estimator.transform(small.tolist(), 0.1), expected)

    @pytest.mark.parametrize(("dtype", "scale"), EXTREMES)
    def test_extreme_values(self, estimator, small, scale, dtype):
        image = (scale * small).astype(dtype)
        found, usual = estimator.solve(image, scale * 0.1), estimator.solve(small, 0.1)
        assert found.u.dtype == dtype
        assert rms(found.u / scale - usual.u) <= 2e-3 * small.std()
        for name in ("error_estimate", "error_bound"):
            ratio = getattr(found, name) / scale / getattr(usual, name)
            assert 0.9 <= ratio.item() <= 1.1

    def test_numbers_below_the_normal_ones(self, estimator, small):
        image = np.rint(small * 1000) * 5e-324
        u = estimator.transform(image, 100 * 5e-324)
        expected = estimator.transform(np.rint(small * 1000), 100)
        assert rms(u / 5e-324 - expected) <= 1

    @pytest.mark.parametrize("t", [1e-10, 1e-20, 1e-60, 1e-308, 5e-324])
    @pytest.mark.parametrize("params", [{}, {"n_steps": 5}, {"n_steps": 5, "tol": None}], ids=str)
    def test_a_time_too_short_to_be_seen(self, small, t, params, dtype):
        image = small.astype(dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = ChambolleTVFlow(**params).solve(image, t, return_dual=True)
        assert rms(result.u[0] - image) <= max(4 * t, np.finfo(dtype).eps)
        assert rms(result.u[0] - image) <= result.error_bound[0] + 4 * t
        assert result.error_bound[0] <= 1e-6
        assert np.isfinite(result.dual).all()

    def test_an_offset_costs_float32_nothing_but_its_rounding(self, estimator, small):
        image = (small + 4096).astype(np.float32)
        u = estimator.transform(image, 0.1).astype(float) - 4096
        expected = estimator.transform(image.astype(float) - 4096, 0.1)
        assert np.abs(u - expected).max() <= 2**-12 * 1.01  # half a unit in the last place of 4096

    @pytest.mark.parametrize("value", [0, 0.1, -1e30, 3e-300])
    def test_a_constant_image_stays(self, estimator, value):
        image = np.full((5, 7), value)
        result = estimator.solve(image, [0.1, 1e9], return_dual=True)
        np.testing.assert_array_equal(result.u, [image, image])
        assert result.error_estimate.tolist() == [0, 0]
        assert not result.dual.any()

    @pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 1, 1), (1, 9), (9, 1), (2,), (3, 1, 3)])
    def test_thin_images(self, estimator, shape):
        image = np.random.default_rng(0).standard_normal(shape)
        u = estimator.transform(image, 0.1)
        assert u.shape == shape
        assert u.mean() == pytest.approx(image.mean())
        squeezed = estimator.transform(image.reshape([n for n in shape if n > 1] or [1]), 0.1)
        np.testing.assert_allclose(u.ravel(), squeezed.ravel(), atol=1e-12)

    def test_four_axes(self):
        image = np.random.default_rng(0).standard_normal((3, 4, 3, 4))
        result = ChambolleTVFlow(tol=1e-2).solve(image, 0.1, return_dual=True)
        assert result.dual.shape == (1, 4, *image.shape)
        assert result.u.mean() == pytest.approx(image.mean())
        assert total_variation(result.u[0]) < total_variation(image)

    def test_device_by_name(self, small, device):
        expected = ChambolleTVFlow().transform(small, 0.1)
        for name in (device, torch.device(device), "auto"):
            u = ChambolleTVFlow(device=name).transform(small, 0.1)
            assert isinstance(u, np.ndarray)
            np.testing.assert_allclose(u, expected, atol=1e-4)


class TestBatchesAndChannels:
    @pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
    def test_batch_size_does_not_matter(self, small, batch_size):
        stack = np.stack([small * scale for scale in (0.1, 1, 0, 3, 1)])
        expected = ChambolleTVFlow(batch_axis=0).transform(stack, [0.05, 0.3])
        u = ChambolleTVFlow(batch_axis=0, batch_size=batch_size).transform(stack, [0.05, 0.3])
        np.testing.assert_array_equal(u, expected)

    @pytest.mark.parametrize("axis", [0, 1, 2, -1])
    def test_the_batch_axis_may_be_anywhere(self, small, axis):
        stack = np.stack([small, small**2])
        expected = ChambolleTVFlow(batch_axis=0).transform(stack, 0.1)
        u = ChambolleTVFlow(batch_axis=axis).transform(np.moveaxis(stack, 0, axis), 0.1)
        np.testing.assert_array_equal(np.moveaxis(u, axis, 0), expected)

    def test_coupled_channels_keep_their_edges_together(self):
        # A faint edge in one channel, under a strong one in the other, outlives a faint one alone.
        step = (np.arange(16) >= 8) * np.ones((16, 1))
        colour = np.stack([step, 0.05 * step])
        separate = ChambolleTVFlow(channel_axis=0).transform(colour, 1.0)
        coupled = ChambolleTVFlow(channel_axis=0, coupled_channels=True).transform(colour, 1.0)
        assert np.ptp(separate[1]) == pytest.approx(0, abs=1e-3)
        # Both are one jump along (1, .05), which falls as one: 2 t / 8 of the length.
        length = np.hypot(1, 0.05)
        for channel, share in zip(coupled, (1, 0.05)):
            expected = share * (1 - 2 / 8 / length)
            assert np.ptp(channel) == pytest.approx(expected, abs=2e-3)

    def test_items_may_have_any_contrast(self, small):
        stack = np.stack([small, 1e-9 * small, 1e9 * small])
        u = ChambolleTVFlow(batch_axis=0).transform(stack, 0.2)
        assert np.isfinite(u).all()
        np.testing.assert_allclose(u[1], 1e-9 * small.mean())
        assert rms(u[2] / 1e9 - small) < 1e-6


class TestFunctions:
    def test_tv_flow_is_the_estimator(self, small):
        np.testing.assert_array_equal(tv_flow(small, 0.1), ChambolleTVFlow().transform(small, 0.1))
        u = tv_flow(small, [0.1, 0.2], method="chambolle", n_steps=7, spacing=(1, 2))
        flow = ChambolleTVFlow(n_steps=7, spacing=(1, 2))
        np.testing.assert_array_equal(u, flow.transform(small, [0.1, 0.2]))

    def test_tv_flow_refuses_other_methods(self, small):
        with pytest.raises(ValueError, match=r"method must be one of .*, got 'rof'\. Pass method="):
            tv_flow(small, 0.1, method="rof")
        with pytest.raises(ValueError, match=r"got \['chambolle'\]\. Pass method="):
            tv_flow(small, 0.1, method=["chambolle"])

    @pytest.mark.parametrize(("dtype", "scale"), [*EXTREMES, ("float64", 0.0)])
    def test_total_variation_of_any_contrast(self, small, scale, dtype):
        found = total_variation((scale * small).astype(dtype))
        assert found == pytest.approx(scale * total_variation(small), rel=1e-6)

    def test_total_variation(self):
        edge = np.repeat([[0.0, 1.0]], 5, 0)
        assert total_variation(edge) == 5
        assert isinstance(total_variation(edge), float)
        assert total_variation(edge, spacing=(1, 0.5)) == 10
        assert total_variation(np.stack([edge, 3 * edge]), batch_axis=0).tolist() == [5, 15]
        colour = np.stack([3 * edge, 4 * edge])
        assert total_variation(colour, channel_axis=0) == 35
        assert total_variation(colour, channel_axis=0, coupled_channels=True) == pytest.approx(25)

    @pytest.mark.parametrize("scale", [1, 1e-3, 40])
    def test_extinction_time_of_a_step_is_half_its_height_times_its_width(self, scale):
        step = scale * np.repeat([0.0, 1.0], 10)
        assert extinction_time(step, rtol=1e-4) == pytest.approx(5 * scale, rel=1e-3)
        assert extinction_time(step, spacing=3) == pytest.approx(15 * scale, rel=1e-2)

    def test_extinction_time_is_a_bound_from_below(self, small):
        time = extinction_time(small)
        rest = ChambolleTVFlow(tol=1e-4).transform(small, [0.9 * time, 1.1 * time])
        assert np.ptp(rest[0]) > 1e-3
        assert np.ptp(rest[1]) < 1e-3

    def test_extinction_time_of_batches_and_channels(self):
        steps = np.outer([1.0, 0, 4], np.repeat([0.0, 1.0], 4))
        assert extinction_time(steps, batch_axis=0) == pytest.approx([2, 0, 8], rel=1e-2)
        assert extinction_time(steps, channel_axis=0) == pytest.approx(8, rel=1e-2)
        assert isinstance(extinction_time(steps), float)

    def test_extinction_time_refuses_a_bad_tolerance(self, small):
        for rtol in (0, 1.5, "fine", True, None):
            with pytest.raises(ValueError, match=rf"between 0 and 1, got {rtol!r}\. Pass rtol="):
                extinction_time(small, rtol=rtol)

    def test_geometric_times(self):
        step = np.repeat([0.0, 1.0], 10)
        times = geometric_times(step)
        assert times.shape == (12,)
        assert times[-1] == pytest.approx(extinction_time(step))
        assert times[0] == pytest.approx(times[-1] / 1000)
        np.testing.assert_allclose(times[1:] / times[:-1], 1000 ** (1 / 11))
        assert geometric_times(step, 1) == pytest.approx([extinction_time(step)])
        several = geometric_times(np.stack([step, 3 * step]), 4, batch_axis=0, rtol=1e-4)
        assert several[-1] == pytest.approx(15, rel=1e-3)

    @pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
    def test_geometric_times_refuse_a_bad_number(self, n):
        with pytest.raises(ValueError, match=r"n must be an integer >= 1, got .*\. Pass n=12\."):
            geometric_times(np.arange(5.0), n)

    def test_geometric_times_refuse_a_constant_image(self):
        with pytest.raises(ValueError, match=r"is constant.*Pass an image with structure"):
            geometric_times(np.ones((4, 4)))


BAD_PARAMETERS = {
    "n_steps": [0, -3, 2.5, "many", None, True],
    "order": [0, 3, 1.5, "2", None, True],
    "tol": [0, -1e-3, "fine", float("nan"), True],
    "algorithm": ["fista", 1, None],
    "max_num_iter": [0, -1, 2.5, "all", None, True],
    "coupled_channels": ["yes", 2, None],
    "batch_size": [0, -2, 1.5, "all", True],
}


class TestRefusals:
    """Every message says what was given, what is needed, and what to type."""

    @pytest.mark.parametrize(
        ("name", "value"), [(name, v) for name, values in BAD_PARAMETERS.items() for v in values]
    )
    def test_parameters(self, small, name, value):
        flow = ChambolleTVFlow(**{name: value})
        for call in (flow.fit, flow.transform, flow.fit_transform, flow.solve):
            with pytest.raises(ValueError, match=f"'{name}' parameter") as caught:
                call(small)
            message = str(caught.value)
            assert f"got {value!r} instead" in message.lower().replace("true", "True").replace(
                "none", "None"
            )
            assert re.search(rf"must be .* type ChambolleTVFlow\({name}=", message)

    def test_steps_chosen_for_no_tolerance(self, small):
        with pytest.raises(ValueError, match=r"tol=None got n_steps='auto'.*Pass tol=1e-3"):
            ChambolleTVFlow(tol=None).transform(small)

    @pytest.mark.parametrize(
        ("t", "kind", "message"),
        [
            (-0.5, ValueError, r"t must be >= 0, got -0\.5\. .*pass t="),
            ([0.1, -2], ValueError, r"t must be >= 0, got -2\.0 at position 1\. .*pass t="),
            (float("nan"), ValueError, r"t must be finite, got nan\. Pass"),
            (float("inf"), ValueError, r"t must be finite, got inf\. Pass"),
            ([[0.1, 0.2]], ValueError, r"(no batch_axis|1-D sequence .*shape \(1, 2\))\. Pass"),
            ([], ValueError, r"at least one time, got an empty sequence\. Pass"),
            ("soon", TypeError, r"real number .*, got the string 'soon'\. Pass"),
            (1j, TypeError, r"real number .*, got complex 1j\. Pass"),
        ],
    )
    def test_times(self, small, t, kind, message):
        for call in (
            lambda: ChambolleTVFlow(t=t).transform(small),
            lambda: ChambolleTVFlow(t=t).fit(small),
            lambda: ChambolleTVFlow().solve(small, t),
            lambda: tv_flow(small, t),
        ):
            with pytest.raises(kind, match=message):
                call()

    @pytest.mark.parametrize(
        ("change", "kind", "message"),
        [
            (
                lambda x: np.where(x > 0.5, np.nan, x),
                ValueError,
                "NaN .*mask=numpy.isfinite",
            ),
            (lambda x: np.ma.masked_less(x, 0.2), ValueError, "masked array, .* mask=~image.mask"),
            (lambda x: x[:0], ValueError, r"0 sample\(s\).*minimum of 1.*pass an array"),
            (lambda x: x[0, 0], ValueError, "single value .* needs at least one axis. Pass"),
            (lambda x: "camera.png", (TypeError, ValueError), "real numbers|of numbers"),
            (lambda x: None, (TypeError, ValueError), "Pass"),
        ],
        ids=["NaN", "masked", "empty", "0-d", "string", "None"],
    )
    def test_images(self, estimator, small, change, kind, message):
        for call in (estimator.fit, estimator.transform, extinction_time, total_variation):
            with pytest.raises(kind, match=message):
                call(change(small.copy()))

    @pytest.mark.parametrize(
        ("params", "kind", "message"),
        [
            ({"batch_axis": 2}, ValueError, r"batch_axis=2 is out of range .*between -2 and 1"),
            ({"channel_axis": -3}, ValueError, "channel_axis=-3 is out of range .*pass channel"),
            ({"batch_axis": 1, "channel_axis": -1}, ValueError, "same axis .*must differ.*pass"),
            ({"batch_axis": 0, "channel_axis": 1}, ValueError, "No spatial axis .*at least one"),
            ({"batch_axis": 0.0}, TypeError, r"batch_axis must be an integer or None, got 0\.0"),
            ({"coupled_channels": True}, ValueError, "needs the axis of the channels.*pass"),
            ({"spacing": (1, 2, 3)}, ValueError, r"one for each of the 2 .*Pass spacing=\("),
            ({"spacing": (1, 1e-200)}, ValueError, r"differ by more than .*got .*Pass spacing=\("),
            ({"spacing": 0}, ValueError, "positive and finite, got 0. Pass spacing="),
            ({"spacing": "wide"}, TypeError, "real numbers, got the string 'wide'. Pass spacing="),
            ({"device": "abacus"}, ValueError, "device='abacus' .*Pass device='cpu'"),
            ({"device": 0}, TypeError, r"device must be .*got 0\. .*Pass device='cpu'"),
        ],
        ids=str,
    )
    def test_axes_spacing_and_device(self, small, params, kind, message):
        for method in ("fit", "transform", "solve", "staged_transform"):
            with pytest.raises(kind, match=message):
                getattr(ChambolleTVFlow(**params), method)(small)

    def test_parameters_are_keyword_only(self):
        with pytest.raises(TypeError):
            ChambolleTVFlow(0.1)

    def test_nothing_warns_on_the_way(self, small):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ChambolleTVFlow().fit(small).transform(small.astype(np.float32), [0, 0.1, 1e6])
