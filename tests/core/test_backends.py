"""Numba and plain torch compute the same trajectories, whatever the shape and the threads."""

import itertools
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow.core import operators
from skimage_tvflow.core.backends import select as backends
from skimage_tvflow.core.backends.numba import row_blocks
from skimage_tvflow.core.backends.numba import sweep as numba_sweep
from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory
from skimage_tvflow.core.backends.torch.sweep import TorchTrajectory
from skimage_tvflow.core.momentum import Momentum

# Rounding errors grow with the number of iterations; values are of size 1.
TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-11}

# (N, C, *spatial) and the spacing
PROBLEMS = {
    "1-D": ((1, 1, 23), (1.0,)),
    "1-D batch": ((3, 1, 40), (2.0,)),
    "1-D coupled": ((2, 3, 17), (0.5,)),
    "2-D square": ((1, 1, 16, 16), (1.0, 1.0)),
    "2-D upright": ((1, 1, 21, 6), (1.0, 1.0)),
    "2-D wide": ((2, 1, 7, 45), (1.0, 1.0)),
    "2-D wide, full vectors": ((1, 1, 5, 64), (1.0, 1.0)),
    "2-D anisotropic": ((1, 1, 12, 13), (1.0, 3.0)),
    "2-D coupled, anisotropic": ((2, 3, 9, 34), (2.5, 1.0)),
    "3-D": ((1, 1, 6, 7, 8), (1.0, 1.0, 1.0)),
    "3-D batch, anisotropic": ((2, 1, 4, 9, 33), (4.0, 1.0, 1.0)),
    "3-D coupled": ((1, 2, 5, 4, 6), (1.0, 2.0, 1.0)),
    "one row": ((1, 1, 1, 37), (5.0, 1.0)),
    "one column": ((1, 2, 37, 1), (1.0, 5.0)),
    "one plane": ((1, 1, 1, 8, 9), (0.1, 1.0, 1.0)),
    "a line in a volume": ((2, 1, 1, 19, 1), (0.1, 1.0, 7.0)),
    "one pixel": ((2, 1, 1, 1), (1.0, 1.0)),
    "one pixel, coupled": ((1, 3, 1), (1.0,)),
    "two pixels": ((1, 1, 2), (1.0,)),
}
problems = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


def random_image(shape, dtype, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values).to(dtype)


def everyone(u):
    return np.arange(len(u))


def both(u, spacing):
    return NumbaTrajectory(u, spacing), TorchTrajectory(u, spacing)


def as_they_are(out):
    n, _, channels = out.shape[:3]
    return backends.FrameBuffer(out, np.ones(n), out.new_zeros((n, channels)))


def intervals(n_items, *lengths):
    """Lengths of steps of shape (M, n), a little different for every item."""
    return np.array(lengths)[:, None] * (1 + 0.25 * np.arange(n_items))


def assert_same_state(one, other, items, dtype):
    tol = TOLERANCE[dtype]
    for state in ("primal", "dual"):
        a, b = getattr(one, state)(items), getattr(other, state)(items)
        assert a.dtype == b.dtype == dtype
        torch.testing.assert_close(a, b.cpu(), rtol=0, atol=tol)


