"""The distance between pixels: one number per spatial axis, or a message."""

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.spacing import resolve_spacing

positive = st.floats(1e-5, 1e6)


@given(one=positive, each=st.lists(positive, min_size=1, max_size=4))
def test_scalar_and_sequence(one, each):
    n = len(each)
    assert resolve_spacing(one, n) == (one,) * n
    for convert in (list, tuple, np.array, lambda x: torch.tensor(x, dtype=torch.float64)):
        assert resolve_spacing(convert(each), n) == tuple(each)


def test_only_spatial_axes_have_a_spacing():
    axes = ImageAxes.resolve((4, 5, 3), channel_axis=-1)
    assert axes.spacing(None) == (1.0, 1.0)
    assert axes.spacing((2, 0.5)) == (2.0, 0.5)


@pytest.mark.parametrize(
    "spacing",
    [
        np.array([2, 3], dtype=np.int16),
        torch.tensor([2.0, 3.0], dtype=torch.bfloat16),
        array_api_strict.asarray([2.0, 3.0]),
        [np.float32(2), torch.tensor(3)],
    ],
    ids=["integers", "bfloat16", "another library", "list"],
)
def test_every_kind_of_numbers_becomes_floats(spacing):
    values = resolve_spacing(spacing, 2)
    assert values == (2.0, 3.0)
    assert [type(h) for h in values] == [float, float]


@pytest.mark.parametrize("spacing", [0, -1.0, np.nan, np.inf, (1.0, 0.0), [1, -2], 10**400])
def test_not_positive(spacing):
    message = r"spacing must be positive and finite, got .*Pass spacing=\(1\.0, 1\.0\)\."
    with pytest.raises(ValueError, match=message):
        resolve_spacing(spacing, 2)


def test_of_sizes_too_different():
    assert resolve_spacing((1e-11, 1), 2) == (1e-11, 1)
    for spacing in ((1e-13, 1), (1e300, 1e280), (5e-324, 1e-300)):
        with pytest.raises(
            ValueError, match=r"must not differ by more.*got .*Pass spacing=\(1\.0, "
        ):
            resolve_spacing(spacing, 2)


@pytest.mark.parametrize("spacing", [5e-324, 1e-160, 1e160, 1.7e308])
def test_of_squares_out_of_range(spacing):
    message = r"must be between 1e-100 and 1e\+100: its square .*got .*Pass spacing=\(1\.0, 1\.0\)"
    with pytest.raises(ValueError, match=message):
        resolve_spacing(spacing, 2)


@pytest.mark.parametrize("spacing", [[1.0], (1, 1, 1), [[1, 1]], []])
def test_wrong_number(spacing):
    message = r"one for each of the 2 spatial axes, got .*Pass spacing=\(1\.0, 1\.0\)\."
    with pytest.raises(ValueError, match=message):
        resolve_spacing(spacing, 2)


@pytest.mark.parametrize(
    "spacing",
    ["1.0", True, [True, 1.0], 1j, ["1", "2"], [None, 1], [[1], [1, 2]], {"x": 1}],
    ids=repr,
)
def test_no_numbers(spacing):
    with pytest.raises(TypeError, match=r"must consist of real numbers, got .*Pass spacing="):
        resolve_spacing(spacing, 2)


def test_masked():
    spacing = np.ma.masked_greater([1.0, 2.0], 1.5)
    for given_ in (spacing, [1.0, np.ma.masked]):
        with pytest.raises(ValueError, match=r"spacing is a masked array.*Pass spacing=\(1\.0"):
            resolve_spacing(given_, 2)


def test_tensors_without_numbers_or_with_gradients():
    with pytest.raises(TypeError, match="spacing is a meta tensor"):
        resolve_spacing(torch.ones(2, device="meta"), 2)
    with pytest.raises(ValueError, match=r"spacing requires grad.*Pass spacing\.detach\(\)"):
        resolve_spacing(torch.ones(2, requires_grad=True), 2)
