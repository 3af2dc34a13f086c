"""Scale spaces: the flow at any t against tight flows and closed forms, filters, growth, files."""

import dataclasses
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from skimage import data, transform

from exact_flow import exact_flow, extinction, signals
from skimage_tvflow import (
    ChambolleTVFlow,
    ScaleSpace,
    StoppedByCallback,
    TVFlowNet,
    extinction_time,
    scale_space,
    spectral_decompose,
    total_variation,
    tv_flow,
)

LAYOUTS = {
    "1-D": ((60,), {}),
    "2-D": ((13, 18), {}),
    "pooled": ((135, 131), {}),
    "3-D": ((6, 7, 8), {"spacing": (2.0, 1.0, 1.0)}),
    "batch": ((3, 11, 9), {"batch_axis": 0}),
    "channels": ((12, 11, 3), {"channel_axis": -1}),
    "coupled": ((12, 11, 3), {"channel_axis": -1, "coupled_channels": True}),
    "both": ((2, 3, 9, 10), {"batch_axis": 0, "channel_axis": 1}),
}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def photographs():
    """Eight images of 40 x 40: photographs, cells, a texture, a disc, noise."""
    y, x = np.indices((40, 40)) - 20
    raw = [data.camera(), data.coffee()[..., 0], data.cell(), data.brick(), data.moon()]
    resized = [transform.resize(a / 255.0, (40, 40), anti_aliasing=True) for a in raw]
    noise = np.random.default_rng(0).random((40, 40))
    return [*resized, 1.0 * (x**2 + y**2 < 100), noise, resized[0] + 0.1 * (noise - 0.5)]


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


@pytest.fixture(scope="module")
def space(image):
    return scale_space(image, tol=5e-3)


