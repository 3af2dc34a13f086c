"""The certificate without a dual variable: never below the truth, near it, and at it at the end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data as pictures
from skimage import transform

from exact_flow import exact_flow, extinction, signals
from independent_solver import euler_flow
from skimage_tvflow import ChambolleTVFlow, StoppedByCallback, certify

RNG = np.random.default_rng(5)


def rms(u, axis=None):
    return np.sqrt(np.mean(np.square(u, dtype=np.float64), axis=axis))


def tracked(image, u, times, **params):
    return certify(image, u, None, times, **params).error_bound


def small(name):
    picture = getattr(pictures, name)() / 255.0
    return transform.resize(picture, (96, 96), anti_aliasing=True)


def disc():
    y, x = np.indices((96, 96)) - 47.5
    return (np.hypot(y, x) < 24).astype(float)


class TestNeverBelowTheTruth:
    @settings(max_examples=80)
    @given(signal=signals(), h=st.sampled_from([0.5, 1.0]), data=st.data())
    def test_of_any_candidate(self, signal, h, data):
        """Against the closed form: near the flow, far from it, and with another mean."""
        size = data.draw(st.sampled_from([0.0, 1e-6, 1e-2, 1.0]))
        effort = data.draw(st.sampled_from([0.05, 0.5, 3.0]))
        last = max(extinction(signal, h), 1e-3)
        shares = data.draw(st.lists(st.floats(1e-3, 1.3), min_size=1, max_size=3, unique=True))
        times = np.sort(shares) * last
        truth = exact_flow(signal, times, h)
        u = truth + size * np.random.default_rng(0).standard_normal(truth.shape)
        bound = tracked(signal, u, times, effort=effort, spacing=h)
        assert (rms(u - truth, 1) <= bound + 1e-13).all()

    @pytest.mark.parametrize(
        ("shape", "params"),
        [((7, 8), {}), ((4, 5, 3), {}), ((6, 7), {"spacing": (2.0, 0.5)}),
         ((6, 7, 2), {"channel_axis": -1, "coupled_channels": True})],
    )  # fmt: skip
    def test_in_more_dimensions(self, shape, params):
        image, t = RNG.random(shape), 0.06
        solve = {"spacing": params.get("spacing"), "channels": "channel_axis" in params}
        fine = euler_flow(image, t, 400, gap=1e-12, **solve)
        truth = 2 * fine - euler_flow(image, t, 200, gap=1e-12, **solve)
        unsure = rms(truth - fine)
        for size in (0.0, 1e-3, 0.1):
            u = truth + size * RNG.standard_normal(shape)
            for effort in (0.2, 5.0):
                bound = tracked(image, u[None], [t], effort=effort, **params)[0]
                assert rms(u - truth) <= bound + unsure
        assert bound <= 1.2 * rms(u - truth)  # far off, the distance from the tracker is all

    def test_of_the_image_itself(self):
        """At the time 0 the bound is the distance from the image, up to rounding."""
        image = RNG.random((6, 5))
        bound = tracked(image, np.stack([image, image + 0.25]), [0.0, 0.0])
        assert bound[0] == bound[1] < 1e-14
        bound = tracked(image, np.stack([image + 0.25, image]), [0.0, 0.1])
        assert bound[0] == pytest.approx(0.25)


class TestSharpness:
    """Of a solve with the usual tolerance, whose error is a fifth to a half of that."""

    @pytest.mark.parametrize(
        ("picture", "t", "factor"),
        [("camera", 0.2, 1.9), ("camera", 1.0, 2.2), ("brick", 0.2, 3.4)],
    )
    def test_of_pictures(self, picture, t, factor):
        image = small(picture)
        truth = ChambolleTVFlow(tol=1e-5).transform(image, t)
        u = ChambolleTVFlow().transform(image, t)
        bound = tracked(image, u[None], [t])[0]
        error = rms(u - truth)
        assert error * (1 - 0.02) <= bound <= factor * 1e-3 * image.std()

    def test_of_a_disc(self):
        image = disc()
        truth = ChambolleTVFlow(tol=1e-5).transform(image, 1.0)
        u = ChambolleTVFlow().transform(image, 1.0)
        error = rms(u - truth)
        bound = tracked(image, u[None], [1.0])[0]
        assert error * (1 - 0.02) <= bound <= 1.5e-3 * image.std()

    def test_falls_with_the_effort(self):
        """With one over the number of steps: eight times the effort, a sixth of the bound."""
        image = small("camera")[:48, :48]
        u = ChambolleTVFlow(tol=1e-4).transform(image, 0.5)[None]
        one, eight = (tracked(image, u, [0.5], effort=effort)[0] for effort in (0.5, 4.0))
        assert one / 12 <= eight <= one / 4

    def test_after_extinction_it_is_the_error(self):
        image = small("camera")[:24, :24]
        t = 1.5 * ChambolleTVFlow().solve(image, 0.1).u.std() * 24
        u = image.mean() + 1e-6 * RNG.standard_normal((1, 24, 24))
        error = rms(u - image.mean())
        assert error <= tracked(image, u, [t])[0] <= 1.05 * error

    def test_a_large_offset_does_not_count(self):
        image = 1e7 + RNG.random((16, 16))
        u = np.full((1, 16, 16), image.mean())
        assert tracked(image, u, [100.0])[0] < 1e-7


class TestSeveral:
    def test_items_and_times_are_bounded_as_if_alone(self):
        stack = np.stack([RNG.random((9, 8)), 3 * RNG.random((9, 8)), np.ones((9, 8))])
        times = [0.05, 2.0]
        u = ChambolleTVFlow(batch_axis=0).transform(stack, times)
        found = tracked(stack, u, times, batch_axis=0)
        for k in range(3):
            alone = tracked(stack[k], u[:, k], times)
            np.testing.assert_allclose(found[:, k], alone, rtol=1e-9, atol=1e-15)
        assert found[:, 2].max() < 1e-15

    def test_the_least_bound_counts(self):
        image = RNG.random((12, 12))
        result = ChambolleTVFlow().solve(image, [0.05, 0.1], return_dual=True)
        own = certify(image, result.u, result.dual, [0.05, 0.1]).error_bound
        through = tracked(image, result.u, [0.05, 0.1], effort=1.0)
        both = certify(image, result.u, result.dual, [0.05, 0.1], effort=1.0).error_bound
        np.testing.assert_array_equal(both, np.minimum(own, through))

    def test_callback(self):
        image, told = RNG.random((12, 12)), []
        u = np.stack([image, image])
        tracked(image, u, [0.05, 0.1], callback=told.append)
        assert (np.diff(told) >= 0).all()
        assert told[-1] == 1
        with pytest.raises(StoppedByCallback):
            tracked(image, u, [0.05, 0.1], callback=lambda progress: progress > 0.6)


class TestRefusals:
    @pytest.mark.parametrize("effort", [-1.0, True, "5", np.inf])
    def test_effort(self, effort):
        with pytest.raises(ValueError, match=r"effort must be .*Pass effort=5\.0"):
            tracked(np.ones(4), np.ones((1, 4)), [0.1], effort=effort)

    def test_neither_dual_nor_effort(self):
        with pytest.raises(ValueError, match=r"Without a dual variable.*Pass effort=5\.0"):
            tracked(np.ones(4), np.ones((1, 4)), [0.1], effort=0)
