"""Time steps with multigrid cycles have the same solution as with iterations alone, far sooner."""

import numpy as np
import pytest
import torch
from skimage import data

from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.numba.multigrid import NumbaMultigrid
from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory
from skimage_tvflow.core.operators import divergence, magnitude, pairing, total_variation
from skimage_tvflow.core.step_control import WORK_OF_A_CYCLE

# (N, C, *spatial), the spacing, and the length of the step
PROBLEMS = {
    "1-D": ((1, 1, 64), (1.0,), 3.0),
    "1-D, odd": ((2, 1, 45), (2.0,), 3.0),
    "2-D": ((1, 1, 32, 48), (1.0, 1.0), 2.0),
    "2-D, odd": ((2, 1, 37, 51), (1.0, 1.0), 2.0),
    "2-D, full vectors": ((1, 1, 17, 64), (1.0, 1.0), 1.0),
    "2-D, anisotropic": ((1, 1, 40, 33), (1.0, 3.0), 1.0),
    "2-D, coupled": ((1, 3, 33, 35), (1.0, 1.0), 1.0),
    "one row": ((1, 1, 1, 61), (1.0, 1.0), 3.0),
    "3-D": ((1, 1, 17, 18, 20), (1.0, 1.0, 1.0), 1.0),
    "3-D, anisotropic": ((1, 1, 9, 17, 20), (3.0, 1.0, 1.0), 1.0),
    "3-D, coupled, odd": ((1, 2, 17, 19, 16), (1.0, 1.0, 2.0), 1.0),
    "too small for a coarse grid": ((1, 1, 2, 3), (1.0, 1.0), 1.0),
}
problems = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


def image_of(shape, dtype=torch.float64):
    """Noise and a ramp, so that there is something to move on every grid."""
    rng = np.random.default_rng(0)
    ramp = sum(np.linspace(-1, 1, n).reshape([-1 if i == k else 1 for i in range(len(shape) - 2)])
               for k, n in enumerate(shape[2:]))  # fmt: skip
    u = rng.standard_normal(shape) + 2 * ramp
    u = u - u.mean(tuple(range(2, len(shape))), keepdims=True)
    return torch.from_numpy(u).to(dtype)


def step(u, spacing, length, n_iter, n_cycles=0, n_steps=1):
    trajectory, items = NumbaTrajectory(u, spacing), np.arange(len(u))
    trajectory.advance(items, [n_steps], np.full((1, len(u)), length), n_iter, n_cycles=n_cycles)
    return trajectory


def max_error(u, spacing, length, n_iter, n_cycles):
    """An upper bound of the RMS error of every item, of which the largest is returned."""
    trajectory, items = step(u, spacing, length, n_iter, n_cycles), np.arange(len(u))
    v, dual = trajectory.primal(items), trajectory.dual(items)
    gap = total_variation(v, spacing) - pairing(v, lambda slab: dual[:, :, :, slab], spacing)
    return (2 * length * gap.clamp(min=0) / u[0].numel()).sqrt().max().item()


def solution(u, spacing, length, n_iter, n_cycles=0):
    return step(u, spacing, length, n_iter, n_cycles).primal(np.arange(len(u)))


class TestASingleStep:
    @problems
    def test_is_solved_as_its_duality_gap_says(self, problem):
        """The gap, of plain torch, bounds the distance from the solution."""
        shape, spacing, length = problem
        u = image_of(shape)
        assert max_error(u, spacing, length, 1200, 40) <= 2e-3

    def test_has_the_solution_of_many_iterations(self):
        shape, spacing, length = PROBLEMS["3-D, coupled, odd"]
        u = image_of(shape)
        truth = solution(u, spacing, length, 10_000)
        found = solution(u, spacing, length, 640, 40)
        torch.testing.assert_close(found, truth, rtol=0, atol=1e-5)

    @problems
    def test_in_float32(self, problem):
        shape, spacing, length = problem
        u = image_of(shape)
        found = solution(u.float(), spacing, length, 160, 10)
        assert found.dtype == torch.float32
        truth = solution(u, spacing, length, 160, 10)
        torch.testing.assert_close(found.double(), truth, rtol=0, atol=5e-3)

    @problems
    def test_is_admissible_and_keeps_the_mean(self, problem):
        shape, spacing, length = problem
        u = image_of(shape)
        trajectory, items = step(u, spacing, length, 32, 2), np.arange(len(u))
        dual = trajectory.dual(items)
        assert magnitude(dual).max() <= 1 + 1e-12
        after = u + length * divergence(dual, spacing)
        torch.testing.assert_close(trajectory.primal(items), after, rtol=0, atol=1e-11)
        spatial = tuple(range(2, u.ndim))
        assert trajectory.primal(items).mean(spatial).abs().max() <= 1e-13

    def test_items_do_not_see_each_other(self):
        u = image_of((3, 1, 33, 40))
        together = solution(u, (1.0, 1.0), 2.0, 48, 3)
        for i in range(3):
            alone = solution(u[i : i + 1], (1.0, 1.0), 2.0, 48, 3)
            torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-13)


