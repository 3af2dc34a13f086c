"""Several time steps, in two and more dimensions, against solvers that are not of the package."""

import numpy as np
import pytest
from skimage import data
from skimage.restoration import denoise_tv_chambolle

from independent_solver import euler_flow
from skimage_tvflow import ChambolleTVFlow

RNG = np.random.default_rng(0)
CAMERA = data.camera()[60:252:16, 150:342:16] / 255.0
NOISE = RNG.random((12, 12))
COLOUR = RNG.random((12, 12, 3))
VOLUME = RNG.random((7, 6, 5))
FOUR_AXES = RNG.random((4, 3, 3, 3))

# Parameters of ours, and what the independent solver is told of the same.
SPACED = {"spacing": (2.0, 0.8)}
SPACED_4 = {"spacing": (1.0, 2.0, 0.7, 1.5)}
COUPLED = {"channel_axis": -1, "coupled_channels": True}
CASES = {
    "2-D": (CAMERA, 0.06, {}, {}),
    "2-D, noise": (NOISE, 0.1, {}, {}),
    "2-D, spacing": (NOISE, 0.1, SPACED, SPACED),
    "coupled channels": (COLOUR, 0.1, COUPLED, {"channels": True}),
    "coupled, spacing": (COLOUR, 0.1, {**COUPLED, **SPACED}, {"channels": True, **SPACED}),
    "3-D": (VOLUME, 0.05, {}, {}),
    "3-D, spacing": (VOLUME, 0.05, {"spacing": (1, 2, 0.7)}, {"spacing": (1, 2, 0.7)}),
    "4-D, torch": (FOUR_AXES, 0.05, {"max_num_iter": 1000}, {}),
    "4-D, spacing": (FOUR_AXES, 0.05, {"max_num_iter": 1000, **SPACED_4}, SPACED_4),
}
# A given number of iterations in every step, far more than needed; or until they agree to 1e-7.
MANY = {"tol": None, "max_num_iter": 5000}
TIGHT = {"tol": 1e-7, "max_num_iter": 10**5}
# Chambolle's iteration runs in torch and converges slowly.
PROJECTION = {"algorithm": "projection", "tol": None, "max_num_iter": 1500}

cases = pytest.mark.parametrize(
    ("image", "t", "ours", "theirs"), list(CASES.values()), ids=list(CASES)
)


def error(u, truth, image):
    """Return the RMS difference in standard deviations of the image."""
    return np.sqrt(np.mean((u - truth) ** 2)) / image.std()


def richardson(image, t, n_steps, **params):
    """Return 2 u_2N - u_N by the independent solver."""
    coarse, fine = (euler_flow(image, t, n, **params) for n in (n_steps, 2 * n_steps))
    return 2 * fine - coarse


class TestTheSolverItself:
    """By hand and by scikit-image, so that two wrongs do not make a right."""

    def test_merging_in_one_dimension(self):
        u = euler_flow(np.array([0.0, 3.0, 2.0]), 0.5, 1)
        np.testing.assert_allclose(u, [0.5, 2.25, 2.25], atol=1e-6)

    def test_a_spike(self):
        spike = np.zeros((9, 9))
        spike[4, 4] = 1
        u = euler_flow(spike, 0.2, 2)
        assert u[4, 4] - u[0, 0] == pytest.approx(1 - (2 + np.sqrt(2)) * 0.2 * 81 / 80, abs=1e-6)

    def test_spacing_divides_the_time(self):
        u = euler_flow(NOISE, 0.1, 2, spacing=(2.0, 2.0))
        np.testing.assert_allclose(u, euler_flow(NOISE, 0.05, 2), atol=1e-6)


