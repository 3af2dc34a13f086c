"""One number: what passes, what is refused, and in which words."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from skimage_tvflow.inputs.numbers import check_number


@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), np.int8(2), np.array(2), torch.tensor(2.0), Fraction(4, 2)],
    ids=repr,
)
def test_every_kind_of_number_becomes_a_float(value):
    number = check_number(value, "sigma", 0, example=0.1)
    assert type(number) is float
    assert number == 2


@pytest.mark.parametrize("value", [2, np.int8(2), np.array(2), torch.tensor(2)], ids=repr)
def test_every_kind_of_integer_becomes_an_int(value):
    number = check_number(value, "n", 1, example=12, integer=True)
    assert type(number) is int
    assert number == 2


@pytest.mark.parametrize(
    "value", [True, np.True_, torch.tensor(True), "2", None, 2j, [2.0], np.ma.masked]
)
def test_what_is_no_number(value):
    for error in (ValueError, TypeError):
        with pytest.raises(error, match=r"^sigma must be a number, got .*\. Pass sigma=0\.1\.$"):
            check_number(value, "sigma", 0, example=0.1)
        with pytest.raises(error, match=r"^n must be an integer >= 1, got .*\. Pass n=12\.$"):
            check_number(value, "n", 1, example=12, integer=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, 10**400])
def test_not_finite_or_too_small(value):
    with pytest.raises(ValueError, match=r"^sigma must be finite and >= 0, got .*Pass sigma=0\.1"):
        check_number(value, "sigma", 0, example=0.1)


@pytest.mark.parametrize("value", [2.0, 2.5, np.float64(2)])
def test_a_float_is_no_integer(value):
    with pytest.raises(ValueError, match="n must be an integer >= 1, got"):
        check_number(value, "n", 1, example=12, integer=True)


def test_the_ends_of_the_range():
    assert check_number(0, "x", 0, 1, example=0.5) == 0
    assert check_number(1, "x", 0, 1, example=0.5) == 1
    for end in (0, 1):
        with pytest.raises(ValueError, match=r"x must be a number between 0 and 1, got"):
            check_number(end, "x", 0, 1, example=0.5, open_ends=True)
    for large in (10, 10**400):
        with pytest.raises(ValueError, match=r"n must be an integer >= 1 and <= 9, got 10"):
            check_number(large, "n", 1, 9, example=3, integer=True)
    assert check_number(10**300, "n", 1, example=3, integer=True) == 10**300


def test_a_tensor_without_data():
    with pytest.raises(TypeError, match=r"sigma must be a number, got tensor\(.*meta"):
        check_number(torch.zeros((), device="meta"), "sigma", 0, example=0.1)
