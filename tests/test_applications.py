"""Applications: what they promise, on images whose parts are known."""

import pickle

import numpy as np
import pytest
import skimage
import torch
from skimage.restoration import denoise_tv_chambolle

from counting import count_reads
from skimage_tvflow import (
    ChambolleTVFlow,
    StoppedByCallback,
    iter_bands,
    spectral_decompose,
)
from skimage_tvflow.applications import denoise, fuse, noise_level, select_scale, separate_texture


def psnr(found, truth):
    return -10 * np.log10(np.mean((found - truth) ** 2))


def camera(n=96):
    image = skimage.util.img_as_float(skimage.data.camera())
    return skimage.transform.resize(image, (n, n), anti_aliasing=True)


def noisy(image, sigma, seed=0):
    return image + sigma * np.random.default_rng(seed).standard_normal(image.shape)


def disc(shape, centre, radius):
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


class TestDenoise:
    @pytest.mark.parametrize("sigma", [0.05, 0.1])
    def test_is_as_good_as_the_best_weight_of_rof(self, sigma):
        image = camera()
        given = noisy(image, sigma)
        weights = sigma * np.geomspace(0.3, 2, 8)
        best = max(psnr(denoise_tv_chambolle(given, weight=w), image) for w in weights)
        assert psnr(denoise(given), image) > best - 0.5
        assert psnr(denoise(given, sigma), image) > best - 0.2

    def test_scales_with_the_image(self):
        given = noisy(camera(48), 0.1)
        found = denoise(255 * given + 7, sigma=25.5)
        np.testing.assert_allclose(found, 255 * denoise(given, sigma=0.1) + 7, rtol=0, atol=1e-3)
        far = denoise(2.0**660 * given)
        np.testing.assert_allclose(far, 2.0**660 * denoise(given), rtol=1e-9)

    def test_of_volumes_signals_and_colours(self):
        ball = np.zeros((20, 20, 20))
        ball[5:15, 5:15, 5:15] = 1
        assert psnr(denoise(noisy(ball, 0.1)), ball) > 30
        step = np.repeat([0.0, 1.0], 200)
        assert psnr(denoise(noisy(step, 0.1)), step) > 34
        colour = np.stack([camera(48), camera(48).T, 1 - camera(48)], -1)
        found = denoise(noisy(colour, 0.1), channel_axis=-1)
        assert psnr(found, colour) > 24.5

    def test_keeps_the_kind_of_array(self):
        given = torch.from_numpy(noisy(camera(32), 0.1)).float()
        found = denoise(given)
        assert isinstance(found, torch.Tensor)
        assert found.dtype == torch.float32
        assert found.shape == given.shape

    @pytest.mark.parametrize("name", ["camera", "astronaut", "coins", "page", "chelsea", "cell"])
    def test_of_faint_noise_is_not_worse_than_its_input(self, name):
        image = skimage.util.img_as_float(getattr(skimage.data, name)())
        image = skimage.color.rgb2gray(image) if image.ndim == 3 else image
        clean = image[100:196, 100:196]
        given = noisy(clean, 0.02)
        assert psnr(denoise(given), clean) >= psnr(given, clean)

    def test_of_no_noise_is_the_image(self):
        np.testing.assert_array_equal(denoise(camera(32), sigma=0), camera(32))

    @pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
    def test_of_a_constant_image_is_that_image(self, value):
        np.testing.assert_allclose(denoise(np.full((16, 16), value)), value, rtol=1e-12)

    def test_is_reproducible(self):
        given = noisy(camera(32), 0.1)
        np.testing.assert_array_equal(denoise(given), denoise(given))
        assert psnr(denoise(given, random_state=1), denoise(given)) > 30

    @pytest.mark.parametrize("scale", [1e-200, 1e200, 1e300])
    def test_of_values_whose_squares_are_out_of_range(self, scale):
        given = noisy(camera(32), 0.1)
        np.testing.assert_allclose(denoise(scale * given) / scale, denoise(given), rtol=1e-9)
        assert noise_level(scale * given) == pytest.approx(scale * noise_level(given))

    def test_refuses(self):
        for sigma in (-1, np.nan, np.inf):
            with pytest.raises(ValueError, match=r"sigma must be finite and >= 0, got .* Pass"):
                denoise(camera(16), sigma)
        for sigma in (np.ones(2), np.ones((5, 5))):
            with pytest.raises(ValueError, match=r"sigma has shape .* Pass a sigma of the shape"):
                denoise(camera(16), sigma)
        with pytest.raises(ValueError, match=r"sigma has 2 values, and the image 3"):
            denoise(np.ones((8, 8, 3)), [1, 2], channel_axis=-1)
        with pytest.raises(ValueError, match=r"counts are >= 0"):
            denoise(camera(16) - 1, variance_stabilize=True)
        for sigma in (True, "0.1", None.__class__):
            with pytest.raises(TypeError, match=r"sigma must be a number, got .* Pass sigma=0\.1"):
                denoise(camera(16), sigma)
        with pytest.raises(ValueError, match=r"channel_axis and a flow were given.* Give it"):
            denoise(camera(16), flow=ChambolleTVFlow(), channel_axis=-1)

    @pytest.mark.parametrize("factor", [1 / 256, 8.0])
    def test_what_is_no_count_is_told(self, factor):
        counts = np.random.default_rng(0).poisson(64 * camera()).astype(float)
        denoise(counts, variance_stabilize=True)  # no warning, which would be an error
        with pytest.warns(UserWarning, match=r"no counts of photons: .* and is .*gain, 0\)"):
            denoise(factor * counts, variance_stabilize=True)
        pair = np.stack([counts, factor * counts])
        with pytest.warns(UserWarning, match="no counts of photons"):
            denoise(pair, variance_stabilize=True, batch_axis=0)

    def test_a_sigma_in_other_units_is_told(self):
        given = noisy(255 * camera(), 25)
        units = r"noise of the image, 2\d\. .*whole numbers.*multiply it by .*--unit-range"
        with pytest.warns(UserWarning, match=units):
            denoise(given.clip(0, 255).astype(np.uint8), 0.1)
        with pytest.warns(UserWarning, match=units):
            denoise(given.round().astype(np.float32), 0.1)

    def test_a_sigma_far_below_the_noise_is_told(self):
        with pytest.warns(UserWarning, match=r"noise of the image, 0\.1.*Leave it out") as found:
            denoise(noisy(camera(), 0.1), 0.005)
        assert "unit-range" not in str(found[0].message)