class TestNumbaAgreesWithTorch:
    @problems
    @pytest.mark.parametrize("n_iter", [1, 2, 7], ids="k={}".format)
    def test_through_intervals_of_different_steps(self, problem, n_iter, dtype):
        shape, spacing = problem
        dtype = getattr(torch, dtype)
        u = random_image(shape, dtype)
        items, lengths = everyone(u), intervals(shape[0], 0.05, 0.3, 0.02)
        frames = [u.new_full((shape[0], 3, *shape[1:]), np.nan) for _ in range(2)]
        trajectories = both(u, spacing)
        for trajectory, out in zip(trajectories, frames):
            trajectory.advance(items, [3, 1, 4], lengths, n_iter, as_they_are(out))
        torch.testing.assert_close(*frames, rtol=0, atol=TOLERANCE[dtype])
        assert_same_state(*trajectories, items, dtype)
        for trajectory, out in zip(trajectories, frames):
            torch.testing.assert_close(trajectory.primal(items), out[:, -1])

    @problems
    def test_float32_and_float64_agree_to_the_rounding_of_float32(self, problem):
        shape, spacing = problem
        u = random_image(shape, torch.float64)
        items, lengths = everyone(u), intervals(shape[0], 0.2)
        narrow, wide = NumbaTrajectory(u.float(), spacing), NumbaTrajectory(u, spacing)
        narrow.advance(items, [5], lengths, 6)
        wide.advance(items, [5], lengths, 6)
        for state in ("primal", "dual"):
            torch.testing.assert_close(
                getattr(narrow, state)(items).double(), getattr(wide, state)(items),
                rtol=0, atol=TOLERANCE[torch.float32],
            )  # fmt: skip

    @settings(max_examples=60)
    @given(
        sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3),
        lead=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        spacing=st.lists(st.floats(0.2, 5), min_size=3, max_size=3),
        plan=st.lists(st.tuples(st.integers(1, 3), st.floats(0.01, 5)), min_size=1, max_size=3),
        n_iter=st.integers(1, 9),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_on_any_problem(self, sizes, lead, spacing, plan, n_iter, seed):
        u = random_image((*lead, *sizes), torch.float64, seed)
        n_steps, lengths = zip(*plan)
        items, trajectories = everyone(u), both(u, spacing[: len(sizes)])
        for trajectory in trajectories:
            trajectory.advance(items, n_steps, intervals(len(u), *lengths), n_iter)
        assert_same_state(*trajectories, items, torch.float64)

    @problems
    def test_momentum_lives_on_across_calls(self, problem, dtype):
        shape, spacing = problem
        dtype = getattr(torch, dtype)
        u = random_image(shape, dtype)
        items, trajectories = everyone(u), both(u, spacing)
        # Odd and even numbers of iterations leave the newest dual in either buffer.
        for n_steps, length, n_iter in [
            (1, 0.1, 3),
            (2, 0.1, 1),
            (1, 0.1, 1),
            (1, 0.2, 1),
            (1, 0.7, 2),
            (3, 0.2, 5),
        ]:
            for trajectory in trajectories:
                trajectory.advance(items, [n_steps], intervals(len(u), length), n_iter)
            assert_same_state(*trajectories, items, dtype)

    def test_one_call_or_several_give_the_same(self):
        u = random_image((2, 1, 9, 11), torch.float64)
        items, lengths = everyone(u), intervals(2, 0.05, 0.3)
        for kind in (NumbaTrajectory, TorchTrajectory):
            once, twice = kind(u, (1, 1)), kind(u, (1, 1))
            once.advance(items, [3, 2], lengths, 3)
            for n_steps, length in zip((3, 2), lengths):
                twice.advance(items, [n_steps], length[None], 3)
            assert_same_state(once, twice, items, torch.float64)

    @problems
    def test_reset_primal_keeps_the_dual_and_its_momentum(self, problem, dtype):
        shape, spacing = problem
        dtype = getattr(torch, dtype)
        u, other = random_image(shape, dtype), random_image(shape, dtype, seed=1)
        items, trajectories = everyone(u), both(u, spacing)
        for trajectory in trajectories:
            trajectory.advance(items, [2], intervals(len(u), 0.1), 3)
            before = trajectory.dual(items).clone()
            trajectory.reset_primal(items, other)
            torch.testing.assert_close(trajectory.primal(items), other)
            assert torch.equal(trajectory.dual(items), before)
            trajectory.advance(items, [2], intervals(len(u), 0.4), 3)
        assert_same_state(*trajectories, items, dtype)

    def test_items_advance_alone(self, dtype):
        dtype = getattr(torch, dtype)
        u, fresh = random_image((4, 2, 8, 9), dtype), random_image((2, 2, 8, 9), dtype, seed=1)
        trajectories = both(u, (1.0, 2.0))
        some, others = np.array([3, 1]), np.array([0, 2])
        for trajectory in trajectories:
            trajectory.advance(everyone(u), [1], intervals(4, 0.1), 2)
            kept = trajectory.primal(others).clone(), trajectory.dual(others).clone()
            trajectory.advance(some, [2], np.array([[0.3, 0.2]]), 3)
            trajectory.reset_primal(some, fresh)
            trajectory.advance(some, [1], np.array([[0.3, 0.2]]), 2)
            torch.testing.assert_close(trajectory.primal(others), kept[0])
            torch.testing.assert_close(trajectory.dual(others), kept[1])
        assert_same_state(*trajectories, everyone(u), dtype)

    def test_items_of_a_batch_are_what_they_are_alone(self):
        u = random_image((3, 1, 9, 40), torch.float32)
        lengths = intervals(3, 0.1, 0.5)
        together = NumbaTrajectory(u, (1, 1))
        together.advance(everyone(u), [2, 3], lengths, 4)
        for i in range(3):
            alone = NumbaTrajectory(u[i : i + 1], (1, 1))
            alone.advance(np.array([0]), [2, 3], lengths[:, i : i + 1], 4)
            item = np.array([i])
            assert torch.equal(together.primal(item), alone.primal(np.array([0])))
            assert torch.equal(together.dual(item), alone.dual(np.array([0])))

    def test_on_the_device(self, device, dtype):
        dtype = getattr(torch, dtype)
        u = random_image((2, 2, 10, 12), dtype)
        items, lengths = everyone(u), intervals(2, 0.1, 0.5)
        here, there = NumbaTrajectory(u, (1, 2)), TorchTrajectory(u.to(device), (1, 2))
        for trajectory in (here, there):
            trajectory.advance(items, [2, 3], lengths, 4)
        assert_same_state(here, there, items, dtype)


