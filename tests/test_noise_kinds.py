"""Noise as it comes: beside black bars and padding, in one channel only, uneven, in counts."""

import warnings

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.applications import denoise, fuse, noise_level, select_scale, separate_texture
from skimage_tvflow.applications.anscombe import counts_from, stabilize

SHAPE = (96, 96)
CLEAN = np.zeros(SHAPE)
CLEAN[24:72, 24:72] = 1
NOISY = CLEAN + 0.1 * np.random.default_rng(0).standard_normal(SHAPE)
SCHEME = {"n_steps": 64, "order": 1, "tol": None, "max_num_iter": 8}


def rms(u):
    return float(np.sqrt(np.mean(np.square(u, dtype=float))))


def white(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def camera(size=128):
    return skimage.data.camera()[100 : 100 + size, 200 : 200 + size].astype(float)


class TestWhatHasNoNoise:
    @pytest.mark.parametrize("sigma", [0.1, None])
    @pytest.mark.parametrize("width", [0, 8, 24, 48, 72])
    def test_black_columns(self, width, sigma):
        image = NOISY.copy()
        image[:, :width] = 0
        found = denoise(image, sigma)
        assert rms((found - CLEAN)[:, width:]) < 0.018
        assert not found[:, :width].any()

    def test_padding_of_a_scanner(self):
        y, x = np.indices((160, 160))
        radius = np.hypot(y - 80, x - 80)
        clean = np.where(radius < 60, 0.0, -1000.0)
        clean[np.hypot(y - 70, x - 90) < 20] = 60
        image = np.where(radius < 75, np.rint(clean + 25 * white((160, 160))), -2000)
        assert rms((denoise(image.astype(np.int16)) - clean)[radius < 75]) < 4.5

    @pytest.mark.parametrize("kind", [np.uint8, np.float32])
    def test_bars_of_a_photograph(self, kind):
        clean = camera()
        image = np.clip(np.rint(clean + 12 * white(clean.shape)), 0, 255).astype(kind)
        barred = image.copy()
        barred[:24] = barred[-24:] = 0
        inside = slice(24, -24)
        expected = rms(denoise(image[inside]) - clean[inside])
        assert rms((denoise(barred) - clean)[inside]) < 1.03 * expected

    def test_an_opaque_alpha_channel(self):
        clean = skimage.data.astronaut()[100:200, 150:250] / 255
        image = clean + 0.08 * white(clean.shape)
        with_alpha = np.dstack([image, np.ones(clean.shape[:2])])
        found = denoise(with_alpha, channel_axis=-1)
        assert rms(found[..., :3] - clean) < 1.01 * rms(denoise(image, channel_axis=-1) - clean)
        assert (found[..., 3] == 1).all()

    def test_a_channel_that_is_to_stay(self):
        image = np.dstack([NOISY, white(SHAPE)])
        found = denoise(image, [0.1, 0], channel_axis=-1)
        np.testing.assert_array_equal(found[..., 1], image[..., 1])
        np.testing.assert_allclose(found[..., 0], denoise(NOISY, 0.1), atol=0.05)

    @settings(max_examples=10)
    @given(
        top=st.integers(0, 30),
        left=st.integers(0, 30),
        value=st.sampled_from([0.0, -1000.0, 0.5, 255.0]),
    )
    def test_a_frame_of_any_value(self, top, left, value):
        image = np.full(SHAPE, value)
        image[top:, left:] = NOISY[top:, left:]
        found = denoise(image)
        assert rms((found - CLEAN)[top:, left:]) < 0.02
        assert noise_level(image) == pytest.approx(0.1, rel=0.1)


class TestGrids:
    @pytest.mark.parametrize("spacing", [0.01, 0.1, 10, 100])
    def test_any_spacing_gives_the_same(self, spacing):
        found = denoise(NOISY, flow=ChambolleTVFlow(spacing=spacing, **SCHEME))
        np.testing.assert_allclose(found, denoise(NOISY), atol=1e-9)

    def test_nanometres_and_micrometres(self):
        stack = np.stack([CLEAN] * 5) + 0.1 * white((5, *SHAPE))
        first, second = (
            denoise(stack, flow=ChambolleTVFlow(spacing=h, **SCHEME))
            for h in [(1000, 200, 200), (1, 0.2, 0.2)]
        )
        np.testing.assert_allclose(first, second, atol=1e-9)

    @pytest.mark.parametrize("axis", [0, 2])
    def test_an_axis_of_one_pixel_is_none(self, axis):
        found = denoise(np.expand_dims(NOISY, axis))
        np.testing.assert_allclose(found.squeeze(axis), denoise(NOISY), atol=1e-12)
        y, x = np.indices((64, 64))
        disc = np.where(np.hypot(y - 32, x - 32) < 12, 1.0, 0.0)
        kept = select_scale(np.expand_dims(disc, axis), 12, 1)
        np.testing.assert_allclose(kept.squeeze(axis), select_scale(disc, 12, 1), atol=1e-12)

    @pytest.mark.parametrize("count", [2, 3, 5, 8])
    def test_stacks_of_few_slices(self, count):
        stack = np.stack([CLEAN] * count) + 0.1 * white((count, *SHAPE))
        assert noise_level(stack) == pytest.approx(0.1, rel=0.1)
        assert rms(denoise(stack) - CLEAN) < rms(denoise(stack[0]) - CLEAN)

    def test_a_film_is_not_blurred_in_time(self):
        film = np.zeros((6, *SHAPE))
        for k in range(6):
            film[k, 24:72, 8 * k : 8 * k + 48] = 1
        image = film + 0.1 * white(film.shape)
        one_by_one = denoise(image, batch_axis=0)
        np.testing.assert_allclose(one_by_one[2], denoise(image[2]), atol=1e-9)
        assert rms(denoise(image) - film) < 1.02 * rms(one_by_one - film)


class TestUnevenNoise:
    def test_of_channels(self):
        sigmas = np.array([0.02, 0.05, 0.2])
        image = CLEAN[..., None] + sigmas * white((*SHAPE, 3))
        found = denoise(image, channel_axis=-1)
        for k in range(3):
            alone = rms(denoise(image[..., k]) - CLEAN)
            assert rms(found[..., k] - CLEAN) < 1.1 * alone

    def test_of_items(self):
        sigmas = np.array([0.05, 0.2])
        image = np.stack([CLEAN + s * white(SHAPE) for s in sigmas])
        np.testing.assert_allclose(noise_level(image, batch_axis=0), sigmas, rtol=0.1)
        found = denoise(image, sigmas, batch_axis=0)
        np.testing.assert_allclose(found[1], denoise(image[1], 0.2), atol=1e-9)

    def test_of_pixels(self):
        clean = camera() / 255
        sigma = np.where(np.arange(128) < 64, 0.02, 0.15)[None]
        image = clean + sigma * white(clean.shape)
        found = rms(denoise(image, sigma) - clean)
        others = [rms(denoise(image, s) - clean) for s in (None, 0.02, 0.07, 0.15)]
        assert found < 0.9 * min(others)

    def test_of_counts(self):
        clean = camera() / 12
        counts = np.random.default_rng(0).poisson(clean)
        found = denoise(counts, variance_stabilize=True)
        assert rms(found - clean) < 0.85 * rms(denoise(counts) - clean)
        assert abs(found.mean() - clean.mean()) < 0.01 * clean.mean()

    @pytest.mark.parametrize("mean", [1.0, 5.0, 100.0])
    def test_the_inverse_is_unbiased(self, mean):
        import torch

        counts = torch.from_numpy(np.random.default_rng(0).poisson(mean, 10**6).astype(float))
        stable = stabilize(counts)
        assert counts_from(stable.mean()) == pytest.approx(mean, rel=0.02)


class TestMissing:
    def test_stripes_without_data(self):
        y, x = np.indices((120, 120))
        clean = 1850 + 40 * np.sin(x / 15) * np.cos(y / 11)
        mask = np.ones(clean.shape, bool)
        mask[:, 5::12] = False
        image = np.where(mask, clean + 8 * white(clean.shape), np.nan)
        filled = np.where(mask, image, np.nanmean(image))
        masked = rms((denoise(image, 8, mask=mask) - clean)[mask])
        assert masked < 0.9 * rms((denoise(filled, 8) - clean)[mask])
        assert noise_level(image, mask=mask) == pytest.approx(8, rel=0.1)
        assert np.isnan(denoise(image, mask=mask)[~mask]).all()

    def test_random_holes(self):
        mask = np.random.default_rng(1).random(SHAPE) > 0.3
        image = np.where(mask, NOISY, np.nan)
        assert noise_level(image, mask=mask) == pytest.approx(0.1, rel=0.1)
        assert rms((denoise(image, mask=mask) - CLEAN)[mask]) < 0.03

    def test_the_other_applications(self):
        y, x = np.indices((64, 64))
        disc = np.where(np.hypot(y - 32, x - 20) < 8, 1.0, 0.0)
        checks = 0.05 * ((x + y) % 2)
        mask = x < 50
        image = np.where(mask, disc + checks, np.nan)
        crop = (slice(None), slice(0, 50))
        cut = (disc + checks)[crop]
        parts, expected = separate_texture(image, 0.3, mask=mask), separate_texture(cut, 0.3)
        assert rms(parts[1][crop] - expected[1]) < 0.01
        found = separate_texture(image, mask=mask)
        assert 0.015 < found.t < 1  # the checks vanish by .018, the disc at 3.5
        assert rms(found.texture[crop] - checks[crop] + checks[crop].mean()) < 0.01
        assert not parts[1][~mask].any()
        assert np.isnan(parts[0][~mask]).all()
        kept = select_scale(image, 8, 1, mask=mask)
        assert rms(kept[crop] - select_scale(cut, 8, 1)) < 0.01
        fused = fuse(np.where(mask, 0, np.nan), image, (0.5, 20.0), data=mask)
        assert rms(fused[crop] - fuse(np.zeros((64, 50)), cut, (0.5, 20.0))) < 0.01
        assert np.isnan(fused[~mask]).all()


class TestWarnings:
    @pytest.mark.parametrize("kind", ["blurred", "stripes"])
    def test_noise_that_is_not_white(self, kind):
        from scipy.ndimage import gaussian_filter

        noise = white(SHAPE)
        noise = gaussian_filter(noise, 1.0) if kind == "blurred" else noise[:1] + 0.05 * noise
        image = CLEAN + 0.2 * noise / noise.std()
        with pytest.warns(UserWarning, match="plainly not white"):
            denoise(image)

    def test_no_noise_found(self):
        with pytest.warns(UserWarning, match="No noise was found"):
            np.testing.assert_array_equal(denoise(CLEAN), CLEAN)

    @pytest.mark.parametrize("sigma", [0.05, 0.2])
    def test_white_noise_is_white(self, sigma):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            denoise(camera() / 255 + sigma * white((128, 128)))

    def test_a_constant_image_needs_none(self):
        assert (denoise(np.ones((8, 8))) == 1).all()


class TestComplex:
    def test_parts_share_their_edges(self):
        image = NOISY + 1j * white(SHAPE)
        found = ChambolleTVFlow(tol=1e-4).transform(image, 0.1)
        coupled = ChambolleTVFlow(tol=1e-4, channel_axis=-1, coupled_channels=True)
        parts = coupled.transform(np.stack([image.real, image.imag], -1), 0.1)
        np.testing.assert_array_equal(found, parts[..., 0] + 1j * parts[..., 1])

    def test_turning_the_phase_turns_the_flow(self):
        image = NOISY + 1j * white(SHAPE)
        flow, phase = ChambolleTVFlow(tol=1e-5), np.exp(0.7j)
        turned = flow.transform(phase * image, 0.1)
        np.testing.assert_allclose(turned, phase * flow.transform(image, 0.1), atol=3e-4)

    def test_bound_and_kinds(self):
        image = (NOISY + 1j * white(SHAPE)).astype(np.complex64)[:24, :24]
        result = ChambolleTVFlow().solve(image, [0.1], return_dual=True)
        assert result.u.dtype == result.dual.dtype == np.complex64
        lengths = np.sqrt((np.abs(result.dual[0]) ** 2).sum(0))
        assert lengths.max() <= 1 + 1e-6
        exact = ChambolleTVFlow(tol=1e-5).transform(image.astype(complex), 0.1)
        # Over both parts of every pixel.
        assert rms(np.abs(result.u[0] - exact)) / np.sqrt(2) <= result.error_bound[0]

    def test_channels_of_complex_images_are_refused(self):
        with pytest.raises(ValueError, match="channels already"):
            ChambolleTVFlow(channel_axis=-1).transform(np.ones((4, 4, 2), complex), 0.1)