class TestNoiseLevel:
    @pytest.mark.parametrize("sigma", [0.05, 0.5])
    def test_is_that_of_the_noise(self, sigma):
        flat = np.full((64, 64), 3.0)
        assert noise_level(noisy(flat, sigma)) == pytest.approx(sigma, rel=0.05)
        colours = np.stack([noisy(flat, sigma, seed) for seed in range(3)])
        assert noise_level(colours, channel_axis=0) == pytest.approx(sigma, rel=0.05)

    @pytest.mark.parametrize("value", [0.0, 1.0, 0.3, 1e300])
    def test_is_zero_without_noise(self, value):
        assert noise_level(np.full((16, 16), value)) == 0
        assert noise_level(value * np.repeat([[0.0], [1.0]], 8, axis=0)) == 0
        assert noise_level(np.full((16, 16, 3), value), channel_axis=-1) == 0
        assert np.isfinite(noise_level(np.full((1, 1), value)))

    @pytest.mark.parametrize("shape", [(4000,), (64, 60), (16, 17, 18), (3, 4000)])
    def test_in_any_dimension(self, shape):
        assert noise_level(noisy(np.zeros(shape), 0.1)) == pytest.approx(0.1, rel=0.06)

    @pytest.mark.parametrize("name", ["camera", "astronaut", "cell", "coins", "page", "chelsea"])
    def test_structures_are_not_noise(self, name):
        image = skimage.util.img_as_float(getattr(skimage.data, name)())
        image = skimage.color.rgb2gray(image) if image.ndim == 3 else image
        given = noisy(image[100:196, 100:196], 0.02)
        found = noise_level(given)
        assert 0.019 <= found <= 0.026
        assert found <= 1.02 * skimage.restoration.estimate_sigma(given)

    def test_flat_pixels_and_channels_say_nothing(self):
        given = noisy(camera(64), 0.1)
        expected = noise_level(given)
        framed = np.pad(given, 40)
        cartoon = disc((64, 64), (30, 30), 12) + 0.5 * disc((64, 64), (40, 40), 20)
        assert noise_level(cartoon) == 0
        assert noise_level(framed) == pytest.approx(expected, rel=0.1)
        alpha = np.stack([given, given, given, np.ones_like(given)], -1)
        assert noise_level(alpha, channel_axis=-1) == pytest.approx(expected, rel=1e-12)

    def test_is_what_denoise_removes(self):
        given = noisy(camera(48), 0.1)
        np.testing.assert_array_equal(denoise(given), denoise(given, noise_level(given)))
        tensor = torch.from_numpy(given)
        assert noise_level(tensor) == noise_level(given)

    def test_refuses(self):
        with pytest.raises(ValueError, match="channel_axis=2 is out of range"):
            noise_level(np.ones((4, 4)), channel_axis=2)