class TestDual:
    @problems
    def test_is_admissible_and_has_zero_last_entries(self, problem):
        shape, spacing = problem
        u = random_image(shape, torch.float64)
        for trajectory in both(u, spacing):
            trajectory.advance(everyone(u), [3], intervals(len(u), 0.5), 3)
            phi = trajectory.dual(everyone(u))
            assert phi.shape == (*shape[:2], len(spacing), *shape[2:])
            assert operators.magnitude(phi).max() <= 1 + 1e-12
            for axis in range(len(spacing)):
                assert not phi.select(2, axis).select(2 + axis, -1).any()

    @problems
    def test_of_a_slab_is_that_part_of_it(self, problem):
        shape, spacing = problem
        u = random_image(shape, torch.float64)
        for trajectory in both(u, spacing):
            trajectory.advance(everyone(u), [3], intervals(len(u), 0.5), 3)
            phi = trajectory.dual(everyone(u))
            for begin, end in itertools.combinations(range(shape[2] + 1), 2):
                slab = trajectory.dual(everyone(u), slice(begin, end))
                assert torch.equal(slab, phi[:, :, :, begin:end])

    @problems
    def test_moves_the_image(self, problem):
        shape, spacing = problem
        u = random_image(shape, torch.float64)
        length = intervals(len(u), 0.3)
        for trajectory in both(u, spacing):
            trajectory.advance(everyone(u), [1], length, 5)
            phi = trajectory.dual(everyone(u))
            column = torch.from_numpy(length[0]).reshape(-1, *[1] * (u.ndim - 1))
            expected = u + column * operators.divergence(phi, spacing)
            torch.testing.assert_close(trajectory.primal(everyone(u)), expected)

    def test_long_solves_meet_the_optimality_conditions(self):
        u = random_image((1, 2, 9, 7), torch.float64)
        for trajectory in both(u, (1.0, 1.5)):
            trajectory.advance(np.array([0]), [1], np.array([[0.4]]), 4000)
            v, phi = (getattr(trajectory, state)(np.array([0])) for state in ("primal", "dual"))
            variation = operators.total_variation(v, (1.0, 1.5))
            pairing = -operators.inner(v, operators.divergence(phi, (1.0, 1.5)))
            assert abs(variation - pairing).item() <= 1e-6 * variation.item()


