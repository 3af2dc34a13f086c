"""The laws of the flow on any small image: to rounding, or to the accuracy of the solver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow import ChambolleTVFlow, extinction_time, total_variation
from strategies import images

# Always the same steps and iterations: laws of the scheme itself hold to rounding.
FIXED = {"n_steps": 4, "order": 1, "tol": None, "max_num_iter": 6}
TIGHT = {"n_steps": 4, "order": 1, "tol": 1e-5, "max_num_iter": 10**5}
SCHEMES = pytest.mark.parametrize(
    "params", [FIXED, {**FIXED, "order": 2}, {**FIXED, "algorithm": "projection"}],
    ids=["Euler", "Richardson", "projection"],
)  # fmt: skip
few = settings(max_examples=20)


times = st.floats(0.01, 2)


def flow(image, t, params, **more):
    return ChambolleTVFlow(**{**params, **more}).transform(image, t)


def rms(u):
    return float(np.sqrt(np.mean(np.square(u))))


class TestToRounding:
    @SCHEMES
    @few
    @given(image=images(), t=times)
    def test_the_mean_stays(self, params, image, t):
        assert flow(image, t, params).mean() == pytest.approx(image.mean(), abs=1e-13)

    @SCHEMES
    @few
    @given(image=images(), t=times, power=st.integers(-40, 40), sign=st.sampled_from([-1, 1]))
    def test_scale_by_powers_of_two(self, params, image, t, power, sign):
        scaled = flow(sign * 2.0**power * image, 2.0**power * t, params)
        np.testing.assert_array_equal(scaled, sign * 2.0**power * flow(image, t, params))

    @SCHEMES
    @few
    @given(image=images(), t=times, c=st.floats(0.01, 100), sign=st.sampled_from([-1, 1]),
           shift=st.floats(-100, 100))  # fmt: skip
    def test_scale_and_shift(self, params, image, t, c, sign, shift):
        c = sign * c
        moved = flow(c * image + shift, abs(c) * t, params)
        expected = c * flow(image, t, params) + shift
        np.testing.assert_allclose(moved, expected, atol=1e-10 * abs(c) + 1e-12 * abs(shift))

    @SCHEMES
    @few
    @given(image=images(n_spatial=(2, 3)), t=times, data=st.data())
    def test_swapping_two_axes(self, params, image, t, data):
        a, b = data.draw(st.permutations(range(image.ndim)))[:2]
        swapped = flow(image.swapaxes(a, b), t, params)
        np.testing.assert_allclose(swapped.swapaxes(a, b), flow(image, t, params), atol=1e-11)

    @SCHEMES
    @few
    @given(image=images(n_spatial=(2, 3)), t=times, data=st.data())
    def test_swapping_two_axes_and_their_spacings(self, params, image, t, data):
        spacing = np.array([1.0, 2.5, 0.7])[: image.ndim]
        order = data.draw(st.permutations(range(image.ndim)))
        there = flow(image.transpose(order), t, params, spacing=spacing[order])
        expected = flow(image, t, params, spacing=spacing).transpose(order)
        np.testing.assert_allclose(there, expected, atol=1e-11)

    @SCHEMES
    @few
    @given(image=images(), t=times, h=st.floats(0.1, 10))
    def test_spacing_is_a_scale_of_time(self, params, image, t, h):
        np.testing.assert_allclose(
            flow(image, t, params, spacing=h), flow(image, t / h, params), atol=1e-10
        )

    @SCHEMES
    @few
    @given(image=images(), t=times, m=st.integers(2, 4))
    def test_equal_coupled_channels_are_one_image_at_a_longer_time(self, params, image, t, m):
        # |(Du, ..., Du)| = sqrt(m) |Du|, and each of the m channels moves at 1 / sqrt(m)
        channels = np.stack([image] * m, -1)
        coupled = flow(channels, np.sqrt(m) * t, params, channel_axis=-1, coupled_channels=True)
        expected = flow(image, t, params)
        for c in range(m):
            np.testing.assert_allclose(coupled[..., c], expected, atol=1e-10)

    @SCHEMES
    @few
    @given(image=images(), t=times)
    def test_a_single_coupled_channel_is_a_separate_one(self, params, image, t):
        coupled = flow(image[None], t, params, channel_axis=0, coupled_channels=True)
        np.testing.assert_array_equal(coupled[0], flow(image, t, params))

    @pytest.mark.parametrize("order", [1, 2])
    @few
    @given(image=images(), t=times, n=st.integers(2, 5), dtype=st.sampled_from(["f4", "f8"]))
    def test_items_of_a_batch_are_what_they_are_alone(self, order, image, t, n, dtype):
        params = {**FIXED, "order": order}
        together, separate, alone = self.ways(params, image, t, n, dtype)
        # whether several intervals are marched in one call depends on all items, and rounds
        ulps = 8 * np.finfo(dtype).eps * max(1, np.abs(alone).max())
        np.testing.assert_allclose(together, alone, rtol=0, atol=ulps)
        np.testing.assert_allclose(separate, alone, rtol=0, atol=ulps)

    @few
    @given(image=images(), t=times, n=st.integers(2, 5))
    def test_items_of_a_batch_are_what_they_are_alone_in_torch(self, image, t, n):
        # torch's vector instructions round the ends of an array differently
        ways = self.ways({**FIXED, "algorithm": "projection"}, image, t, n, "f8")
        np.testing.assert_allclose(ways[0], ways[2], rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(ways[1], ways[2], rtol=1e-13, atol=1e-13)

    def ways(self, params, image, t, n, dtype):
        """The items of a batch together, as separate channels, and each alone."""
        scales = np.linspace(0.3, 3, n).reshape(-1, *[1] * image.ndim)
        stack = (scales * image + scales**2).astype(dtype)
        together = flow(stack, [t / 2, t], params, batch_axis=0)
        separate = flow(np.moveaxis(stack, 0, -1), [t / 2, t], params, channel_axis=-1)
        alone = np.stack([flow(item, [t / 2, t], params) for item in stack], 1)
        return together, np.moveaxis(separate, -1, 1), alone

    @few
    @given(image=images(), t=times, n=st.integers(2, 6))
    def test_items_of_a_batch_are_what_they_are_alone_whatever_steps_they_choose(self, image, t, n):
        scales = np.geomspace(0.3, 30, n).reshape(-1, *[1] * image.ndim)
        together = flow(scales * image, t, {"batch_axis": 0})
        for item, u in zip(scales * image, together):
            np.testing.assert_array_equal(u, flow(item, t, {}))

    @few
    @given(image=images(), share=st.floats(0.01, 0.4))
    def test_frames_of_one_solve_do_not_depend_on_those_asked_for(self, image, share):
        t = share * (image.std() or 1)  # long before extinction, which is seen at frames only
        frames = flow(image, [t / 4, t / 2, t * 3 / 4, t], FIXED)
        np.testing.assert_allclose(flow(image, t, FIXED), frames[-1], atol=1e-12)

    @few
    @given(image=images(), t=times)
    def test_an_image_without_structure_does_not_move(self, image, t):
        flat = np.full_like(image, image.flat[0])
        np.testing.assert_array_equal(flow(flat, t, {}), flat)


class TestToTheAccuracyOfTheSolver:
    @few
    @given(image=images(), t=times)
    def test_semigroup_on_the_same_steps(self, image, t):
        once = flow(image, t, TIGHT)
        twice = flow(flow(image, t / 2, TIGHT, n_steps=2), t / 2, TIGHT, n_steps=2)
        assert rms(twice - once) <= 5e-5 * image.std() + 1e-14

    @few
    @given(image=images(n_spatial=(1, 2)), t=times, share=st.floats(0.05, 0.95))
    def test_semigroup_across_meshes(self, image, t, share):
        one = ChambolleTVFlow(tol=1e-3, max_num_iter=10**5)
        once = one.solve(image, t)
        first = one.solve(image, share * t)
        second = one.solve(first.u[0], (1 - share) * t)
        # The flow contracts, so errors do not grow; an estimate may be half of the truth.
        allowed = 1e-4 * image.std() + 2 * sum(
            result.error_estimate[0] for result in (once, first, second)
        )
        assert rms(second.u[0] - once.u[0]) <= allowed + 1e-14

    @few
    @given(image=images(), t=times, c=st.floats(-50, 50).filter(lambda c: abs(c) > 0.02),
           shift=st.floats(-100, 100))  # fmt: skip
    def test_scale_and_shift_of_the_default_scheme(self, image, t, c, shift):
        moved = flow(c * image + shift, abs(c) * t, {})
        assert rms(moved - (c * flow(image, t, {}) + shift)) <= 3e-3 * abs(c) * image.std() + 1e-11

    @few
    @given(image=images(), t=times)
    def test_total_variation_never_grows(self, image, t):
        frames = flow(image, np.linspace(0, t, 9), TIGHT, n_steps=8)
        variation = total_variation(frames, batch_axis=0)
        assert (np.diff(variation) <= 1e-4 * variation[0] + 1e-13).all()

    @few
    @given(image=images(), t=times)
    def test_maximum_principle_of_euler(self, image, t):
        u = flow(image, [t / 3, t], TIGHT)
        slack = 1e-5 * np.sqrt(image.size) * image.std() + 1e-14
        assert u.min() >= image.min() - slack
        assert u.max() <= image.max() + slack

    @few
    @given(image=images(), t=times)
    def test_maximum_principle_to_the_error_estimate(self, image, t):
        result = ChambolleTVFlow().solve(image, t)
        # The estimate is of the root mean square, so one pixel may take it all.
        slack = 2 * result.error_estimate[0] * np.sqrt(image.size) + 1e-13
        assert result.u.min() >= image.min() - slack
        assert result.u.max() <= image.max() + slack

    @few
    @given(image=images(), t=times, seed=st.integers(0, 2**32 - 1))
    def test_two_flows_come_closer(self, image, t, seed):
        other = image + np.random.default_rng(seed).standard_normal(image.shape)
        before = rms(image - other)
        after = rms(flow(image, t, TIGHT) - flow(other, t, TIGHT))
        assert after <= before + 5e-5

    @SCHEMES
    @few
    @given(image=images())
    def test_extinction_to_the_mean(self, params, image):
        much_later = 1 + 10 * sum(image.shape) * np.ptp(image)
        np.testing.assert_allclose(flow(image, much_later, params), image.mean(), atol=1e-13)
        np.testing.assert_allclose(flow(image, much_later, {}), image.mean(), atol=1e-13)

    @few
    @given(image=images(n_spatial=(1, 2)))
    def test_extinction_time_is_when_the_mean_is_reached(self, image):
        time = extinction_time(image, rtol=1e-3)
        around = flow(image, [0.8 * time, 1.05 * time], TIGHT, n_steps=40)
        spread = np.ptp(around, axis=tuple(range(1, around.ndim)))
        assert spread[1] <= 1e-4 * np.ptp(image)
        assert spread[0] >= 0.02 * np.ptp(image)

    @few
    @given(
        image=images(), c=st.floats(-50, 50).filter(lambda c: abs(c) > 0.02), h=st.floats(0.1, 9)
    )
    def test_extinction_time_scales(self, image, c, h):
        expected = abs(c) * h * extinction_time(image)
        assert extinction_time(c * image + 3, spacing=h) == pytest.approx(expected, rel=0.03)