@pytest.fixture(scope="module")
def parts():
    """Discs, and a brick wall of amplitude .1."""
    shape = (160, 160)
    structure = 0.2 + 0.6 * disc(shape, (50, 50), 32) + 0.4 * disc(shape, (110, 112), 28)
    wall = skimage.data.brick()[:160, :160].astype(float)
    wall = (wall - wall.mean()) / np.ptp(wall)
    return structure, 0.1 * wall


def drawing():
    """A face of flat regions with outlines two to four pixels wide."""
    y, x = np.indices((128, 128))
    image = np.full((128, 128), 0.9)
    for row, column, radius, value in (
        *((60, 64, 45, 0.75), (50, 48, 9, 1.0), (50, 80, 9, 1.0)),
        *((51, 48, 4, 0.1), (51, 80, 4, 0.1), (70, 64, 6, 0.5)),
    ):
        distance = np.hypot(y - row, x - column)
        image[distance < radius] = value
        image[np.abs(distance - radius) < 1.6] = 0.05
    return image


class TestSeparateTexture:
    def test_finds_both(self):
        shape = (160, 160)
        discs = 0.2 + 0.6 * disc(shape, (50, 50), 32) + 0.4 * disc(shape, (110, 112), 28)
        cloth = 0.05 * ((np.indices(shape) // 2).sum(0) % 2 - 0.5)
        structure, texture = separate_texture(discs + cloth)
        assert psnr(structure, discs) >= 30
        # That is more than not separating at all, or blurring.
        assert np.corrcoef(texture.ravel(), cloth.ravel())[0, 1] > 0.8
        np.testing.assert_allclose(structure + texture, discs + cloth, atol=1e-12)

    def test_a_drawing_has_little_texture(self):
        image = drawing()
        structure, _ = separate_texture(image)
        # Nine tenths of the contrast of the outlines stay, also those of the mouth and the eyes.
        assert np.std(structure - image) < 0.3 * np.std(image)
        outlines = image < 0.1
        assert structure[outlines].mean() < 0.3

    def test_clothes_of_a_drawing_are_texture(self):
        image = drawing()
        columns = np.indices((20, 80))[1]
        image[108:, 24:104] = np.where(columns // 2 % 2, 0.3, 0.5)
        structure, texture = separate_texture(image)
        assert texture[112:124, 30:98].std() > 0.08  # of .1
        assert structure[112:124, 30:98].std() < 0.03

    def test_the_time_is_told_and_can_be_given(self, parts):
        image = parts[0] + parts[1]
        found = separate_texture(image)
        assert 0 < found.t < 0.3
        again = separate_texture(image, found.t)
        assert np.std(again[0] - found[0]) < 0.05 * image.std()
        assert again.t == found.t
        assert pickle.loads(pickle.dumps(found)).t == found.t

    def test_at_a_given_time(self, parts):
        structure, texture = separate_texture(parts[0] + parts[1], 0.3)
        assert psnr(structure, parts[0]) >= 34
        assert np.corrcoef(texture.ravel(), parts[1].ravel())[0, 1] > 0.65
        np.testing.assert_allclose(structure + texture, parts[0] + parts[1], atol=1e-12)


class TestFuse:
    def test_moves_what_vanishes_in_the_band_and_only_that(self):
        shape = (64, 64)
        plain, dotted = 0.5 * disc(shape, (32, 32), 22), 0.5 * disc(shape, (32, 32), 22)
        dots = disc(shape, (32, 32), 3) + disc(shape, (12, 50), 3)  # gone by t = 0.75
        fused = fuse(plain, dotted + 0.5 * dots, (0.3, 1.5))
        change = fused - plain
        assert change[32, 32] > 0.35
        assert change[12, 50] > 0.35
        assert abs(change[50:]).max() < 0.1

    def test_of_an_image_with_itself_changes_nothing(self):
        image = camera(32)
        np.testing.assert_allclose(fuse(image, image, (0.05, 0.5)), image, atol=1e-12)

    def test_a_mask_says_where(self):
        image, other = camera(32), camera(32).T.copy()
        everywhere = fuse(image, other, (0.05, 0.5))
        mask = np.zeros((32, 32))
        mask[:, 16:] = 1
        half = fuse(image, other, (0.05, 0.5), mask=mask)
        np.testing.assert_array_equal(half[:, :16], image[:, :16])
        np.testing.assert_allclose(half[:, 16:], everywhere[:, 16:])
        colour = np.stack([image] * 3, -1)
        flow = ChambolleTVFlow(channel_axis=-1)
        found = fuse(colour, colour[::-1], (0.05, 0.5), mask=mask, flow=flow)
        np.testing.assert_array_equal(found[:, :16], colour[:, :16])

    def test_refuses_other_shapes(self):
        image = camera(16)
        with pytest.raises(ValueError, match=r"other has shape \(8, 8\), .*\(16, 16\)\. Crop"):
            fuse(image, camera(8), (0.1, 1))
        with pytest.raises(ValueError, match=r"mask has shape \(16,\), .*\(16, 16\)\. Crop"):
            fuse(image, image, (0.1, 1), mask=np.ones(16))
        with pytest.raises(ValueError, match="must increase"):
            fuse(image, image, (1, 0.1))
        with pytest.raises(ValueError, match=r"band must be two increasing times.*got 3: .*Pass"):
            fuse(image, image, (0.1, 0.2, 0.3))
        with pytest.raises(ValueError, match=r"between 0 and 1, got values from 255 to 255\. Pass"):
            fuse(image, image, (0.1, 1), mask=np.full((16, 16), 255))


CALLS = {
    "denoise": denoise,
    "separate_texture": separate_texture,
    "fuse": lambda image, **params: fuse(image, image[::-1].copy(), (0.1, 1), **params),
    "select_scale": lambda image, **params: select_scale(image, 3, 1, **params),
    "spectral_decompose": lambda image, **params: spectral_decompose(image, 4, **params).bands,
    "iter_bands": lambda image, **params: [b.image for b in iter_bands(image, 4, **params)],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
class TestParameters:
    def test_are_those_of_a_flow(self, call):
        image = noisy(np.stack([camera(24), 1 - camera(24).T], -1), 0.05)
        axes = {"channel_axis": -1, "coupled_channels": True, "spacing": (2.0, 1.0), "tol": 1e-3}
        found = call(image, **axes)
        np.testing.assert_array_equal(found, call(image, flow=ChambolleTVFlow(**axes)))
        assert np.abs(np.subtract(found, call(image, channel_axis=-1, tol=1e-3))).max() > 1e-3

    def test_are_not_beside_a_flow(self, call):
        message = r"spacing and a flow .*flow=ChambolleTVFlow\(spacing=2\)"
        with pytest.raises(ValueError, match=message):
            call(camera(16), flow=ChambolleTVFlow(), spacing=2)

    def test_that_are_unknown_are_named(self, call):
        with pytest.raises(TypeError, match=r"no parameter 'spaceing'\. Did you mean spacing\?"):
            call(camera(16), spaceing=2)
        with pytest.raises(TypeError, match=r"no parameter 'xyz'\. There are t, n_steps, "):
            call(camera(16), xyz=2)


def test_a_separation_has_names():
    parts = separate_texture(camera(16), 0.1)
    assert parts.structure is parts[0]
    assert parts.texture is parts[1]


@pytest.mark.parametrize("flow", ["chambolle", ChambolleTVFlow, 3])
def test_a_flow_is_an_estimator(flow):
    image = camera(16)
    for call in (
        lambda: denoise(image, flow=flow),
        lambda: separate_texture(image, flow=flow),
        lambda: fuse(image, image, (0.1, 1), flow=flow),
        lambda: select_scale(image, 3, 1, flow=flow),
    ):
        with pytest.raises(TypeError, match=r"must be an estimator of the TV flow, got .* Pass"):
            call()


class TestSelectScale:
    def test_keeps_one_size_of_discs(self):
        shape = (80, 120)
        image = disc(shape, (40, 25), 6) + disc(shape, (40, 80), 20) + 0.0
        kept = select_scale(image, radius=20, contrast=1)
        background = np.median(kept)
        assert kept[40, 80] - background > 0.85
        assert abs(kept[40, 25] - background) < 0.1
        kept = select_scale(-image, radius=6, contrast=-1)
        assert kept[40, 25] - np.median(kept) < -0.8
        assert abs(kept[40, 80] - np.median(kept)) < 0.15

    def test_of_coins_are_the_coins(self):
        image = skimage.util.img_as_float(skimage.data.coins())[::3, ::3]
        kept = select_scale(image, radius=8, contrast=0.35, width=3)
        threshold = skimage.filters.threshold_otsu(kept)
        found = skimage.measure.regionprops(skimage.measure.label(kept > threshold))
        coins = [region for region in found if region.area > 60]
        assert 20 <= len(coins) <= 26  # there are 24

    def test_refuses_what_has_no_scale(self):
        for bad in ({"radius": 0}, {"radius": np.nan}, {"width": 1}, {"contrast": np.inf}):
            arguments = {"radius": 3, "contrast": 1, **bad}
            with pytest.raises(ValueError, match=rf"{next(iter(bad))} must be finite.* Pass"):
                select_scale(camera(16), **arguments)
        with pytest.raises(ValueError, match=r"contrast must not be 0, got 0\. Pass"):
            select_scale(camera(16), 3, 0)
        with pytest.raises(TypeError, match=r"radius must be a number, got True\. Pass"):
            select_scale(camera(16), True, 1)


CALLS = {
    "denoise": lambda image, **callback: denoise(image, **callback),
    "separate_texture": lambda image, **callback: separate_texture(image, **callback)[1],
    "separate_texture at t": lambda image, **callback: separate_texture(image, 0.3, **callback)[1],
    "fuse": lambda image, **callback: fuse(image, image.T.copy(), (0.1, 2), **callback),
    "select_scale": lambda image, **callback: select_scale(image, 12, 0.5, **callback),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
class TestEveryApplication:
    def test_reads_every_image_once(self, call):
        names = count_reads(lambda: call(camera(16)))
        assert sorted(names) == sorted(set(names))
        assert "image" in names

    def test_tells_the_fraction_of_the_work(self, call):
        image, told = camera(320), []
        found = call(image, callback=told.append)
        assert 0 <= told[0] < 1
        assert (np.diff(told) >= 0).all()
        assert told[-1] == 1
        assert len(told) > 1
        np.testing.assert_array_equal(found, call(image))

    def test_stops(self, call):
        with pytest.raises(StoppedByCallback):
            call(camera(96), callback=lambda progress: True)

    def test_refuses_a_callback_that_is_no_function(self, call):
        with pytest.raises(TypeError, match=r"callback must be a function .*, got 3\. Pass"):
            call(camera(16), callback=3)


def test_a_constant_image_is_done_at_once():
    told = []
    denoise(np.ones((16, 16)), callback=told.append)
    assert told == [1]
