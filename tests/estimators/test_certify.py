"""The certificate: never below the truth, sharp enough to be of use, and hard to deceive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data as pictures
from skimage import transform

from exact_flow import exact_flow, extinction, signals
from skimage_tvflow import ChambolleTVFlow, StoppedByCallback, certify

many = settings(max_examples=300)

SCHEMES = st.one_of(
    st.fixed_dictionaries({"order": st.integers(1, 2), "tol": st.sampled_from([1e-2, 1e-4])}),
    st.fixed_dictionaries(
        {
            "order": st.integers(1, 2),
            "n_steps": st.integers(1, 6),
            "tol": st.none(),
            "max_num_iter": st.sampled_from([1, 2, 3, 5, 20]),
        }
    ),
)


def rms(u, axis=None):
    return np.sqrt(np.mean(np.square(u, dtype=np.float64), axis=axis))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
class TestNeverBelowTheTruth:
    """Against closed forms, whose own rounding is all that the truth is off by."""

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("axis", [0, 1])
    @settings(max_examples=60)
    @given(signal=signals(), scheme=SCHEMES, h=st.sampled_from([0.5, 1.0]), data=st.data())
    def test_of_a_solve(self, dtype, axis, signal, scheme, h, data):
        offset = data.draw(st.sampled_from([0.0, 40.0]))
        signal = (signal + offset).astype(dtype)
        times = np.sort(data.draw(st.lists(st.floats(1e-3, 1.3), min_size=1, max_size=4)))
        times = times * max(extinction(signal.astype(float), h), 1e-3)
        image = np.repeat(signal[:, None], 2, 1) if axis == 0 else np.repeat(signal[None], 2, 0)
        result = ChambolleTVFlow(spacing=h, **scheme).solve(image, times)
        truth = np.expand_dims(exact_flow(signal, times, h), 2 - axis)
        error = rms(result.u - truth, (1, 2))
        assert (error <= result.error_bound + 1e-13 * (1 + offset)).all()

    @many
    @given(signal=signals(), data=st.data())
    def test_of_any_candidate(self, signal, data):
        """Images and dual variables that no solver would give, too long and not fitting."""
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        n_times = data.draw(st.integers(1, 4))
        times = np.cumsum(rng.uniform(0.01, 1, n_times)) * max(extinction(signal), 0.1)
        truth = exact_flow(signal, times)
        size = data.draw(st.sampled_from([0.0, 1e-3, 1.0]))
        u = truth + size * rng.standard_normal(truth.shape)
        dual = data.draw(st.sampled_from([0.5, 3.0])) * rng.standard_normal(
            (n_times, 1, len(signal))
        )
        refine = data.draw(st.sampled_from([0, 0, 2]))
        bound = certify(signal, u, dual, times, refine=refine).error_bound
        assert (rms(u - truth, 1) <= bound + 1e-13).all()


@pytest.fixture(scope="module")
def camera():
    return transform.resize(pictures.camera() / 255.0, (96, 96), anti_aliasing=True)


class TestSharpness:
    @pytest.mark.parametrize(("t", "decibel"), [(0.2, 52), (1.0, 39), (5.0, 28)])
    def test_of_50_exact_steps(self, camera, t, decibel):
        flow = ChambolleTVFlow(n_steps=50, order=1, tol=None, max_num_iter=300)
        bound = flow.solve(camera, t).error_bound
        assert -20 * np.log10(bound[0]) >= decibel

    @pytest.mark.parametrize(("t", "factor"), [(0.2, 5), (1.0, 10)])
    def test_refined(self, camera, t, factor):
        times = np.linspace(t / 50, t, 50)
        flow = ChambolleTVFlow(n_steps=50, order=1, tol=None, max_num_iter=300)
        result = flow.solve(camera, times, return_dual=True)
        truth = ChambolleTVFlow(n_steps=800, tol=None, max_num_iter=60).transform(camera, t)
        bound = certify(camera, result.u, result.dual, times, refine=16).error_bound[-1]
        assert rms(result.u[-1] - truth) <= bound <= factor * rms(result.u[-1] - truth)

    def test_nothing_is_charged_where_euler_is_exact(self):
        """Between merging events the dual variable of a signal is that of the whole interval."""
        step = np.repeat([0.0, 1.0], 8)
        flow = ChambolleTVFlow(n_steps=4, order=1, tol=1e-10, max_num_iter=10**5)
        assert flow.solve(step, 2.0).error_bound[0] < 1e-5


class TestWhatIsCharged:
    @pytest.fixture
    def solved(self, image):
        flow = ChambolleTVFlow(n_steps=10, order=1)
        times = np.linspace(0.02, 0.2, 10)
        return image, times, flow.solve(image, times, return_dual=True)

    def test_the_bound_of_a_solve_is_that_of_its_frames(self, solved):
        image, times, result = solved
        bound = certify(image, result.u, result.dual, times).error_bound
        np.testing.assert_allclose(bound, result.error_bound, rtol=1e-3)

    def test_another_start(self, solved):
        image, times, result = solved
        u = np.concatenate([image[None] + 0.1, result.u])
        dual = np.concatenate([0 * result.dual[:1], result.dual])
        bound = certify(image, u, dual, [0.0, *times]).error_bound
        assert bound[0] == pytest.approx(0.1)
        assert bound[1] >= 0.1

    def test_a_dual_variable_that_is_too_long_is_shortened(self, solved):
        image, times, result = solved
        honest = certify(image, result.u, result.dual, times).error_bound
        assert (certify(image, result.u, 3 * result.dual, times).error_bound > honest).all()

    def test_order_of_the_times_does_not_matter(self, solved):
        image, times, result = solved
        bound = certify(image, result.u, result.dual, times).error_bound
        back = certify(image, result.u[::-1], result.dual[::-1], times[::-1])
        np.testing.assert_allclose(back.error_bound, bound[::-1])
        np.testing.assert_array_equal(back.times, times[::-1])

    def test_batches_channels_and_torch(self, image):
        import torch

        stack = np.stack([image[:20], 2 * image[20:40]])[..., None] * [1.0, 0.5, 0.2]
        axes = {"batch_axis": 0, "channel_axis": -1}
        flow = ChambolleTVFlow(n_steps=2, order=1, coupled_channels=True, **axes)
        result = flow.solve(torch.from_numpy(stack), [0.1, 0.2], return_dual=True)
        found = certify(
            torch.from_numpy(stack),
            result.u,
            result.dual,
            [0.1, 0.2],
            coupled_channels=True,
            **axes,
        )
        assert found.error_bound.shape == (2, 2)
        np.testing.assert_allclose(found.error_bound, result.error_bound, rtol=0.05)

    def test_a_constant_image(self):
        result = ChambolleTVFlow().solve(np.full((4, 5), 7.0), [0.1, 1.0])
        assert result.error_bound.tolist() == [0, 0]

    def test_without_certify_there_is_none(self, image):
        assert ChambolleTVFlow(n_steps=2).solve(image, 0.1, certify=False).error_bound is None


class TestCallback:
    @pytest.fixture
    def arguments(self, image):
        times = np.linspace(0.02, 0.2, 5)
        result = ChambolleTVFlow(n_steps=5, order=1).solve(image, times, return_dual=True)
        return image, result.u, result.dual, times

    @pytest.mark.parametrize(("refine", "least"), [(0, 5), (4, 20)])
    def test_is_told_the_fraction_of_the_work(self, arguments, refine, least):
        told = []
        found = certify(*arguments, refine=refine, callback=told.append)
        assert told[0] > 0
        assert (np.diff(told) >= 0).all()
        assert told[-1] == 1
        assert len(told) >= least
        expected = certify(*arguments, refine=refine).error_bound
        np.testing.assert_array_equal(found.error_bound, expected)

    def test_stops(self, arguments):
        told = []
        with pytest.raises(StoppedByCallback):
            certify(*arguments, callback=lambda progress: told.append(progress) or progress > 0.5)
        assert told == pytest.approx([0.2, 0.4, 0.6])


class TestRefusals:
    @pytest.mark.parametrize("refine", [-1, 0.5, True, "8"])
    def test_refine(self, refine):
        with pytest.raises(ValueError, match=r"refine must be an integer >= 0, got .*refine=8"):
            certify(np.ones(4), np.ones((1, 4)), np.zeros((1, 1, 4)), [0.1], refine=refine)

    def test_shapes(self):
        with pytest.raises(ValueError, match=r"u has shape \(4,\), and \(1, 4\) is needed.*Pass"):
            certify(np.ones(4), np.ones(4), np.zeros((1, 1, 4)), [0.1])
        with pytest.raises(ValueError, match=r"dual has shape .* \(1, 1, 4\) is needed.*Pass"):
            certify(np.ones(4), np.ones((1, 4)), np.zeros((1, 4)), [0.1])

    def test_values(self):
        with pytest.raises(ValueError, match="NaN"):
            certify(np.ones(4), np.full((1, 4), np.nan), np.zeros((1, 1, 4)), [0.1])
