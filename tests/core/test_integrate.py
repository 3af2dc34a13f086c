"""What the driver adds to every method: the rounding of the result."""

import warnings

import numpy as np
import pytest
import skimage
from sklearn.exceptions import ConvergenceWarning

from skimage_tvflow import ChambolleTVFlow, JointSpaceTimeTVFlow, spectral_decompose

FAINT = 0.01 * skimage.data.camera()[100:132, 200:232] / 255
METHODS = pytest.mark.parametrize("flow", [ChambolleTVFlow(), JointSpaceTimeTVFlow()])


def rms(u):
    return float(np.sqrt(np.mean(np.square(u))))


@METHODS
def test_an_offset_that_hides_the_contrast_is_told(flow):
    image = (4096 + FAINT).astype(np.float32)
    allowed = flow.tol * image.astype(np.float64).std()
    with pytest.warns(ConvergenceWarning, match="Pass a float64 image, or subtract the mean"):
        result = flow.solve(image, 0.001)
    assert not result.converged
    centred = image.astype(np.float64) - image.mean(dtype=np.float64)
    exact = image.mean(dtype=np.float64) + ChambolleTVFlow(tol=1e-5).transform(centred, 0.001)
    error = rms(result.u[0] - exact)
    assert error > 20 * allowed
    assert error <= 1.2 * result.error_estimate[0] <= 2 * error


@METHODS
@pytest.mark.parametrize("centred", [False, True])
def test_what_the_warning_says_helps(flow, centred):
    image = 4096 + FAINT
    image = (image - image.mean()).astype(np.float32) if centred else image
    result = flow.solve(image, 0.001)
    assert result.converged
    assert result.error_estimate[0] <= flow.tol * image.std()


def test_only_the_items_with_an_offset_miss_the_tolerance():
    stack = np.stack([FAINT, 4096 + FAINT, np.full_like(FAINT, 4096)]).astype(np.float32)
    with pytest.warns(ConvergenceWarning, match="1 of 3 .* The offset of the image hides"):
        result = ChambolleTVFlow(batch_axis=0).solve(stack, [0.0005, 0.001])
    np.testing.assert_array_equal(result.converged, [True, False, True])


def test_given_steps_are_held_to_the_tolerance_of_their_solves():
    image = FAINT.astype(np.float32)
    # The error of two steps is larger than tol, but that is not what tol says with n_steps.
    result = ChambolleTVFlow(n_steps=2, order=2).solve(image, 0.005)
    assert result.error_estimate[0] > 1e-3 * image.std()
    assert result.converged


def test_a_decomposition_tells_it_too():
    with pytest.warns(ConvergenceWarning, match="offset"):
        spectral_decompose((4096 + FAINT).astype(np.float32), [0.001, 0.002])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spectral_decompose(4096 + FAINT, [0.001, 0.002])