def energy(f, phi, spacing):
    return ((f + divergence(phi, spacing)) ** 2).sum().item()


@problems
def test_a_cycle_never_raises_the_dual_energy(problem):
    shape, spacing, length = problem
    u = image_of(shape)[:1]
    trajectory, first = NumbaTrajectory(u, spacing), np.arange(1)
    f, multigrid = u / length, NumbaMultigrid(trajectory._storage)
    block = trajectory._blocks[0]
    trajectory.advance(first, [1], np.full((1, 1), length), 6)
    trajectory.reset_primal(first, u)
    before = energy(f, trajectory.dual(first), spacing)
    falls = []
    for _ in range(8):
        multigrid.cycle(block.f[0], block.phi[0], int(trajectory._newest[0]))
        after = energy(f, trajectory.dual(first), spacing)
        falls.append(before - after)
        before = after
    assert min(falls) >= -1e-12 * after


class TestLateTimes:
    """There a step is long, and iterations bring news only from pixel to pixel."""

    @pytest.mark.parametrize("length", [1.0, 5.0])
    def test_cycles_are_far_more_accurate_than_iterations_of_the_same_work(self, length):
        u = torch.from_numpy(data.camera()[None, None, ::4, ::4] / 255.0)
        u = u - u.mean()
        u = solution(u, (1.0, 1.0), 2 * length, 2000)
        truth = solution(u, (1.0, 1.0), length, 6000, 300)
        cycles = solution(u, (1.0, 1.0), length, 64, 4)
        iterations = solution(u, (1.0, 1.0), length, 64 + 4 * WORK_OF_A_CYCLE)
        assert (cycles - truth).norm() <= 0.2 * (iterations - truth).norm()


class TestAdvance:
    def test_spreads_the_cycles_over_the_iterations(self):
        """Three steps in one call are three calls; an interval is reported to its end."""
        u, heard = image_of((1, 1, 33, 36)), []
        once = step(u, (1.0, 1.0), 1.0, 24, 2, n_steps=3)
        often = NumbaTrajectory(u, (1.0, 1.0))
        for _ in range(3):
            often.advance(np.arange(1), [1], np.ones((1, 1)), 24, report=heard.append, n_cycles=2)
        first = np.arange(1)
        torch.testing.assert_close(once.primal(first), often.primal(first), rtol=0, atol=1e-12)
        assert heard[-1] == 1.0
        assert heard[1] == 0.5 or 0.5 in heard

    def test_frames(self):
        u = image_of((2, 1, 33, 36))
        out = torch.empty((2, 2, 1, 33, 36), dtype=u.dtype)
        frames = backends.FrameBuffer(out, np.array([2.0, 0.5]), u.new_tensor([[1.0], [3.0]]))
        trajectory, items = NumbaTrajectory(u, (1.0, 1.0)), np.arange(2)
        trajectory.advance(items, [1, 2], np.ones((2, 2)), 16, frames, n_cycles=1)
        expected = trajectory.primal(items) * u.new_tensor([2.0, 0.5]).reshape(2, 1, 1, 1)
        expected = expected + u.new_tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
        torch.testing.assert_close(out[:, 1], expected)

    def test_threads_do_not_change_the_result(self):
        u, threads = image_of((1, 1, 640, 640)), torch.get_num_threads()
        found = []
        try:
            for n in (1, 2):
                torch.set_num_threads(n)
                found.append(solution(u, (1.0, 1.0), 1.0, 32, 2))
        finally:
            torch.set_num_threads(threads)
        torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-12)
