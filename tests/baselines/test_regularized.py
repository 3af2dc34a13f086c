"""RegularizedTVFlow: the flows that the TV flow is compared with."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from skimage_tvflow import ChambolleTVFlow, RegularizedTVFlow, total_variation

SCHEMES = pytest.mark.parametrize("scheme", ["explicit", "lagged-diffusivity"])
few = settings(max_examples=10)


@st.composite
def images(draw):
    n = draw(st.integers(1, 3))
    shape = draw(st.lists(st.integers(1, {1: 20, 2: 9, 3: 5}[n]), min_size=n, max_size=n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.standard_normal(shape)


def flow(image, t, **params):
    return RegularizedTVFlow(**params).transform(image, t)


def rms(u):
    return float(np.sqrt(np.mean(np.square(u))))


def diffusion(image, t, eps, spacing):
    """The regularised flow by an integrator that knows nothing of ours."""
    ndim = image.ndim

    def rate(_, values):
        u = values.reshape(image.shape)
        du = []
        for axis in range(ndim):
            last = np.take(u, [-1], axis)
            du.append(np.diff(u, axis=axis, append=last) / spacing[axis])
        phi = du / np.sqrt(sum(np.square(d) for d in du) + eps**2)
        return sum(
            np.diff(p, axis=axis, prepend=0) / spacing[axis] for axis, p in enumerate(phi)
        ).ravel()

    return (
        solve_ivp(rate, (0, t), image.ravel(), rtol=1e-9, atol=1e-11).y[:, -1].reshape(image.shape)
    )


class TestAccuracy:
    @SCHEMES
    @pytest.mark.parametrize("shape", [(12,), (6, 7), (3, 4, 5)])
    def test_it_is_the_diffusion(self, scheme, shape):
        rng = np.random.default_rng(0)
        image, spacing = rng.standard_normal(shape), np.array([1.0, 2.0, 1.5])[: len(shape)]
        truth = diffusion(image, 0.5, 0.2, spacing)
        errors = [
            rms(flow(image, 0.5, scheme=scheme, eps=0.2, n_steps=n, spacing=spacing) - truth)
            for n in (400, 800)
        ]
        assert errors[1] < 2e-3
        # of first order in time
        assert errors[0] / errors[1] == pytest.approx(2, rel=0.15)

    def test_more_systems_make_the_step_implicit(self):
        rng = np.random.default_rng(1)
        image = rng.standard_normal((8, 9))
        steps = {"eps": 0.1, "n_steps": 1}
        found = [flow(image, 0.3, max_num_iter=n, **steps) for n in (1, 40, 80)]
        # the residual of the implicit step: v - u - t div(Dv / |Dv|)
        after = RegularizedTVFlow(scheme="explicit", eps=0.1)
        assert rms(found[1] - found[2]) < 1e-6
        assert rms(found[0] - found[2]) > 1e-2
        slope = (found[2] - after.transform(found[2], 1e-6)) / 1e-6
        assert rms(found[2] - image + 0.3 * slope) < 1e-4

    @SCHEMES
    def test_it_comes_near_the_flow_as_eps_falls(self, scheme, image):
        truth = ChambolleTVFlow(tol=1e-4).transform(image, 0.1)
        steps = {} if scheme == "explicit" else {"n_steps": 100, "max_num_iter": 4}
        errors = [
            rms(flow(image, 0.1, scheme=scheme, eps=eps, **steps) - truth)
            for eps in (1e-1, 1e-2, 1e-3)
        ]
        assert errors[0] > 1.5 * errors[1] > 3 * errors[2]

    @SCHEMES
    def test_the_bound_is_never_below_the_error(self, scheme, image):
        truth = ChambolleTVFlow(tol=2e-4, max_num_iter=10**4).transform(image, [0.05, 0.2])
        for eps in (0.3, 3e-3):
            result = RegularizedTVFlow(scheme=scheme, eps=eps).solve(image, [0.05, 0.2])
            error = np.sqrt(np.mean((result.u - truth) ** 2, axis=(1, 2)))
            assert (error <= result.error_bound).all()
            assert (result.error_bound < 10 * error).all()


class TestLaws:
    @SCHEMES
    @few
    @given(image=images(), t=st.floats(0.01, 1))
    def test_mean_variation_and_values(self, scheme, image, t):
        u = flow(image, t, scheme=scheme, eps=0.1)
        assert u.mean() == pytest.approx(image.mean(), abs=1e-6)
        assert total_variation(u) <= total_variation(image) * (1 + 1e-6)
        if scheme == "lagged-diffusivity":  # a linear system of an M-matrix
            assert u.max() <= image.max() + 1e-6
            assert u.min() >= image.min() - 1e-6

    @SCHEMES
    @few
    @given(image=images(), t=st.floats(0.01, 1), c=st.floats(0.1, 10), shift=st.floats(-9, 9),
           h=st.floats(0.2, 5))  # fmt: skip
    def test_scale_shift_and_spacing(self, scheme, image, t, c, shift, h):
        expected = flow(image, t, scheme=scheme, eps=0.1)
        moved = flow(c * image + shift, c * t, scheme=scheme, eps=0.1 * c)
        np.testing.assert_allclose(moved, c * expected + shift, atol=1e-6 * c)
        stretched = flow(image, t * h, scheme=scheme, eps=0.1 / h, spacing=h)
        np.testing.assert_allclose(stretched, expected, atol=1e-6)

    @SCHEMES
    def test_coupled_channels(self, scheme, image):
        # |(Du, Du)| = sqrt(2) |Du|: both channels move at 1 / sqrt(2)
        both = np.stack([image, image], -1)
        coupled = {"channel_axis": -1, "coupled_channels": True}
        u = flow(both, 0.1 * np.sqrt(2), scheme=scheme, eps=0.1 * np.sqrt(2), n_steps=60, **coupled)
        expected = flow(image, 0.1, scheme=scheme, eps=0.1, n_steps=60)
        np.testing.assert_allclose(u, np.stack([expected] * 2, -1), atol=1e-6)


class TestResult:
    @SCHEMES
    def test_fields(self, scheme, image):
        flow = RegularizedTVFlow(scheme=scheme, eps=1e-2, n_steps=100, batch_axis=0)
        stack = np.stack([image, np.ones_like(image)])
        times = [0.1, 0.0, 0.05]
        result = flow.solve(stack, times, return_dual=True)
        assert result.u.shape == (3, *stack.shape)
        np.testing.assert_array_equal(result.u[1], stack)
        np.testing.assert_array_equal(result.u[:, 1], 1)
        assert result.n_iter.tolist() == [100, 0]
        assert result.error_bound[:, 1].tolist() == [0, 0, 0]
        assert result.loss_curve is None
        np.testing.assert_array_equal(result.u, flow.transform(stack, times))
        if scheme == "explicit":
            assert np.sqrt((result.dual**2).sum(1)).max() < 1
        told = []
        flow.solve(stack, times, callback=lambda progress: told.append(progress.fraction))
        assert told == sorted(told)
        stopped = flow.solve(stack, times, callback=lambda progress: True)
        assert len(stopped.times) < 3

    def test_dtypes(self, image):
        assert flow(image.astype(np.float32), 0.1).dtype == np.float32
        integers = np.round(255 * image).astype(np.uint8)
        u = flow(integers, 25.5, eps=0.255)
        np.testing.assert_allclose(u / 255, flow(integers / 255, 0.1), atol=1e-6)

    def test_too_few_explicit_steps_are_refused(self, image):
        with pytest.raises(ValueError, match=r"at least 800 are needed. Pass n_steps=800 or more"):
            flow(image, 0.2, scheme="explicit", n_steps=100)
        result = RegularizedTVFlow(scheme="explicit").solve(image, 0.2)
        assert result.n_iter == 800
        assert flow(image, 0.2, scheme="explicit", n_steps=800).shape == image.shape

    @pytest.mark.parametrize(
        ("params", "t", "message"),
        [
            ({"eps": 1e-300}, 1.0, "Pass a larger eps, or more n_steps"),
            ({}, 1e300, "Pass a larger eps, or more n_steps"),
            ({"eps": 1e-12, "scheme": "explicit"}, 0.1, r"4.0e\+11 steps. Pass a larger eps"),
            ({"eps": 1e-300, "scheme": "explicit"}, 1e10, "Pass a larger eps"),
        ],
    )
    def test_what_is_too_stiff_is_refused(self, params, t, message, image):
        with pytest.raises(ValueError, match=message):
            flow(image[:8, :9], t, **params)

    @SCHEMES
    def test_a_huge_eps_does_nothing(self, scheme, image):
        np.testing.assert_allclose(flow(image, 0.1, scheme=scheme, eps=1e300), image, atol=1e-12)
        tiny = image * 1e-300
        np.testing.assert_allclose(flow(tiny, 1e-301, scheme=scheme), tiny, atol=1e-312)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"scheme": "implicit"}, "'scheme' parameter"),
            ({"eps": 0}, r"'eps' parameter .*eps=0.001"),
            ({"eps": np.nan}, "'eps' parameter"),
            ({"n_steps": 0}, "'n_steps' parameter"),
            ({"max_num_iter": 1.5}, "'max_num_iter' parameter"),
            ({"t": "later"}, "t must be"),
        ],
    )
    def test_bad_parameters(self, params, message, image):
        with pytest.raises((ValueError, TypeError), match=message):
            RegularizedTVFlow(**params).fit(image)


class TestSklearn:
    @pytest.mark.parametrize(
        ("axis", "at_least"), [({}, 1), ({"batch_axis": 0}, 40)], ids=["default", "batch_axis=0"]
    )
    @pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
    @SCHEMES
    def test_nothing_fails_and_nothing_is_excused(self, scheme, axis, at_least):
        estimator = RegularizedTVFlow(scheme=scheme, eps=0.1, n_steps=12, **axis)
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
        assert not failed
        assert {r["status"] for r in results} <= {"passed", "skipped"}
        assert sum(r["status"] == "passed" for r in results) >= at_least

    def test_clone_and_pickle(self, image):
        estimator = RegularizedTVFlow(eps=1e-2, n_steps=5)
        expected = estimator.transform(image)
        for other in (clone(estimator), pickle.loads(pickle.dumps(estimator))):
            np.testing.assert_array_equal(other.transform(image), expected)
