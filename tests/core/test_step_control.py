"""The work model: its formulas agree with each other."""

import numpy as np
import pytest

from skimage_tvflow.core import step_control


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("step", [0.05, 0.5, 5.0])
def test_a_shorter_step_gets_the_iterations_of_its_length(step, share):
    whole, part = (
        step_control.iterations_for(np.array(s), 1e-4, "accelerated") for s in (step, share * step)
    )
    shorter = step_control.iterations_in_shorter_step(whole, np.array(share))
    assert shorter == pytest.approx(part, rel=0.2)


def test_an_interval_gets_its_share_of_the_steps():
    counts = step_control.steps_in_intervals(10, np.array([0.1, 0.4, 0.5, 1e-9]), 1.0)
    np.testing.assert_array_equal(counts, [1, 4, 5, 1])


def test_numbers_of_iterations_are_even_and_in_range():
    numbers = step_control.even(np.array([0.1, 2.1, 7.0, 1e9]), 100)
    np.testing.assert_array_equal(numbers, [2, 4, 8, 100])
    assert step_control.even(np.array([5.0]), 1) == 1


def test_the_allowed_error_grows_to_the_tolerance():
    share = step_control.allowed_share(np.array([1e-9, 0.1, 1.0, 5.0]), np.ones(4))
    assert (np.diff(share) >= 0).all()
    assert 0 < share[0] < share[1] < share[2] == share[3] == 1
