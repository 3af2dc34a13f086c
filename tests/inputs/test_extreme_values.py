"""Numbers at the ends of float32 and float64: the flow is right, or a message says why not."""

import numpy as np
import pytest
import torch

from skimage_tvflow import ChambolleTVFlow, extinction_time, total_variation, tv_flow

RAMP = np.random.default_rng(0).integers(0, 64, (8, 9)) / 64
SCHEME = {"n_steps": 4, "order": 1, "tol": None, "max_num_iter": 60}
FIXED = ChambolleTVFlow(**SCHEME)


def true_variation(u, spacing=(1.0, 1.0)):
    d0 = np.diff(u, axis=0, append=u[-1:]) / spacing[0]
    d1 = np.diff(u, axis=1, append=u[:, -1:]) / spacing[1]
    return np.hypot(d0, d1).sum()


class TestFlow:
    @pytest.mark.parametrize("exponent", [-1030, -1000, 1000, 1014])
    def test_values_of_any_size_in_float64(self, exponent):
        # Powers of two change no digit.
        expected = FIXED.transform(RAMP, 0.125)
        if exponent < -1022:
            expected = np.ldexp(np.ldexp(expected, exponent), -exponent)  # its last digits
        flow = FIXED.transform(np.ldexp(RAMP, exponent), np.ldexp(0.125, exponent))
        np.testing.assert_allclose(np.ldexp(flow, -exponent), expected, rtol=0, atol=1e-14)

    @pytest.mark.parametrize("exponent", [-130, 127])
    def test_values_of_any_size_in_float32(self, exponent):
        image = RAMP.astype(np.float32)
        flow = FIXED.transform(np.ldexp(image, exponent), np.ldexp(0.125, exponent))
        assert flow.dtype == np.float32
        expected = FIXED.transform(image, 0.125)
        np.testing.assert_allclose(np.ldexp(flow, -exponent), expected, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_contrast_of_a_few_last_digits(self, dtype):
        steps = np.floor(4 * RAMP)  # 0 to 3
        offset = np.array(4096, dtype)
        digit = np.spacing(offset)
        result = FIXED.solve(offset + steps.astype(dtype) * digit, 0.5 * float(digit))
        # The same in the unit of the last digit, rounded to whole digits.
        expected = FIXED.transform(steps, 0.5)
        digits = (result.u[0].astype(np.longdouble) - 4096) / digit
        assert np.abs(digits - expected).max() <= 0.51
        tight = ChambolleTVFlow(tol=1e-4).transform(steps, 0.5)
        off = np.sqrt(np.mean((digits - tight) ** 2)) * float(digit)
        assert off > 0.2 * digit
        assert result.error_bound[0] >= off

    @pytest.mark.parametrize("h", [1e-99, 1e99])
    def test_pixels_of_any_size(self, h):
        flow = ChambolleTVFlow(spacing=h, **SCHEME).transform(RAMP, 0.125 * h)
        expected = FIXED.transform(RAMP, 0.125)
        np.testing.assert_allclose(flow, expected, atol=1e-12)

    @pytest.mark.parametrize("value", [1.7e308, -1e308])
    def test_refused_where_sums_are_infinite(self, value):
        for call in (lambda x: tv_flow(x, 0.1), total_variation, extinction_time):
            with pytest.raises(ValueError, match=r"image has values from .*Divide image by"):
                call(value * RAMP)


class TestTotalVariation:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_every_item_has_its_own_size(self, dtype):
        sizes = np.array([1, 2.0**-120, 2.0**120, 0])
        images = (sizes[:, None, None] * RAMP).astype(dtype)
        variation = total_variation(images, batch_axis=0)
        np.testing.assert_allclose(variation, sizes * true_variation(RAMP), rtol=1e-6)

    @pytest.mark.parametrize("spacing", [(2.0, 0.5), (1e-99, 3e-99), (1e99, 1e98)])
    def test_spacing_of_any_size(self, spacing):
        variation = total_variation(RAMP, spacing=spacing)
        assert variation == pytest.approx(true_variation(RAMP, spacing), rel=1e-14)

    def test_values_of_any_size(self):
        for factor in (2.0**-1000, 2.0**1010):
            variation = total_variation(torch.from_numpy(factor * RAMP))
            assert variation / factor == pytest.approx(true_variation(RAMP), rel=1e-14)

    def test_refused_where_it_is_infinite(self):
        with pytest.raises(ValueError, match=r"beyond the largest float64\. Pass .*J\(u / c\)"):
            total_variation(1e300 * RAMP, spacing=1e-10)
