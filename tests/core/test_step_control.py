"""The work model: its formulas agree with each other."""

import numpy as np
import pytest

from skimage_tvflow.core import step_control


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_the_steps_grow_with_time_and_accuracy(tol):
    times = np.array([0.1, 1.0, 10.0])
    steps = step_control.steps_for(times, tol)
    assert (np.diff(steps) > 0).all()
    assert (step_control.steps_for(times, tol / 10) > 4 * steps).all()
    whole = step_control.cycled_steps_for(np.array(4.0), tol)
    half = step_control.cycled_steps_for(np.array(2.0), tol)
    assert whole == pytest.approx(2 * half)


def test_long_steps_have_more_iterations_on_large_images_and_for_tight_tolerances():
    usual = step_control.cycled_iterations(512, 1e-3)
    assert step_control.cycled_iterations(64, 1e-3) == usual
    assert step_control.cycled_iterations(2048, 1e-3) == 2 * usual
    assert step_control.cycled_iterations(512, 1e-4) > 1.5 * usual
    assert step_control.cycled_iterations(512, 1e-2) == usual


def test_an_attempt_is_changed_towards_its_aim():
    aim = np.array([step_control.AIM])
    assert step_control.change_of_effort(aim, np.array([True])) == pytest.approx(1)
    assert step_control.change_of_effort(aim / 2, np.array([True])) < 1
    assert step_control.change_of_effort(2 * aim, np.array([False])) > 1


def test_an_interval_gets_its_share_of_the_steps():
    counts = step_control.steps_in_intervals(10, np.array([0.1, 0.4, 0.5, 1e-9]), 1.0)
    np.testing.assert_array_equal(counts, [1, 4, 5, 1])


class TestStepsByTime:
    def test_early_steps_are_equal_and_late_ones_grow(self):
        time = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
        counts = step_control.steps_by_time(np.array([12, 12]), time, np.array([0, 1]))
        np.testing.assert_array_equal(counts, [[4, 6], [8, 6]])

    def test_early_ones_may_begin_at_zero(self):
        time = np.array([[0.0], [0.5], [2.0]])
        counts = step_control.steps_by_time(np.array([8]), time, np.array([0]))
        np.testing.assert_array_equal(counts, [[2], [6]])

    def test_one_step_at_least_where_time_passes_and_none_where_it_stands(self):
        time = np.array([[0.0], [0.0], [0.01], [0.02], [1.0], [1.0]])
        counts = step_control.steps_by_time(np.array([10]), time, np.array([0]))
        np.testing.assert_array_equal(counts, [[0], [1], [1], [8], [0]])

    def test_items_do_not_know_each_other(self):
        rng = np.random.default_rng(0)
        time, steps = np.cumsum(rng.random((6, 5)), 0), rng.integers(1, 40, 5)
        late = np.array([0, 1, 0, 1, 1])
        together = step_control.steps_by_time(steps, time, late)
        for i in range(5):
            alone = step_control.steps_by_time(
                steps[i : i + 1], time[:, i : i + 1], late[i : i + 1]
            )
            np.testing.assert_array_equal(alone[:, 0], together[:, i])
            assert together[:, i].sum() == max(steps[i], 5)


def test_numbers_of_iterations_are_even_and_in_range():
    numbers = step_control.even(np.array([0.1, 2.1, 7.0, 1e9]), 100)
    np.testing.assert_array_equal(numbers, [2, 4, 8, 100])
    assert step_control.even(np.array([5.0]), 1) == 1


def test_the_allowed_error_grows_to_the_tolerance():
    share = step_control.allowed_share(np.array([1e-9, 0.1, 1.0, 5.0]), np.ones(4))
    assert (np.diff(share) >= 0).all()
    assert 0 < share[0] < share[1] < share[2] == share[3] == 1
