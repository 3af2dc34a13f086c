"""Requested times: sorted and unique for the solver, back in the order asked."""

from fractions import Fraction

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.inputs.times import RequestedTimes, resolve_times

times = st.lists(st.floats(0, 1e12) | st.integers(0, 5), min_size=1, max_size=12)


class TestResolveTimes:
    @given(times)
    def test_order_reconstructs_what_was_requested(self, t):
        requested = resolve_times(t)
        assert [requested.increasing[i] for i in requested.order] == [float(s) for s in t]

    @given(times)
    def test_increasing_and_unique(self, t):
        requested = resolve_times(t)
        assert list(requested.increasing) == sorted({float(s) for s in t})
        assert all(type(s) is float for s in requested.increasing)
        assert all(type(i) is int for i in requested.order)
        assert not requested.scalar

    @given(times)
    def test_any_kind_of_sequence(self, t):
        expected = resolve_times(t)
        array = np.array(t, dtype=float)
        for same in (tuple(t), array, array.astype(">f8"), torch.from_numpy(array)):
            assert resolve_times(same) == expected

    @pytest.mark.parametrize(
        "t",
        [
            2,
            2.0,
            np.float32(2),
            np.int8(2),
            np.array(2),
            torch.tensor(2),
            torch.tensor(2.0, dtype=torch.bfloat16),
            np.longdouble(2),
            Fraction(4, 2),
            np.array(2, dtype=object),
        ],
        ids=repr,
    )
    def test_single_number(self, t):
        assert resolve_times(t) == RequestedTimes((2.0,), (0,), True)

    def test_one_time_in_a_list_is_not_a_scalar(self):
        assert resolve_times([2]) == RequestedTimes((2.0,), (0,), False)

    @pytest.mark.parametrize(
        "t", [range(3), [np.array(0.0), torch.tensor(1), 2], [0, 1, Fraction(2)], torch.arange(3)]
    )
    def test_other_sequences(self, t):
        assert resolve_times(t) == RequestedTimes((0.0, 1.0, 2.0), (0, 1, 2), False)

    def test_zeros_of_either_sign_are_one_time(self):
        requested = resolve_times([0.0, -0.0])
        assert requested == RequestedTimes((0.0,), (0, 0), False)
        assert str(requested.increasing[0]) == "0.0"

    def test_arrays_of_other_libraries(self):
        t = array_api_strict.asarray([0.2, 0.0])
        assert resolve_times(t) == RequestedTimes((0.0, 0.2), (1, 0), False)
        assert resolve_times(array_api_strict.asarray(0.5)) == RequestedTimes((0.5,), (0,), True)

    def test_large_integers(self):
        assert resolve_times(10**30).increasing == (1e30,)
        assert resolve_times([2**64, 0]).increasing == (0.0, 2.0**64)


class TestRefused:
    @pytest.mark.parametrize(
        ("t", "given_"),
        [(-0.5, "got -0.5"), ([1, -2, -3], "got -2.0 at position 1"), (np.int8(-1), "got -1.0")],
    )
    def test_negative(self, t, given_):
        with pytest.raises(ValueError, match=rf"t must be >= 0, {given_}\..*pass t=0\.1"):
            resolve_times(t)

    @pytest.mark.parametrize(
        ("t", "given_"),
        [
            (np.nan, "got nan"),
            (np.inf, "got inf"),
            ([0.1, -np.inf], "got -inf at position 1"),
            (torch.tensor([np.nan]), "got nan at position 0"),
            (10**400, "got inf"),
        ],
    )
    def test_not_finite(self, t, given_):
        with pytest.raises(ValueError, match=rf"t must be finite, {given_}\. Pass .*t=0\.1"):
            resolve_times(t)

    @pytest.mark.parametrize("t", [[[0.1, 0.2]], np.ones((1, 2)), torch.ones(1, 2)])
    def test_two_axes(self, t):
        message = r"1-D sequence of numbers, got an array of shape \(1, 2\)\. Pass .*numpy\.ravel"
        with pytest.raises(ValueError, match=message):
            resolve_times(t)

    @pytest.mark.parametrize("t", [[], (), np.array([]), torch.tensor([])])
    def test_empty(self, t):
        with pytest.raises(ValueError, match=r"at least one time, got an empty.*Pass a number"):
            resolve_times(t)

    @pytest.mark.parametrize(
        "t",
        [
            "0.1",
            ["0.1", 0.2],
            b"0.1",
            True,
            [True, 0.5],
            [np.True_, 0.5],
            np.array([True, 0.5], dtype=object),
            np.array([True]),
            torch.tensor(True),
            1j,
            torch.tensor(1j),
            None,
            [None, 0.1],
            [[1], [1, 2]],
            {"t": 1},
            (s for s in (0.1, 0.2)),
            np.array(["2020-01-01"], dtype="datetime64[D]"),
        ],
        ids=lambda t: type(t).__name__,
    )
    def test_no_numbers(self, t):
        with pytest.raises(TypeError, match=r"t must be a real number .*, got .*Pass a number.*t="):
            resolve_times(t)

    @pytest.mark.parametrize(
        "t",
        [
            np.ma.masked_greater([0.1, 0.2], 0.15),
            np.ma.masked,
            [0.1, np.ma.masked],
            [np.ma.masked_greater([0.1, 0.2], 0.15)[1], 0.1],
        ],
        ids=["array", "constant", "list", "list of entries"],
    )
    def test_masked(self, t):
        with pytest.raises(ValueError, match=r"t is a masked array, and no number.*e\.g\. t=0\.1"):
            resolve_times(t)

    @pytest.mark.filterwarnings("ignore::UserWarning")  # of what is deprecated or in beta
    def test_tensors_that_hold_no_plain_numbers(self):
        t = torch.tensor([0.1, 0.2])
        for given_, words in (
            (t.to("meta"), "t is a meta tensor"),
            ([0.1, t[0].to("meta")], "t is a meta tensor"),
            (t.to_sparse(), "t is a sparse tensor"),
            (torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "t is a quantized tensor"),
        ):
            with pytest.raises(TypeError, match=rf"{words}, .* Pass"):
                resolve_times(given_)

    def test_gradients_are_not_lost_without_a_word(self):
        t = torch.tensor(2.0, requires_grad=True)
        for given_ in (t, [t, 1.0]):
            with pytest.raises(ValueError, match=r"t requires grad.*Pass t\.detach\(\)"):
                resolve_times(given_)
        with torch.no_grad():
            assert resolve_times(t) == RequestedTimes((2.0,), (0,), True)

    def test_the_string_is_named(self):
        with pytest.raises(TypeError, match=r"got the string '0.1'"):
            resolve_times("0.1")