class TestAnyTime:
    @pytest.mark.parametrize("k", range(8))
    def test_keeps_within_the_tolerance_of_a_tight_flow(self, k):
        image = photographs()[k]
        tol, deviation = 3e-3, image.std()
        space = scale_space(image, tol=tol)
        times = space.times
        between = np.sort(np.concatenate([times[:-1] + p * np.diff(times) for p in (0.3, 0.6)]))
        between = between[between < 0.98 * space.extinction_time]
        tight = tv_flow(image, between, tol=2e-4)
        errors = np.array([rms(u - v) for u, v in zip(space(between), tight, strict=True)])
        # Interpolation and solver have the tolerance each, and both estimates are not bounds.
        assert errors.max() < 1.5 * np.sqrt(2) * tol * deviation
        assert np.mean(errors) < tol * deviation
        assert np.mean(errors <= space.error_estimate(between)) > 0.6

    def test_too_few_knots_are_seen(self, image):
        """The same test fails for a space whose knots are left out."""
        space = scale_space(image, tol=3e-3)
        names = ("times", "frames", "variation", "error", "bound", "curvature", "fine")
        few = {name: getattr(space._knots, name)[::4] for name in names}
        space._knots = dataclasses.replace(space._knots, **few)
        between = (space.times[1:] + space.times[:-1]) / 2
        tight = tv_flow(image, between, tol=2e-4)
        errors = [rms(u - v) for u, v in zip(space(between), tight, strict=True)]
        assert max(errors) > 2 * 3e-3 * image.std()

    @settings(max_examples=15)
    @given(signals())
    def test_signals_in_closed_form(self, signal):
        if np.ptp(signal) == 0:
            return
        end = extinction(signal)
        space = scale_space(signal, tol=1e-3)
        times = np.linspace(0, 1.1 * end, 30)
        exact = exact_flow(signal, times)
        errors = np.sqrt(np.mean((space(times) - exact) ** 2, 1))
        assert errors.max() < 4e-3 * signal.std()
        assert space.extinction_time == pytest.approx(end, rel=1e-2)

    def test_a_disc(self):
        y, x = np.indices((64, 64)) - 32
        radius, area = 12, 64**2
        space = scale_space(1.0 * (x**2 + y**2 <= radius**2), tol=1e-3)
        end = radius / 2 * (1 - np.pi * radius**2 / area)
        assert space.extinction_time == pytest.approx(end, rel=0.08)
        u = space(end / 2)
        rate = 2 / radius + 2 * np.pi * radius / (area - np.pi * radius**2)
        assert u[32, 32] - u[0, 0] == pytest.approx(1 - rate * end / 2, abs=0.08)

    @layouts
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_layouts(self, layout, dtype):
        shape, parameters = layout
        image = np.random.default_rng(0).random(shape).astype(dtype)
        space = scale_space(image, tol=5e-3, **parameters)
        assert np.array_equal(space(0), image)
        t = 0.3 * np.max(space.extinction_time)
        u = space(t)
        assert u.dtype == image.dtype
        assert u.shape == image.shape
        tight = tv_flow(image, t, tol=5e-4, **parameters)
        assert rms(u - tight) < 0.015 * image.std()
        assert space([t, 0.0, t]).shape == (3, *shape)
        own = {name: value for name, value in parameters.items() if name != "coupled_channels"}
        variation = total_variation(u, **{**own, **parameters})
        assert np.all(space.total_variation(t) >= variation * (1 - 1e-5))
        assert space.total_variation(t) == pytest.approx(variation, rel=0.05)

    def test_items_of_a_batch_have_their_own_extinction(self):
        image = np.stack([np.repeat([0.0, 1.0], 8), np.repeat([0.0, 5.0], 8), np.zeros(16)])
        space = scale_space(image, batch_axis=0)
        assert space.extinction_time == pytest.approx([4.0, 20.0, 0.0], rel=1e-2)

    def test_extinction(self, image, space):
        assert space.extinction_time == pytest.approx(extinction_time(image), rel=0.05)
        late = space(10 * space.extinction_time)
        assert np.allclose(late, image.mean())
        assert np.ptp(late) == 0
        assert space.total_variation(space.extinction_time) == 0

    @pytest.mark.parametrize("scale", [1e-30, 1e200])
    def test_laws_of_scale_and_shift(self, scale):
        image = photographs()[0][:24, :24]
        space, other = scale_space(image, tol=0.01), scale_space(scale * image, tol=0.01)
        assert other.times == pytest.approx(scale * space.times, rel=1e-3)
        t = space.times[5] * 1.1
        assert rms(other(scale * t) / scale - space(t)) < 1e-4
        assert other.total_variation(scale * t) == pytest.approx(scale * space.total_variation(t))

    def test_an_offset(self):
        image = photographs()[0][:24, :24].astype("float32")
        space, other = scale_space(image, tol=0.01), scale_space(image + 4096, tol=0.01)
        t = space.times[5] * 1.1
        assert rms(other(t) - 4096 - space(t)) < 2e-3


class TestBound:
    @settings(max_examples=8)
    @given(signals())
    def test_is_above_the_error(self, signal):
        space = scale_space(signal, tol=1e-2, certify=True)
        times = np.append(space.times, 2 * space.times[-1] + 1)
        errors = np.sqrt(np.mean((space(times) - exact_flow(signal, times)) ** 2, 1))
        assert np.all(errors <= space.error_bound(times) + 1e-12)

    def test_is_known_at_the_knots(self, image, space):
        certified = scale_space(image, tol=5e-3, certify=True)
        times = certified.times
        assert np.isfinite(certified.error_bound(times)).all()
        assert np.isnan(certified.error_bound(0.9 * times[3] + 0.1 * times[4]))
        assert certified.error_bound(0) == 0
        assert certified.error_bound(10 * times[-1]) == certified.error_bound(times[-1])
        assert np.isnan(space.error_bound(space.times[3]))
        rough = scale_space(image, certify=True, refine=False)
        assert np.isnan(rough.error_bound(rough.times[1:])).all()


