"""Images that are data in parts only, and flows of local strength: mask and weight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from independent_solver import euler_flow
from skimage_tvflow import (
    ChambolleTVFlow,
    JointSpaceTimeTVFlow,
    ScaleSpace,
    TVFlowNet,
    certify,
    extinction_time,
    geometric_times,
    iter_bands,
    scale_space,
    spectral_decompose,
    total_variation,
    tv_flow,
)

RNG = np.random.default_rng(0)
CAMERA = data.camera()[100:164, 200:264] / 255.0
NOISE = RNG.random((13, 12))
VOLUME = RNG.random((7, 6, 5))
COLOUR = RNG.random((11, 12, 3))
HOLES, VOLUME_HOLES, COLOUR_HOLES = (
    RNG.random(shape) > 0.3 for shape in ((13, 12), (7, 6, 5), (11, 12))
)
WEIGHT, VOLUME_WEIGHT = RNG.random((13, 12)) * 2, RNG.random((7, 6, 5))
MANY = {"tol": None, "max_num_iter": 5000}
COUPLED = {"channel_axis": -1, "coupled_channels": True}
CASES = {
    "random holes": (NOISE, {}, {"mask": HOLES}),
    "weight": (NOISE, {}, {"weight": WEIGHT}),
    "both, spacing": (NOISE, {"spacing": (2.0, 0.8)}, {"mask": HOLES, "weight": WEIGHT}),
    "volume": (VOLUME, {"spacing": (1, 2, 0.7)}, {"mask": VOLUME_HOLES, "weight": VOLUME_WEIGHT}),
    "coupled channels": (COLOUR, COUPLED, {"mask": COLOUR_HOLES}),
    "one row": (NOISE[:1], {}, {"mask": HOLES[:1]}),
}
cases = pytest.mark.parametrize(
    ("image", "params", "limits"), list(CASES.values()), ids=list(CASES)
)


def rms(u):
    return float(np.sqrt(np.mean(np.square(u))))


def truth(image, t, n_steps, params, limits):
    """Return the steps of the solver that is not of the package; masked pixels as they were."""
    channels = "channel_axis" in params
    spacing = params.get("spacing")
    mask = limits.get("mask")
    u = euler_flow(image, t, n_steps, spacing=spacing, channels=channels, **limits)
    if mask is not None:
        u[~mask] = image[~mask]
    return u


class TestAgainstAnIndependentSolver:
    @cases
    @pytest.mark.parametrize("algorithm", ["accelerated", "projection"])
    def test_given_steps(self, image, params, limits, algorithm):
        flow = ChambolleTVFlow(n_steps=3, order=1, algorithm=algorithm, **MANY, **params)
        expected = truth(image, 0.2, 3, params, limits)
        close = 1e-5 if algorithm == "accelerated" else 2e-3
        assert rms(flow.transform(image, 0.2, **limits) - expected) < close

    @cases
    def test_automatic_steps(self, image, params, limits):
        flow = ChambolleTVFlow(tol=1e-4, **params)
        u = flow.transform(image, 0.2, **limits)
        coarse, fine = (truth(image, 0.2, n, params, limits) for n in (40, 80))
        # First-order steps: what the extrapolation is off by is far below their distance.
        assert rms(u - (2 * fine - coarse)) < 1e-4 + 0.1 * rms(fine - coarse)


class TestPieces:
    @pytest.mark.parametrize("t", [0.2, 2.0, 30.0])
    def test_a_cut_gives_two_flows(self, t):
        mask = np.ones(CAMERA.shape, bool)
        mask[:, 25] = False
        flow = ChambolleTVFlow(tol=3e-5)
        u = flow.transform(CAMERA, t, mask=mask)
        assert rms(u[:, :25] - flow.transform(CAMERA[:, :25], t)) < 1.5e-5
        assert rms(u[:, 26:] - flow.transform(CAMERA[:, 26:], t)) < 1.5e-5
        np.testing.assert_array_equal(u[:, 25], CAMERA[:, 25])

    @pytest.mark.parametrize(("t", "tol"), [(0.3, 1e-6), (3.0, 1e-5), (50.0, 1e-5)])
    def test_a_masked_border_gives_the_flow_of_the_crop(self, t, tol):
        mask = np.zeros(CAMERA.shape, bool)
        mask[7:60, 3:50] = True
        crop = CAMERA[7:60, 3:50]
        flow = ChambolleTVFlow(tol=tol)
        u = flow.transform(np.where(mask, CAMERA, np.nan), t, mask=mask)
        assert rms(u[7:60, 3:50] - flow.transform(crop, t)) < tol
        assert np.isnan(u[~mask]).all()

    def test_each_ends_in_its_own_mean(self):
        image = np.array([0.0, 1.0, 2.0, 7.0, 5.0, 9.0])
        mask = np.array([True, True, True, False, True, True])
        u = tv_flow(image, 100.0, mask=mask)
        np.testing.assert_allclose(u, [1, 1, 1, 7, 7, 7], atol=1e-12)

    def test_an_isolated_pixel_stays(self):
        mask = np.zeros((9, 9), bool)
        mask[0, 0] = mask[5:, 5:] = True
        u = tv_flow(NOISE[:9, :9], 10.0, mask=mask)
        assert u[0, 0] == pytest.approx(NOISE[0, 0], abs=1e-15)

    def test_an_offset_of_a_float32_image_between_pieces(self):
        image = NOISE.astype(np.float32)
        image[:6] += 4096
        mask = np.ones(image.shape, bool)
        mask[6] = False
        result = ChambolleTVFlow(tol=1e-3).solve(image, 0.1, mask=mask)
        upper = ChambolleTVFlow(tol=1e-6).transform(image[:6].astype(float), 0.1)
        assert rms(result.u[0, :6] - upper) < 3e-4
        assert result.error_bound[0] >= rms(result.u[0, :6] - upper) * np.sqrt(0.5)


class TestLaws:
    @settings(max_examples=20)
    @given(st.floats(0.1, 10), st.sampled_from([0.05, 0.5]))
    def test_a_constant_weight_multiplies_t(self, strength, t):
        flow = ChambolleTVFlow(tol=1e-6)
        weight = np.full(NOISE.shape, strength)
        u = flow.transform(NOISE, t / strength, weight=weight)
        assert rms(u - flow.transform(NOISE, t)) < 1e-6

    def test_weight_0_lets_nothing_flow(self):
        image = np.stack([NOISE, NOISE], -1)
        u = ChambolleTVFlow(channel_axis=-1).transform(image, 0.1, weight=np.array([[[1.0, 0.0]]]))
        np.testing.assert_array_equal(u[..., 1], NOISE)
        assert rms(u[..., 0] - tv_flow(NOISE, 0.1)) < 1e-3

    @settings(max_examples=15)
    @given(seed=st.integers(0, 10**6))
    def test_the_mean_of_the_data_is_kept(self, seed):
        rng = np.random.default_rng(seed)
        image, mask = rng.random((9, 8)), rng.random((9, 8)) > 0.2
        mask[0, 0] = True
        u = tv_flow(image, 0.3, mask=mask, weight=rng.random((9, 8)))
        assert u[mask].mean() == pytest.approx(image[mask].mean(), abs=1e-12)

    def test_what_is_outside_does_not_matter(self):
        mask = HOLES
        first = tv_flow(np.where(mask, NOISE, np.nan), 0.2, mask=mask)
        second = tv_flow(np.where(mask, NOISE, 1e300), 0.2, mask=mask)
        np.testing.assert_array_equal(first[mask], second[mask])

    def test_masks_of_items_and_of_channels(self):
        image = RNG.random((3, 12, 10, 2))
        mask = RNG.random((3, 12, 10, 2)) > 0.1
        u = ChambolleTVFlow(batch_axis=0, channel_axis=-1).transform(image, 0.1, mask=mask)
        one = ChambolleTVFlow().transform(image[1, ..., 1], 0.1, mask=mask[1, ..., 1])
        np.testing.assert_allclose(u[1, ..., 1], one, atol=1e-12)

    def test_a_gap_in_a_series_of_times(self):
        series = RNG.random((4, 12, 10))
        series[2] = np.nan
        mask = np.isfinite(series)
        flow = ChambolleTVFlow(batch_axis=0)
        result = flow.solve(series, [0.1], mask=mask)
        assert np.isnan(result.u[0, 2]).all()
        assert result.error_bound[0, 2] == 0
        np.testing.assert_allclose(result.u[0, 3], tv_flow(series[3], 0.1), atol=1e-6)
        space = scale_space(series, mask=mask, batch_axis=0, tol=1e-2)
        assert np.isnan(space(0.1)[2]).all()
        assert rms(space(0.1)[3] - result.u[0, 3]) < 1e-2

    def test_times_of_every_item(self):
        images = np.stack([NOISE, NOISE[::-1]])
        times = np.array([[0.1, 0.3], [0.4, 0.05]])
        u = ChambolleTVFlow(batch_axis=0).transform(images, times)
        for m, k in np.ndindex(2, 2):
            np.testing.assert_allclose(u[m, k], tv_flow(images[k], times[m, k]), atol=1e-3)


class TestBound:
    @settings(max_examples=5)
    @given(
        seed=st.integers(0, 10**6),
        t=st.sampled_from([0.02, 0.2, 2.0, 50.0]),
        kind=st.sampled_from([np.float32, np.float64]),
    )
    def test_is_never_below_the_error(self, seed, t, kind):
        rng = np.random.default_rng(seed)
        image = rng.random((8, 9)).astype(kind)
        mask, weight = rng.random((8, 9)) > 0.2, rng.random((8, 9))
        mask[0, 0] = True
        result = ChambolleTVFlow(tol=1e-2).solve(image, t, mask=mask, weight=weight)
        fine = ChambolleTVFlow(tol=1e-5).transform(image.astype(float), t, mask=mask, weight=weight)
        error = rms((result.u[0] - fine)[mask])
        assert error <= result.error_bound[0] + 1e-5
        tracked = certify(image, result.u, None, result.times, mask=mask, weight=weight)
        assert error <= tracked.error_bound[0] + 1e-5

    def test_of_a_dual_variable(self):
        limits = {"mask": HOLES, "weight": WEIGHT}
        flow = ChambolleTVFlow(n_steps=50, order=1)
        result = flow.solve(NOISE, np.linspace(0.01, 0.2, 20), return_dual=True, **limits)
        lengths = np.linalg.norm(result.dual, axis=1)
        assert (lengths <= WEIGHT * (1 + 1e-12)).all()
        assert not lengths[:, ~HOLES].any()
        bound = certify(NOISE, result.u, result.dual, result.times, **limits).error_bound
        fine = ChambolleTVFlow(tol=1e-6).transform(NOISE, result.times, **limits)
        errors = [rms((a - b)[HOLES]) for a, b in zip(result.u, fine, strict=True)]
        assert (errors <= bound).all()
        assert bound[-1] < 0.05


class TestTheRest:
    def test_extinction_and_times(self):
        mask = np.zeros(CAMERA.shape, bool)
        mask[7:60, 3:50] = True
        expected = extinction_time(CAMERA[7:60, 3:50])
        assert extinction_time(CAMERA, mask=mask) == pytest.approx(expected, rel=0.02)
        twice = extinction_time(CAMERA, mask=mask, weight=np.full(CAMERA.shape, 2.0))
        assert twice == pytest.approx(expected / 2, rel=0.02)
        assert geometric_times(CAMERA, 3, mask=mask)[-1] == pytest.approx(expected, rel=0.02)

    def test_total_variation(self):
        mask = np.zeros(CAMERA.shape, bool)
        mask[7:60, 3:50] = True
        expected = total_variation(CAMERA[7:60, 3:50])
        assert total_variation(CAMERA, mask=mask) == pytest.approx(expected)
        weight = np.full(CAMERA.shape, 0.3)
        assert total_variation(CAMERA, mask=mask, weight=weight) == pytest.approx(0.3 * expected)

    def test_bands_add_up(self):
        image = np.where(HOLES, NOISE, np.nan)
        parts = spectral_decompose(image, 6, mask=HOLES)
        np.testing.assert_allclose(parts.reconstruct(), image, atol=1e-12)
        assert not parts.bands[:, ~HOLES].any()
        one_by_one = sum(band.image for band in iter_bands(image, 6, mask=HOLES))
        np.testing.assert_allclose(one_by_one, image, atol=1e-12)

    def test_scale_space(self, tmp_path):
        mask = RNG.random(CAMERA.shape) > 0.1
        image = np.where(mask, CAMERA, np.nan)
        space = scale_space(image, mask=mask, tol=2e-3)
        for t in (0.05, 0.5, 3.0):
            exact = ChambolleTVFlow(tol=1e-4).transform(image, t, mask=mask)
            assert rms((space(t) - exact)[mask]) < 2e-3 * CAMERA.std() * np.sqrt(2)
        np.testing.assert_allclose(space.low_pass(1.0) + space.high_pass(1.0), image, atol=1e-12)
        space.save(tmp_path / "space.npz")
        np.testing.assert_array_equal(ScaleSpace.load(tmp_path / "space.npz")(0.7), space(0.7))

    @pytest.mark.parametrize("flow", [JointSpaceTimeTVFlow(), TVFlowNet.from_pretrained()])
    @pytest.mark.parametrize("limit", [{"mask": HOLES}, {"weight": WEIGHT}])
    def test_others_refuse(self, flow, limit):
        with pytest.raises(ValueError, match=r"ChambolleTVFlow\(\)"):
            flow.transform(NOISE, 0.1, **limit)


class TestMessages:
    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            ({"mask": HOLES.astype(int)}, "array of bool"),
            ({"mask": HOLES[:5]}, r"mask has shape \(5, 12\)"),
            ({"mask": np.zeros_like(HOLES)}, "False everywhere"),
            ({"weight": -WEIGHT}, ">= 0"),
            ({"weight": WEIGHT * np.nan}, "finite"),
            ({"weight": 0 * WEIGHT}, "nothing flows"),
            ({"weight": WEIGHT + 1j}, "real numbers"),
        ],
    )
    def test_of_wrong_limits(self, limits, message):
        with pytest.raises((TypeError, ValueError), match=message):
            tv_flow(NOISE, 0.1, **limits)

    def test_nan_names_the_mask(self):
        with pytest.raises(ValueError, match=r"mask=numpy\.isfinite\(image\)"):
            tv_flow(np.where(HOLES, NOISE, np.nan), 0.1)

    def test_coupled_channels_share_their_mask(self):
        mask = RNG.random(COLOUR.shape) > 0.2
        with pytest.raises(ValueError, match="differs between channels"):
            ChambolleTVFlow(**COUPLED).transform(COLOUR, 0.1, mask=mask)

    def test_times_without_items(self):
        with pytest.raises(ValueError, match="no batch_axis"):
            tv_flow(NOISE, [[0.1, 0.2]])
