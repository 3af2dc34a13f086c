"""Momenta: as many as there are iterations, and nothing grows where the image is flat."""

import numpy as np
import pytest
import torch

from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory
from skimage_tvflow.core.momentum import Momentum


# Two iterations per step are left out: stable ones are much less accurate.
@pytest.mark.parametrize("n_iter", [1, *range(3, 26), 40])
def test_a_faint_image_fades_in_many_steps(n_iter):
    u = 1e-3 * torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, 32, 32)))
    u -= u.mean()
    largest = u.abs().max()
    trajectory = NumbaTrajectory(u, (1.0, 1.0))
    # phi stays short: no projection tames an oscillation before it is large.
    trajectory.advance(np.array([0]), [600], np.full((1, 1), 1.0), n_iter)
    assert trajectory.primal(np.array([0])).abs().max() < 2 * largest


@pytest.mark.parametrize("n_iter", range(1, 40))
def test_steps_are_positive_and_scale_with_the_bound(n_iter):
    momenta, finer = Momentum.planned(n_iter, 8.0), Momentum.planned(n_iter, 32.0)
    assert n_iter % len(momenta) == 0
    for one, other in zip(momenta, finer):
        assert (one.beta, one.gamma) == (other.beta, other.gamma)
        assert one.step == pytest.approx(4 * other.step)
        assert 0 < one.beta < 1.3
        assert one.step * 8 > 1