class TestEnds:
    def test_a_constant_image(self):
        space = scale_space(np.full((5, 6), 3.0))
        assert space.extinction_time == 0
        assert np.array_equal(space(7.0), np.full((5, 6), 3.0))
        assert space.total_variation([0, 1]).tolist() == [0, 0]
        assert space.error_estimate(0.5) == 0
        assert space.is_refined
        assert np.array_equal(space.low_pass(1.0), space(0))

    def test_no_time(self, image):
        space = scale_space(image, t_max=0)
        assert np.array_equal(space(0.0), image)
        assert np.isnan(space.extinction_time)
        with pytest.raises(ValueError, match=r"t_max=0.1"):
            space(0.1)

    def test_a_short_space(self, image):
        space = scale_space(image, t_max=0.5, tol=5e-3)
        assert space.times[-1] == 0.5
        assert np.isnan(space.extinction_time)
        tight = tv_flow(image, 0.5, tol=5e-4)
        assert rms(space(0.5) - tight) < 0.01 * image.std()
        rough = scale_space(image, t_max=0.7, refine=False)
        assert rough.times[-1] == 0.7
        assert rms(rough(0.5) - tight) < 0.05 * image.std()
        for use in (space, space.low_pass, space.total_variation, space.error_estimate):
            with pytest.raises(ValueError, match=r"scale_space\(image, t_max=0\.6\)"):
                use(0.6)
        with pytest.raises(ValueError, match="t_max=None"):
            space.decompose(10)
        assert space.decompose([0.1, 0.2, 0.5]).bands.shape == (2, *image.shape)

    def test_a_long_space_ends_at_extinction(self, image, space):
        other = scale_space(image, t_max=1e3, tol=5e-3)
        assert other.extinction_time == pytest.approx(space.extinction_time, rel=1e-2)
        assert np.ptp(other(1e4)) == 0

    @pytest.mark.parametrize("wrong", [{"t_max": -1}, {"tol": 0}, {"tol": "x"}, {"max_bytes": -1}])
    def test_wrong_parameters(self, image, wrong):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be .* Pass"):
            scale_space(image, **wrong)

    @pytest.mark.parametrize("name", ["refine", "certify"])
    def test_flags(self, image, name):
        with pytest.raises(TypeError, match=f"{name} must be True or False, got 1. Pass"):
            scale_space(image, **{name: 1})

    def test_a_flow_has_its_own_axes(self, image):
        with pytest.raises(ValueError, match=r"flow=ChambolleTVFlow\(spacing=2\)"):
            scale_space(image, flow=ChambolleTVFlow(), spacing=2)

    def test_a_network_as_the_flow(self, image):
        flow = TVFlowNet.from_pretrained()
        space = scale_space(image.astype("float32"), flow=flow, t_max=0.2, tol=5e-3)
        exact = flow.transform(image.astype("float32"), space.times[3])
        assert rms(space(space.times[3]) - exact) < 0.02 * image.std()

    def test_tensors(self, image, device):
        tensor = torch.from_numpy(image).to(device)
        space = scale_space(tensor, tol=0.01)
        u = space(0.3)
        assert isinstance(u, torch.Tensor)
        assert u.device == tensor.device
        assert u.dtype == tensor.dtype
        assert torch.equal(space(0), tensor)


class TestFilters:
    @pytest.mark.parametrize("t", [0.0, 0.02, 0.4, 3.0, 1e3])
    def test_low_and_high_are_the_image(self, image, space, t):
        assert np.abs(space.low_pass(t) + space.high_pass(t) - image).max() < 1e-14

    def test_bands_are_the_image(self, image, space):
        assert np.abs(space.band_pass(0.1, 1) + space.band_stop(0.1, 1) - image).max() < 1e-14
        total = space.band_pass(0, 0.1) + space.band_pass(0.1, 2) + space.low_pass(2)
        assert np.abs(total - image).max() < 1e-14
        with pytest.raises(ValueError, match="smaller time first"):
            space.band_pass(1, 0.1)

    def test_everything_vanishes(self, image, space):
        assert np.allclose(space.low_pass(1e3), image.mean())
        assert np.array_equal(space.low_pass(0), image)

    def test_a_disc_is_one_band_of_its_sign(self):
        y, x = np.indices((48, 48)) - 24
        bright = 1.0 * (x**2 + y**2 <= 64)
        for image in (bright, -bright):
            space = scale_space(image)
            end = space.extinction_time
            band = space.band_pass(0.5 * end, 1.5 * end)
            assert rms(band - (image - image.mean())) < 0.25 * image.std()
            assert band[24, 24] * image[24, 24] > 0

    def test_the_same_bands_as_a_decomposition(self, image):
        times = np.geomspace(0.05, 3, 8)
        space = scale_space(image)
        mine, direct = space.decompose(times), spectral_decompose(image, times)
        assert np.abs(mine.reconstruct() - image).max() < 1e-13
        # Neighbouring slopes differ by a fraction of u, so that errors of u count many times.
        for band, other in zip(mine.bands, direct.bands, strict=True):
            assert rms(band - other) < 0.2 * rms(other)
        assert mine.power_spectrum("l2") == pytest.approx(direct.power_spectrum("l2"), rel=0.2)

    def test_spectrum(self, space):
        parts, spectrum = space.decompose(12), space.spectrum(12)
        assert np.array_equal(spectrum.times, parts.times)
        assert np.array_equal(spectrum.l1, parts.spectrum)
        assert np.array_equal(spectrum.l2, parts.power_spectrum("l2"))

    def test_low_pass_against_a_tight_flow(self, image):
        space = scale_space(image)
        for t in (0.1, 0.5, 2.0):
            before, at = tv_flow(image, [t / 1.03, t], tol=1e-4)
            exact = at - (at - before) / (1 - 1 / 1.03)
            assert rms(space.low_pass(t) - exact) < 0.05 * image.std()


