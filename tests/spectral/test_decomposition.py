"""The spectral decomposition: exact sums, closed forms of the spectrum, filters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import count_reads
from skimage_tvflow import (
    ChambolleTVFlow,
    StoppedByCallback,
    extinction_time,
    iter_bands,
    spectral_decompose,
)

# Exact sums need no exact flow.
ROUGH = {"n_steps": 4, "order": 1, "tol": None, "max_num_iter": 4}
FIXED = {"n_steps": 100, "order": 1, "tol": None, "max_num_iter": 60}
LAYOUTS = {
    "1-D": ((40,), {}),
    "2-D": ((12, 17), {}),
    "3-D": ((5, 6, 7), {}),
    "batch": ((3, 8, 9), {"batch_axis": 0}),
    "last batch": ((8, 9, 3), {"batch_axis": -1}),
    "channels": ((9, 8, 3), {"channel_axis": -1}),
    "coupled": ((9, 8, 3), {"channel_axis": -1, "coupled_channels": True}),
    "both": ((2, 3, 6, 7), {"batch_axis": 0, "channel_axis": 1}),
}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
TIMES = {
    "uniform": np.linspace(0.05, 1, 20),
    "geometric": np.geomspace(1e-3, 5, 12),
    "random": np.cumsum(np.random.default_rng(3).exponential(size=15)) / 5,
    "two": np.array([0.1, 0.7]),
}
DIGITS = {"float32": 1e-5, "float64": 1e-12}


def noise(shape, dtype="float64"):
    return np.random.default_rng(0).random(shape).astype(dtype)


def disc(shape, centre, radius, contrast):
    y, x = np.indices(shape)
    return contrast * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2)


def peaks(parts, least=0.1):
    """The middle, weighted by height, of every group of neighbouring high bands."""
    high = np.flatnonzero(parts.spectrum > least * parts.spectrum.max())
    groups = np.split(high, np.flatnonzero(np.diff(high) > 2) + 1)
    return [np.average(parts.times[g], weights=parts.spectrum[g]) for g in groups]


class TestSum:
    @layouts
    @pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
    @pytest.mark.parametrize("dtype", DIGITS)
    def test_of_bands_and_residual_is_the_image(self, layout, times, dtype):
        shape, axes = layout
        image = noise(shape, dtype)
        parts = spectral_decompose(image, times, flow=ChambolleTVFlow(**ROUGH, **axes))
        assert parts.bands.shape == (len(times) - 1, *shape)
        assert parts.bands.dtype == image.dtype
        total = parts.bands.sum(0) + parts.residual
        assert abs(total - image).max() <= DIGITS[dtype] * abs(image).max()
        np.testing.assert_allclose(parts.reconstruct(), image, rtol=0, atol=DIGITS[dtype])
        np.testing.assert_array_equal(parts.times, times[:-1])

    @settings(max_examples=50)
    @given(
        st.lists(st.floats(1e-4, 3), min_size=2, max_size=9, unique=True),
        st.floats(1e-6, 1e6),
    )
    def test_whatever_times_and_contrast(self, times, contrast):
        times = np.cumsum(times)
        image = contrast * noise((6, 7))
        parts = spectral_decompose(image, contrast * times, flow=ChambolleTVFlow(**ROUGH))
        total = parts.bands.sum(0) + parts.residual
        assert abs(total - image).max() <= 1e-12 * contrast

    @layouts
    def test_one_band_at_a_time_is_the_same(self, layout):
        shape, axes = layout
        flow, times = ChambolleTVFlow(**ROUGH, **axes), [0.1, 0.2, 0.5, 1.0]
        parts = spectral_decompose(noise(shape), times, flow=flow)
        found = list(iter_bands(noise(shape), times, flow=flow))
        assert [band.time for band in found] == [0.1, 0.2, 0.5, np.inf]
        np.testing.assert_array_equal(np.stack([b.image for b in found[:-1]]), parts.bands)
        np.testing.assert_array_equal(found[-1].image, parts.residual)

    def test_bands_come_as_the_flow_reaches_them(self):
        class Reached(Exception):
            pass

        class Two(ChambolleTVFlow):
            def _integrate(self, *arguments, **keywords):
                frames = super()._integrate(*arguments, **keywords)
                yield next(frames)
                yield next(frames)
                raise Reached

        bands = iter_bands(noise((8, 8)), [0.1, 0.2, 0.3, 0.4], flow=Two(**ROUGH))
        assert next(bands).time == 0.1
        with pytest.raises(Reached):
            next(bands)

    def test_tensors_stay_tensors(self):
        image = torch.from_numpy(noise((8, 9), "float32"))
        parts = spectral_decompose(image, [0.1, 0.3, 0.5])
        assert isinstance(parts.bands, torch.Tensor)
        assert parts.bands.dtype == torch.float32
        torch.testing.assert_close(parts.reconstruct(), image)


class TestSpectrum:
    def test_of_a_disc_is_one_peak_at_its_extinction_time(self):
        image = disc((160, 160), (80, 80), 20, 0.8)
        flow = ChambolleTVFlow(**FIXED)
        found = peaks(spectral_decompose(image, np.linspace(0.25, 12, 48), flow=flow))
        assert len(found) == 1
        # c R / 2 (1 - pi R^2 / A), which the forward differences undercut by a few percent
        assert found[0] == pytest.approx(7.35, rel=0.06)

    def test_of_two_discs_are_two_peaks(self):
        image = disc((120, 200), (60, 45), 24, 0.8) + disc((120, 200), (60, 145), 12, 0.5)
        flow = ChambolleTVFlow(**FIXED)
        found = peaks(spectral_decompose(image, np.linspace(0.25, 12, 48), flow=flow))
        area = 120 * 200
        expected = [0.5 * 12 / 2, 0.8 * 24 / 2 * (1 - np.pi * 24**2 / area)]
        assert found == pytest.approx(expected, rel=0.09)

    @pytest.mark.parametrize(
        ("times", "n_bands"), [(np.linspace(1, 15, 15), 1), (np.linspace(0.7, 15.3, 15), 2)]
    )
    def test_of_an_eigenfunction_is_the_band_of_its_extinction(self, times, n_bands):
        step = np.repeat([0.0, 1.0], 20)  # moves at 1/20 on both sides, extinct at 10
        parts = spectral_decompose(step, times, flow=ChambolleTVFlow(tol=1e-6))
        energy = (parts.bands**2).sum(1)
        nearest = np.sort(np.argsort(abs(parts.times - 10))[:n_bands])
        assert energy[nearest].sum() >= 0.99 * energy.sum()
        assert abs(parts.times[nearest] - 10).max() < np.diff(times)[0]

    def test_moves_by_two_when_the_contrast_doubles(self):
        image, times = noise((32, 32)), np.geomspace(0.01, 1, 20)
        one, two = spectral_decompose(image, times), spectral_decompose(2 * image, 2 * times)
        np.testing.assert_array_equal(two.times, 2 * one.times)
        np.testing.assert_allclose(two.bands, 2 * one.bands, atol=1e-12)
        np.testing.assert_allclose(two.spectrum, one.spectrum, rtol=1e-9)

    def test_is_the_l1_norm_of_a_band_per_unit_of_time(self):
        times = np.array([0.1, 0.2, 0.5, 0.6])  # the bands: 0 to .2, .1 to .5 and .2 to .6, halved
        parts = spectral_decompose(noise((3, 9, 8)), times, flow=ChambolleTVFlow(batch_axis=0))
        norms = abs(parts.bands).sum((2, 3))
        np.testing.assert_allclose(parts.spectrum, norms / [[0.1], [0.2], [0.2]])
        np.testing.assert_array_equal(parts.power_spectrum(), parts.spectrum)

    def test_l2_integrates_to_the_squared_norm_of_the_image_without_its_mean(self):
        step = np.repeat([0.0, 1.0], 20)
        times = np.linspace(0.5, 15, 30)
        parts = spectral_decompose(step, times, flow=ChambolleTVFlow(tol=1e-6))
        power = parts.power_spectrum("l2")
        assert (power**2 * parts.widths).sum() == pytest.approx(step.var() * 40, rel=1e-3)
        assert parts.times[power.argmax()] == pytest.approx(10)

    def test_l2_of_an_image_too(self):
        image = noise((24, 24))
        parts = spectral_decompose(
            image, np.linspace(0.005, 1.5, 300), flow=ChambolleTVFlow(**FIXED)
        )
        power = parts.power_spectrum("l2")
        assert (power**2 * parts.widths).sum() == pytest.approx(image.var() * image.size, rel=0.03)

    def test_of_so_many_bands_ends_beyond_extinction(self):
        image = disc((48, 48), (24, 24), 10, 0.8)
        parts = spectral_decompose(image, 20)
        assert parts.bands.shape == (20, 48, 48)
        np.testing.assert_allclose(parts.residual, image.mean(), atol=1e-3)
        assert parts.times[-2] == pytest.approx(extinction_time(image), rel=0.1)
        assert len(spectral_decompose(image, 1).times) == 1

    def test_of_huge_values(self):
        image, times = noise((12, 12)), np.array([0.05, 0.1, 0.3])
        one, huge = (spectral_decompose(c * image, c * times) for c in (1.0, 2.0**680))
        for kind in ("l1", "l2"):
            scale = 2.0 ** (340 if kind == "l2" else 0)
            expected = scale * one.power_spectrum(kind)
            np.testing.assert_allclose(huge.power_spectrum(kind), expected, rtol=1e-9)

    def test_refuses_other_kinds(self):
        parts = spectral_decompose(noise((6, 6)), [0.1, 0.2])
        with pytest.raises(ValueError, match=r"'l1' or 'l2', got 'l3'. Pass kind='l1'"):
            parts.power_spectrum("l3")


@pytest.fixture(scope="module")
def parts():
    return spectral_decompose(noise((12, 13)), np.linspace(0.05, 0.5, 10))


class TestFilters:
    def test_pairs_add_up_to_the_image(self, parts):
        image = noise((12, 13))
        for t in (0.01, 0.2, 0.33, 9):
            both = parts.low_pass(t) + parts.high_pass(t)
            np.testing.assert_allclose(both, image, atol=1e-12)
            both = parts.band_pass(t / 2, t) + parts.band_stop(t / 2, t)
            np.testing.assert_allclose(both, image, atol=1e-12)

    def test_keep_the_bands_that_their_names_say(self, parts):
        t = parts.times[4]
        np.testing.assert_allclose(parts.high_pass(t), parts.bands[:4].sum(0), atol=1e-12)
        low = parts.bands[4:].sum(0) + parts.residual
        np.testing.assert_allclose(parts.low_pass(t), low, atol=1e-12)
        inside = parts.band_pass(parts.times[2], t)
        np.testing.assert_allclose(inside, parts.bands[2:4].sum(0), atol=1e-12)

    def test_weights_are_numbers_or_a_function_of_time(self, parts):
        weights = np.linspace(0, 2, 9)
        expected = np.tensordot(weights, parts.bands, 1) + 0.5 * parts.residual
        found = parts.reconstruct(weights, residual=0.5)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        by_time = np.tensordot(np.exp(-parts.times), parts.bands, 1) + parts.residual
        found = parts.reconstruct(lambda t: np.exp(-t))
        np.testing.assert_allclose(found, by_time, atol=1e-12)

    def test_refuse_weights_that_do_not_fit(self, parts):
        for weights in ([1, 2], np.ones((9, 1)), lambda t: 1.0):
            with pytest.raises(
                ValueError, match=r"one number for each of the 9 bands, got .* Pass"
            ):
                parts.reconstruct(weights)
        with pytest.raises(ValueError, match=r"must be finite, .*got \[nan, .*Pass"):
            parts.reconstruct([np.nan] * 9)
        with pytest.raises(ValueError, match=r"needs t1 < t2, got t1=2 and t2=1\. Pass"):
            parts.band_pass(2, 1)


class TestCost:
    @pytest.mark.parametrize("function", [spectral_decompose, lambda *a: list(iter_bands(*a))])
    @pytest.mark.parametrize("times", [5, [0.1, 0.2, 0.5]])
    def test_an_image_is_read_once(self, function, times):
        assert count_reads(lambda: function(noise((8, 9)), times)) == ["image"]


def run_iter_bands(*arguments, **keywords):
    return np.stack([band.image for band in iter_bands(*arguments, **keywords)])


def run_decompose(*arguments, **keywords):
    return spectral_decompose(*arguments, **keywords).bands


class TestCallback:
    @pytest.mark.parametrize("function", [run_decompose, run_iter_bands])
    @pytest.mark.parametrize("times", [6, np.geomspace(0.01, 2, 6)])
    def test_is_told_the_fraction_of_the_work(self, function, times):
        image, told = noise((64, 64)), []
        found = function(image, times, callback=told.append)
        assert 0 <= told[0] < 1
        assert (np.diff(told) >= 0).all()
        assert told[-1] == 1
        assert len(told) > 2
        np.testing.assert_array_equal(found, function(image, times))

    @pytest.mark.parametrize("function", [run_decompose, run_iter_bands])
    @pytest.mark.parametrize("times", [6, np.geomspace(0.01, 2, 6)])
    def test_stops(self, function, times):
        told = []
        with pytest.raises(StoppedByCallback):
            function(
                noise((64, 64)), times, callback=lambda progress: told.append(progress) or True
            )
        assert len(told) == 1
        assert told[0] < 1

    def test_refuses_other_things(self):
        for function in (spectral_decompose, iter_bands):
            with pytest.raises(TypeError, match=r"callback must be a function .*, got 3\. Pass"):
                function(noise((6, 6)), 5, callback=3)


class TestBadInput:
    @pytest.mark.parametrize(
        ("times", "message"),
        [
            (0, r"^The number of bands must be at least 1, got times=0\. Pass .*times=20\.$"),
            (0.1, "at least two times, got 1"),
            ([0.1], "at least two times, got 1"),
            ([0.2, 0.1], "must increase, got 0.1 after 0.2 at position 1"),
            ([0.1, 0.1], "must increase, got 0.1 after 0.1"),
            ([0, 0.1], "must be > 0, got 0"),
            ([-1, 0.1], "must be >= 0, got -1"),
            ([0.1, np.inf], "must be finite"),
            ([[0.1, 0.2]], "1-D sequence"),
        ],
    )
    def test_times(self, times, message):
        for function in (spectral_decompose, iter_bands):
            with pytest.raises(ValueError, match=message):
                function(noise((6, 6)), times)

    @pytest.mark.parametrize("flow", ["chambolle", ChambolleTVFlow, 3])
    def test_flow(self, flow):
        with pytest.raises(TypeError, match=r"must be an estimator of the TV flow, got .* Pass"):
            spectral_decompose(noise((6, 6)), [0.1, 0.2], flow=flow)

    def test_image(self):
        with pytest.raises(ValueError, match="contains NaN"):
            spectral_decompose(np.full((5, 5), np.nan), [0.1, 0.2])