class TestWavefront:
    @pytest.mark.parametrize(
        "problem",
        [((1, 1, 31, 40), (1, 2)), ((2, 3, 12, 10), (1, 1)), ((1, 1, 90, 3), (1, 1)),
         ((1, 1, 12, 6, 11), (2, 1, 1)), ((1, 2, 40, 2, 4), (1, 1, 1))],
        ids=str,
    )  # fmt: skip
    def test_depth_does_not_change_a_bit(self, problem, dtype, monkeypatch):
        shape, spacing = problem
        u = random_image(shape, getattr(torch, dtype))
        results, depths = [], []
        for cache in (0, 2**11, 2**12, 2**13, 2**14, 2**15, 2**30):
            monkeypatch.setattr(numba_sweep, "_CACHE_BYTES", cache)
            trajectory = NumbaTrajectory(u, spacing)
            frames = u.new_empty((shape[0], 2, *shape[1:]))
            trajectory.advance(
                everyone(u), [3, 2], intervals(shape[0], 0.2, 0.1), 3, as_they_are(frames)
            )
            results.append((frames, trajectory.primal(everyone(u)), trajectory.dual(everyone(u))))
            depths.append(numba_sweep._depth(trajectory._storage))
        assert depths[0] == 1
        assert max(depths) > 1
        for result in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(result, results[0]))


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


class TestThreads:
    def test_their_number_does_not_change_a_bit(self, threads, dtype):
        u = random_image((5, 1, 30, 40), getattr(torch, dtype))
        results = []
        for n_threads in (1, 2, 3, 16):
            threads(n_threads)
            trajectory = NumbaTrajectory(u, (1, 1))
            trajectory.advance(everyone(u), [4], intervals(5, 0.1), 6)
            results.append(trajectory.primal(everyone(u)))
        assert all(torch.equal(result, results[0]) for result in results)

    @pytest.mark.parametrize(
        "shape", [(1, 1, 130, 40), (1, 2, 200, 9), (2, 1, 130, 3, 5), (1, 1, 301, 3)], ids=str
    )
    @pytest.mark.parametrize("n_iter", [1, 3, 40])
    def test_blocks_of_one_image_do_not_change_a_bit(
        self, threads, dtype, shape, n_iter, monkeypatch
    ):
        monkeypatch.setattr(row_blocks, "_LEAST_PIXELS", 0)
        u = random_image(shape, getattr(torch, dtype))
        items, n_blocks, results = everyone(u), [], []
        for n_threads in (1, 2, 4, 6):
            threads(n_threads)
            trajectory = NumbaTrajectory(u, (1.0, 2.0, 1.0)[: len(shape) - 2])
            frames = u.new_full((shape[0], 3, *shape[1:]), np.nan)
            for lengths, target in ((0.2, 0.1, 0.1), None), ((0.3, 0.1, 0.4), as_they_are(frames)):
                steps = intervals(shape[0], *lengths)
                trajectory.advance(items, [2, 1, 3], steps, n_iter, target)
                trajectory.reset_primal(items, trajectory.primal(items) + 1)
            n_blocks.append(len(trajectory._blocks))
            slabs = [trajectory.dual(items, slice(b, b + 5)) for b in range(0, shape[2], 5)]
            results.append((frames, trajectory.primal(items), trajectory.dual(items)))
            assert torch.equal(torch.cat(slabs, 3), results[-1][2])
        assert n_blocks[0] == 1
        assert n_blocks[2] > 1
        for result in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(result, results[0]))

    def test_one_thread_runs_in_the_thread_that_called(self, threads, monkeypatch):
        used = []
        monkeypatch.setattr(
            numba_sweep, "run_all", lambda tasks, n_threads, *rest: used.append(n_threads)
        )
        u = random_image((2, 1, 8), torch.float32)
        for n_threads in (1, 3):
            threads(n_threads)
            NumbaTrajectory(u, (1,)).advance(everyone(u), [1], intervals(2, 0.1), 2)
        assert used == [1, 3]


class Stop(Exception):
    pass