class TestRegions:
    @pytest.mark.parametrize("region", [np.s_[3], np.s_[1:4, ..., 2], np.s_[...], np.s_[:, 1, 2]])
    @pytest.mark.parametrize("t", [0.0, 0.03, 0.4, 1e6])
    def test_are_what_they_are_of_the_whole(self, region, t):
        space = scale_space(np.random.default_rng(0).random((5, 6, 7)), tol=1e-2)
        np.testing.assert_array_equal(space(t, region), space(t)[region])
        np.testing.assert_array_equal(space.low_pass(t, region), space.low_pass(t)[region])
        several = space([t, 0.2], region)
        np.testing.assert_array_equal(
            several, space([t, 0.2])[(slice(None), *np.index_exp[region])]
        )


class TestGrowth:
    @pytest.mark.parametrize("k", range(8))
    def test_the_rough_space(self, k):
        """40 dB, the image's range as the peak, at every time."""
        image = np.kron(photographs()[k], np.ones((2, 2))) if k < 5 else photographs()[k]
        space = scale_space(image, refine=False)
        assert not space.is_refined
        assert space.refined_until == 0
        times = np.geomspace(1e-2, 1, 12) * space.times[-1]
        tight = tv_flow(image, times, tol=1e-3)
        errors = np.array([rms(u - v) for u, v in zip(space(times), tight, strict=True)])
        assert -20 * np.log10(errors.max() / np.ptp(image)) > 38
        estimate = space.error_estimate(times)
        assert np.all(errors < 3 * estimate + 1e-3 * image.std())

    def test_refined_later_is_the_same(self, image):
        space = scale_space(image, tol=5e-3, refine=False)
        later = space.refine()
        assert later is space
        assert space.is_refined
        at_once = scale_space(image, tol=5e-3)
        assert np.array_equal(space.times, at_once.times)
        assert all(map(np.array_equal, space.frames, at_once.frames))

    def test_stopped_and_resumed(self, image):
        space = scale_space(image, tol=3e-3, refine=False)
        whole = scale_space(image, tol=3e-3)
        space.refine(callback=lambda progress: space.refined_until > 0.3)
        stopped = space.refined_until
        assert 0.3 < stopped < space.times[-1]
        assert not space.is_refined
        assert rms(space(0.2) - whole(0.2)) < 3e-3 * image.std()
        assert space.error_estimate(0.2) < space.error_estimate(1.5)
        assert np.all(np.diff(space.times) > 0)
        space.refine()
        assert space.is_refined
        for t in (0.2, 1.0, 2.0):
            assert rms(space(t) - whole(t)) < 6e-3 * image.std()

    def test_stopped_at_once(self, image):
        with pytest.raises(StoppedByCallback):
            scale_space(image, callback=lambda progress: True)

    def test_stopped_after_the_rough_space(self, image):
        seen = []
        space = scale_space(image, tol=1e-3, callback=lambda p: seen.append(p) or p > 0.3)
        assert not space.is_refined
        assert 0 < space.refined_until < space.times[-1]

    def test_progress(self, image):
        seen = []
        scale_space(image, tol=3e-3, callback=seen.append)
        assert seen == sorted(seen)
        assert seen[-1] == 1.0

    def test_a_reader_always_sees_a_valid_space(self, image):
        space = scale_space(image, tol=2e-3, refine=False)
        exact = tv_flow(image, [0.05, 0.3, 1.0], tol=1e-3)
        worker, worst, n = threading.Thread(target=space.refine), 0.0, 0
        worker.start()
        while worker.is_alive() or n == 0:
            for t, u in zip([0.05, 0.3, 1.0], exact, strict=True):
                worst = max(worst, rms(space(t) - u))
            n += 1
        worker.join()
        assert worst < 0.05 * image.std()
        assert space.is_refined

    def test_one_worker_at_a_time(self, image):
        space = scale_space(image, refine=False)
        with pytest.raises(RuntimeError, match="another thread"):
            space.refine(callback=lambda _: space.refine() is None)


