"""Images in units of their own: compiled as in plain torch, and back without a rounding error."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.core.backends.numba import scaling as numba_scaling
from skimage_tvflow.core.backends.torch.scaling import centre_and_scale
from skimage_tvflow.core.problem import Problem, solver_times
from skimage_tvflow.core.scaling import Units

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
WAYS = pytest.mark.parametrize("way", [centre_and_scale, numba_scaling.centre_and_scale])


@DTYPES
@pytest.mark.parametrize("pixels_per_task", [5, 2**17])
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_compiled_as_plain(dtype, pixels_per_task, data, seed):
    shape = data.draw(st.lists(st.integers(1, 7), min_size=3, max_size=5))
    offset = data.draw(st.sampled_from([0.0, -3.0, 1e4]))
    size = data.draw(st.sampled_from([0.0, 1e-30, 1.0, 255.0, 1e30]))
    rng = np.random.default_rng(seed)
    image = torch.from_numpy(offset + size * rng.standard_normal(shape)).to(dtype)
    if data.draw(st.booleans()):
        image = image.movedim(1, -1).contiguous().movedim(-1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_scaling, "_PIXELS_PER_TASK", pixels_per_task)
        found = numba_scaling.centre_and_scale(image)
    expected = centre_and_scale(image)
    # The means may be rounded to either side.
    near = 4 * torch.finfo(dtype).eps * (abs(offset) + size)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=0, atol=near)
    np.testing.assert_array_equal(found.scale, expected.scale)
    off = (found.u - expected.u).flatten(1).abs().amax(1).double().numpy()
    near = near / found.scale + 4 * torch.finfo(dtype).eps
    assert (off <= near).all()
    assert (np.abs(found.deviation - expected.deviation) <= near).all()


@DTYPES
@WAYS
@pytest.mark.parametrize("exponent", [-120, 0, 120, 1000])
def test_there_and_back(way, dtype, exponent):
    if exponent > 127 and dtype == torch.float32:
        exponent = 100
    values = np.random.default_rng(0).integers(-100, 100, (3, 2, 8, 8)) * 2.0**exponent
    values[1] = 7 * 2.0**exponent
    image = torch.from_numpy(values).to(dtype)
    found = way(image)
    u, scale = found.u.double().numpy(), found.scale[:, None, None, None]
    back = scale * u + found.mean.double().numpy()[:, :, None, None]
    np.testing.assert_allclose(back, values, rtol=0, atol=torch.finfo(dtype).eps * values.max())
    assert not u[1].any()
    assert found.scale[1] == 1
    assert found.deviation[1] == 0
    np.testing.assert_array_equal(np.frexp(found.scale)[0], 0.5)
    largest = np.abs(u[[0, 2]]).max((1, 2, 3))
    assert ((largest >= 1) & (largest <= 2)).all()
    deviation = np.sqrt((u[[0, 2]] ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(found.deviation[[0, 2]], deviation, rtol=1e-5)


@WAYS
def test_an_offset_costs_no_digits(way):
    image = torch.tensor([[[4096.25, 4096.0, 4095.75, 4096.0]]])
    np.testing.assert_array_equal(way(image).u, [[[1, 0, -1, 0]]])


@DTYPES
@WAYS
def test_a_large_constant_image_has_no_structures(way, dtype):
    found = way(torch.full((1, 1, 500, 501), 0.3, dtype=dtype))
    assert not found.u.any()
    assert found.deviation[0] == 0


@WAYS
@pytest.mark.parametrize("exponent", [-1000, 0, 900])
def test_the_last_digits_of_an_offset_are_structures(way, exponent):
    digits = np.random.default_rng(0).integers(0, 9, (2, 1, 6, 7)).astype(float)
    digits[1] = 0
    digits[1, 0, 2, 3] = 1
    image = torch.from_numpy((4096 + digits * np.spacing(4096.0)) * 2.0**exponent)
    found = way(image)
    u = found.u.numpy() * found.scale[:, None, None, None] * 2.0**-exponent / np.spacing(4096.0)
    np.testing.assert_array_equal(np.diff(u.reshape(2, -1)), np.diff(digits.reshape(2, -1)))
    assert (found.deviation > 0).all()


@WAYS
@pytest.mark.parametrize("value", [0.1, 1e308, -3e-310])
def test_only_a_constant_image_has_no_structures(way, value):
    image = torch.full((2, 1, 3, 3), value, dtype=torch.float64) / 16
    image[1, 0, 1, 1] = np.nextafter(image[0, 0, 0, 0].item(), np.inf)
    found = way(image)
    np.testing.assert_array_equal(found.deviation > 0, [False, True])
    assert torch.equal(found.mean[0], image[0, 0, 0, :1])


@DTYPES
@WAYS
def test_the_rounding_bounds_the_distance_from_the_image(way, dtype, monkeypatch):
    rng = np.random.default_rng(0)
    image = torch.from_numpy(1 / 3 + rng.random((40, 2, 5, 5))).to(dtype)
    monkeypatch.setattr("skimage_tvflow.core.backends.select.centre_and_scale", way)
    problem = Problem.of(image, (1.0, 1.0))
    mean, u = (x.numpy().astype(np.longdouble) for x in (problem.units.mean, problem.u))
    exact = (image.numpy().astype(np.longdouble) - mean[:, :, None, None]) / (
        problem.units.scale[:, None, None, None]
    )
    off = np.sqrt(np.mean((u - exact) ** 2, axis=(1, 2, 3)))
    assert (off > 0).any()
    assert (off <= problem.rounding).all()


@DTYPES
@pytest.mark.parametrize("offset", [4200, 8000, -100.0, 1e6])
def test_the_rounding_error_of_a_frame(dtype, offset):
    rng = np.random.default_rng(0)
    mean = torch.tensor([[offset, offset / 1000]], dtype=dtype)
    units = Units(mean, np.array([0.25]))
    # 100 units in the last place of the first channel's mean, with many more digits.
    last_place = float(np.spacing(mean.abs().numpy()[0, 0]))
    u = torch.from_numpy(rng.uniform(-50, 50, (1, 1, 2, 100, 100)) * 4 * last_place)
    exact = 0.25 * u[0, 0, 0].numpy().astype(np.longdouble) + np.longdouble(mean[0, 0].item())
    frame = units.to_image(u.clone().to(dtype))[0, 0, 0].numpy()
    rms = np.sqrt(np.mean((frame - exact) ** 2))
    assert units.rounding()[0] == pytest.approx(float(rms), rel=0.02)


def test_times_far_beyond_extinction_stay_numbers():
    values = [[0.0, 1.0, 5.0], [0.0, 1e-300, 2e-300], [3.0, 3.0, 3.0]]
    image = torch.tensor(values, dtype=torch.float64)[:, None]
    problem = Problem.of(image, (0.5,))
    assert problem.units.scale[0] == 2
    times = solver_times([0.0, 0.25, 1e308], problem.unit)
    assert times.shape == (3, 3)
    np.testing.assert_array_equal(times[0], 0)
    np.testing.assert_array_equal(times[1], [0.25, 1e30, 0.5])
    np.testing.assert_array_equal(times[2], 1e30)
    finer = Problem.of(image, (1e-100,))
    assert np.isfinite(solver_times([0.0, 5e-324, 1e308], finer.unit)).all()
    np.testing.assert_array_equal(solver_times([0.0], finer.unit), 0)


@pytest.mark.parametrize(
    ("dtype", "offset", "size"), [("f4", 1e6, 1), ("f4", 1e4, 1), ("f8", 1e6, 1e-6)]
)
def test_centred_takes_off_what_rounding_left_of_the_means(dtype, offset, size):
    values = (offset + size * np.random.default_rng(0).random((2, 2, 24, 24))).astype(dtype)
    problem = Problem.of(torch.from_numpy(values), (1.0, 1.0))
    assert problem.u.double().mean((2, 3)).abs().max() > 1e-6  # there is something to take off
    found = problem.centred()
    eps = np.finfo(dtype).eps
    assert found.u.dtype == problem.u.dtype
    assert found.u.double().mean((2, 3)).abs().max() <= eps
    gradient = [torch.diff(p.u.double(), dim=3).numpy() for p in (found, problem)]
    np.testing.assert_allclose(*gradient, rtol=0, atol=4 * eps)
    deviation = found.u.double().flatten(1).std(1, correction=0)
    np.testing.assert_allclose(found.deviation, deviation, rtol=8 * eps)
