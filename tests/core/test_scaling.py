"""Images in units of their own: compiled as in plain torch, and back without a rounding error."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.core.backends.numba import scaling as numba_scaling
from skimage_tvflow.core.backends.torch.scaling import centre_and_scale

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
    request = centre_and_scale(image)
    # The means may be rounded to either side.
    near = 4 * torch.finfo(dtype).eps * (abs(offset) + size)
    np.testing.assert_allclose(found.mean, request.mean, rtol=0, atol=near)
    np.testing.assert_array_equal(found.scale, request.scale)
    off = (found.u - request.u).flatten(1).abs().amax(1).double().numpy()
    near = near / found.scale + 4 * torch.finfo(dtype).eps
    assert (off <= near).all()
    assert (np.abs(found.deviation - request.deviation) <= near).all()


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