class TestFiles:
    def test_bit_for_bit(self, image, space, tmp_path):
        space.save(tmp_path / "space.npz")
        loaded = ScaleSpace.load(tmp_path / "space.npz")
        assert np.array_equal(loaded.times, space.times)
        assert loaded.is_refined
        assert all(map(np.array_equal, loaded.frames, space.frames))
        for t in (0.0, 0.31, 1e3):
            assert np.array_equal(loaded(t), space(t))
            assert loaded.total_variation(t) == space.total_variation(t)
            assert loaded.error_estimate(t) == space.error_estimate(t)
        assert loaded.extinction_time == space.extinction_time

    @layouts
    def test_layouts(self, layout, tmp_path):
        shape, parameters = layout
        space = scale_space(np.random.default_rng(0).random(shape), refine=False, **parameters)
        space.save(tmp_path / "space.npz")
        loaded = ScaleSpace.load(tmp_path / "space.npz")
        t = space.times[2] * 1.1
        assert np.array_equal(loaded(t), space(t))
        assert np.array_equal(loaded.low_pass(t), space.low_pass(t))

    def test_a_loaded_space_goes_on(self, image, tmp_path):
        space = scale_space(image, tol=5e-3, refine=False)
        space.save(tmp_path / "space.npz")
        loaded = ScaleSpace.load(tmp_path / "space.npz").refine()
        assert all(map(np.array_equal, loaded.frames, space.refine().frames))

    def test_a_loaded_space_of_another_flow_does_not(self, image, tmp_path):
        flow = TVFlowNet.from_pretrained()
        space = scale_space(image, flow=flow, t_max=0.2, tol=5e-3, refine=False)
        space.save(tmp_path / "space.npz")
        with pytest.raises(ValueError, match="Refine it before"):
            ScaleSpace.load(tmp_path / "space.npz").refine()

    def test_damaged_files(self, space, tmp_path):
        path = tmp_path / "space.npz"
        space.save(path)
        whole = path.read_bytes()
        middle = len(whole) // 2
        spoilt = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        for content in (whole[:middle], b"", b"x" * 100, spoilt):
            path.write_bytes(content)
            with pytest.raises(ValueError, match=r"damaged.*Compute the space again"):
                ScaleSpace.load(path)
        np.savez(path, other=np.zeros(3))
        with pytest.raises(ValueError, match="no scale space"):
            ScaleSpace.load(path)

    def test_names(self, space, tmp_path):
        with pytest.raises(ValueError, match=r"ends in \.npz"):
            space.save(tmp_path / "space.png")
        with pytest.raises(FileNotFoundError):
            ScaleSpace.load(tmp_path / "missing.npz")

    def test_on_disk(self, image, space, tmp_path):
        stored = scale_space(image, tol=5e-3, max_bytes=0, folder=tmp_path)
        assert list(tmp_path.iterdir())
        assert all(map(np.array_equal, stored.frames, space.frames))
        assert np.array_equal(stored(0.7), space(0.7))
        del stored
        assert not list(tmp_path.iterdir())