@pytest.mark.parametrize("kind", [NumbaTrajectory, TorchTrajectory])
class TestReport:
    def test_is_a_growing_fraction(self, kind):
        u = random_image((2, 1, 64, 64), torch.float32)
        heard = []
        trajectory = kind(u, (1, 1))
        n_iter = 10
        while len(heard) < 4:
            heard.clear()
            n_iter *= 4
            trajectory.advance(everyone(u), [5], intervals(2, 0.1), n_iter, report=heard.append)
        assert heard == sorted(heard)
        assert heard[0] >= 0
        assert heard[-1] <= 1

    def test_what_it_raises_stops_the_steps_at_once(self, kind):
        u = random_image((4, 1, 96, 96), torch.float32)
        calls = itertools.count()

        def report(fraction):
            if next(calls) == 1:
                raise Stop

        trajectory = kind(u, (1, 1))
        trajectory.advance(everyone(u), [1], intervals(4, 0.1), 1)  # compiles
        start = time.process_time()
        with pytest.raises(Stop):  # an hour of work
            trajectory.advance(everyone(u), [1000], intervals(4, 0.1), 10**5, report=report)
        assert time.process_time() - start < 30
        assert next(calls) == 2

    def test_does_not_change_the_result(self, kind):
        u = random_image((2, 1, 12, 9), torch.float64)
        results = []
        for report in (None, lambda fraction: None):
            trajectory = kind(u, (1, 1))
            trajectory.advance(everyone(u), [3], intervals(2, 0.1), 4, report=report)
            results.append(trajectory.primal(everyone(u)))
        assert torch.equal(*results)


class TestIterationsByHand:
    """On the image (0, 0.1) over a step of 1: f = u, Df = 0.1, L = 4."""

    def phi(self, algorithm, n_iter):
        u = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
        trajectory = TorchTrajectory(0.1 * u, (1.0,), algorithm)
        trajectory.advance(np.array([0]), [1], np.array([[1.0]]), n_iter)
        return trajectory.dual(np.array([0])).flatten().tolist()

    def test_projection(self):
        # tau = 2 / L = 1/2; the first ascent is tau Df = .05, the second tau (Df - 2 phi).
        first = 0.05 / 1.05
        second = 0.5 * (0.1 - 2 * first)
        assert self.phi("projection", 1) == pytest.approx([first, 0])
        assert self.phi("projection", 2) == pytest.approx([(first + second) / (1 + second), 0])

    def test_accelerated(self):
        a, b = Momentum.planned(2, 4.0)
        first = a.step * 0.1
        ahead = first + b.gamma * first
        second = first + b.beta * first + b.step * (0.1 - 2 * ahead)
        assert self.phi("accelerated", 2) == pytest.approx([second, 0])


class TestChoice:
    @pytest.mark.parametrize("sizes", [(5,), (5, 6), (4, 5, 6), (1, 4, 1, 5, 6)])
    def test_numba_takes_up_to_three_axes_of_more_than_one_pixel(self, sizes):
        u = random_image((1, 1, *sizes), torch.float32)
        spacing = (1.0,) * len(sizes)
        assert isinstance(backends.start(u, spacing, "accelerated"), NumbaTrajectory)
        assert isinstance(backends.start(u, spacing, "projection"), TorchTrajectory)

    def test_torch_takes_four_axes_and_agrees_with_numba_on_three_of_them(self, threads):
        threads(1)  # small tensors: threads would only wait for each other
        volume = random_image((1, 1, 4, 3, 5), torch.float64)
        u = volume[:, :, None].expand(1, 1, 3, 4, 3, 5).contiguous()
        four = backends.start(u, (10.0, 1, 1, 1), "accelerated")
        assert isinstance(four, TorchTrajectory)
        three = backends.start(volume, (1.0, 1, 1), "accelerated")
        item = np.array([0])
        # Constant along the first axis, so the flow is too; many iterations, as their step differs.
        for trajectory in (three, four):
            trajectory.advance(item, [3], np.array([[0.2]]), 2000)
        for copy in four.primal(item).unbind(2):
            torch.testing.assert_close(copy, three.primal(item), rtol=0, atol=1e-4)

    @pytest.mark.parametrize("sizes", [(30,), (9, 8), (4, 5, 6), (2, 3, 3, 4)])
    def test_projection_and_accelerated_iteration_have_the_same_limit(self, threads, sizes):
        threads(1)
        u = random_image((1, 1, *sizes), torch.float64)
        results = []
        for algorithm, n_iter in [("accelerated", 2000), ("projection", 8000)]:
            trajectory = backends.start(u, (1.0,) * len(sizes), algorithm)
            trajectory.advance(np.array([0]), [1], np.array([[0.2]]), n_iter)
            results.append(trajectory.primal(np.array([0])))
        torch.testing.assert_close(*results, rtol=0, atol=1e-3)