class TestEuler:
    @cases
    @pytest.mark.parametrize("n_steps", [3, 5])
    def test_is_what_another_solver_finds(self, image, t, ours, theirs, n_steps):
        u = ChambolleTVFlow(n_steps=n_steps, order=1, **{**MANY, **ours}).transform(image, t)
        truth = euler_flow(image, t, n_steps, **theirs)
        assert image.std() > 1.1 * truth.std() > 0.1 * image.std()
        assert error(u, truth, image) < 1e-6

    @pytest.mark.parametrize(
        ("image", "t"),
        [(NOISE, 0.03), (VOLUME, 0.03), (FOUR_AXES, 0.01)],
        ids=["2-D", "3-D", "4-D"],
    )
    def test_by_projection(self, image, t):
        u = ChambolleTVFlow(n_steps=3, order=1, **PROJECTION).transform(image, t)
        assert error(u, euler_flow(image, t, 3), image) < 1e-6

    def test_in_single_precision(self):
        flow = ChambolleTVFlow(n_steps=3, order=1, **MANY)
        u = flow.transform(CAMERA.astype("f4"), 0.3)
        assert error(u, euler_flow(CAMERA, 0.3, 3), CAMERA) < 1e-5

    @pytest.mark.parametrize(("image", "t"), [(CAMERA, 0.3), (VOLUME, 0.05)], ids=["2-D", "3-D"])
    def test_with_controlled_solves(self, image, t):
        u = ChambolleTVFlow(n_steps=3, order=1, **TIGHT).transform(image, t)
        assert error(u, euler_flow(image, t, 3), image) < 1e-6

    def test_frames_on_the_way(self):
        frames = ChambolleTVFlow(n_steps=4, order=1, **MANY).transform(CAMERA, [0.04, 0.08])
        for frame, time, n_steps in zip(frames, [0.04, 0.08], [2, 4], strict=True):
            assert error(frame, euler_flow(CAMERA, time, n_steps), CAMERA) < 1e-6

    @pytest.mark.parametrize("n_steps", [3, 5])
    def test_is_a_chain_of_denoising_in_scikit_image(self, n_steps):
        t = 0.15
        truth = NOISE
        for _ in range(n_steps):
            truth = denoise_tv_chambolle(truth, t / n_steps, eps=0, max_num_iter=4000)
        u = ChambolleTVFlow(n_steps=n_steps, order=1, **TIGHT).transform(NOISE, t)
        assert error(u, truth, NOISE) < 1e-6


class TestRichardson:
    @cases
    def test_is_what_another_solver_finds(self, image, t, ours, theirs):
        u = ChambolleTVFlow(n_steps=3, order=2, **{**MANY, **ours}).transform(image, t)
        truth = richardson(image, t, 3, **theirs)
        assert error(u, truth, image) < 1e-6
        # and not what one trajectory gives
        assert error(u, euler_flow(image, t, 6, **theirs), image) > 1e-5


SMALL = {
    "camera": (CAMERA, 0.05),
    "coins": (data.coins()[40:140:8, 20:120:8] / 255.0, 0.05),
    "noise": (RNG.random((10, 12)), 0.03),
    "volume": (RNG.random((5, 6, 4)), 0.03),
}


class TestAutomaticSteps:
    """Against 400 steps, extrapolated."""

    @pytest.mark.parametrize(("image", "t"), list(SMALL.values()), ids=list(SMALL))
    @pytest.mark.parametrize("tol", [1e-2, 1e-3])
    def test_meet_the_tolerance(self, image, t, tol):
        truth = richardson(image, t, 200, gap=1e-11)
        for order in (1, 2):
            u = ChambolleTVFlow(tol=tol, order=order).transform(image, t)
            assert error(u, truth, image) <= tol


CROPS = {
    "camera": data.camera()[60:252:8, 150:342:8],
    "coat": data.camera()[204:228, 104:128],
    "coins": data.coins()[40:136:4, 20:116:4],
    "brick": data.brick()[:72:3, :72:3],
    "grass": data.grass()[:24, :24],
    "moon": data.moon()[100:196:4, 100:196:4],
}


class TestErrorEstimate:
    def test_is_the_size_of_the_error(self):
        """On every crop within a factor of 3, on all of them together nearer."""
        ratios = []
        for crop in CROPS.values():
            image, t = crop / 255.0, 0.02
            result = ChambolleTVFlow(tol=1e-2).solve(image, t)
            truth = richardson(image, t, 40, gap=1e-10)
            ratios.append(result.error_estimate[0] / np.sqrt(np.mean((result.u[0] - truth) ** 2)))
        assert 1 / 3 < min(ratios) < max(ratios) < 3, ratios
        assert 0.9 < np.exp(np.mean(np.log(ratios))) < 1.8, ratios
