"""The reference of the multigrid cycle: its operators are adjoint, and numba does the same."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow.core.backends.coarse_grids import grids_of
from skimage_tvflow.core.backends.numba.sweep import NumbaTrajectory
from skimage_tvflow.core.backends.torch.multigrid import Level, Subproblem, TorchMultigrid
from skimage_tvflow.core.backends.torch.multigrid_transfer import Transfer, closed
from skimage_tvflow.core.backends.torch.sweep import TorchTrajectory
from skimage_tvflow.core.domain import Domain, faces_between
from skimage_tvflow.core.operators import divergence, magnitude, pairing, total_variation

# (N, C, *spatial) and the spacing
PROBLEMS = {
    "1-D": ((1, 1, 64), (1.0,)),
    "1-D, odd": ((3, 1, 45), (2.0,)),
    "1-D, coupled": ((2, 3, 67), (0.5,)),
    "2-D": ((1, 1, 32, 48), (1.0, 1.0)),
    "2-D, odd": ((2, 1, 37, 51), (1.0, 1.0)),
    "2-D, full vectors": ((1, 1, 17, 64), (1.0, 1.0)),
    "2-D, odd in each grid": ((1, 1, 65, 65), (1.0, 1.0)),
    "2-D, spacing 1:5": ((1, 1, 40, 33), (1.0, 5.0)),
    "2-D, spacing 5:1": ((2, 1, 40, 66), (5.0, 1.0)),
    "2-D, coupled": ((1, 3, 33, 35), (1.0, 1.0)),
    "one row": ((1, 1, 1, 61), (5.0, 1.0)),
    "one column": ((1, 2, 61, 1), (1.0, 5.0)),
    "two rows": ((1, 1, 2, 50), (1.0, 1.0)),
    "two columns": ((2, 1, 50, 2), (1.0, 1.0)),
    "3-D": ((1, 1, 17, 18, 20), (1.0, 1.0, 1.0)),
    "3-D, spacing 3:1:1": ((1, 1, 9, 17, 20), (3.0, 1.0, 1.0)),
    "3-D, coupled, odd": ((2, 2, 17, 19, 16), (1.0, 1.0, 2.0)),
    "3-D, sizes of 1 and 2": ((1, 1, 2, 1, 35), (1.0, 1.0, 1.0)),
    "too small for a coarse grid": ((1, 1, 2, 3), (1.0, 1.0)),
}
FOUR = ((2, 1, 16, 3, 2, 17), (1.0, 2.0, 1.0, 1.0))
problems = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
of_any_dimension = pytest.mark.parametrize(
    "problem", [*PROBLEMS.values(), FOUR], ids=[*PROBLEMS, "4-D"]
)


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random(*shape, seed=0, dtype=torch.float64):
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values).to(dtype)


def random_dual(n, channels, sizes):
    """A dual of any length that lets nothing out of the image."""
    return closed(random(n, channels, len(sizes), *sizes, seed=1))


def pairs_of_grids(problem):
    """Every grid of a problem with the next one: the coarse ones have cells that are not whole."""
    (n, channels, *sizes), spacing = problem
    like = torch.zeros(1, dtype=torch.float64)
    for fine, coarse in itertools.pairwise(grids_of(sizes, spacing)):
        lead = (n, channels)
        yield lead, fine, coarse, Level(fine, like), Level(coarse, like), Transfer(fine, like)


class TestOperators:
    @of_any_dimension
    def test_ascent_and_divergence_of_a_level_are_adjoint(self, problem):
        for lead, _, coarse, _, level, _ in pairs_of_grids(problem):
            v, phi = random(*lead, *coarse.sizes), random_dual(*lead, coarse.sizes)
            volumes = torch.from_numpy(coarse.areas_and_volumes()[1])
            product = (volumes * v * level.divergence(phi)).sum()
            torch.testing.assert_close(product, -(level.ascent(v) * phi).sum())

    @of_any_dimension
    def test_mean_keeps_the_integral(self, problem):
        for lead, fine, coarse, _, _, transfer in pairs_of_grids(problem):
            v = random(*lead, *fine.sizes)
            integrals = [
                np.prod(grid.spacing) * torch.from_numpy(grid.areas_and_volumes()[1]) * u
                for grid, u in ((fine, v), (coarse, transfer.mean(v)))
            ]
            torch.testing.assert_close(*(x.flatten(2).sum(2) for x in integrals))

    @of_any_dimension
    def test_restriction_commutes_with_the_divergence(self, problem):
        for lead, fine, _, level, coarse_level, transfer in pairs_of_grids(problem):
            phi = random_dual(*lead, fine.sizes)
            found = coarse_level.divergence(transfer.faces(phi))
            torch.testing.assert_close(found, transfer.mean(level.divergence(phi)))

    @of_any_dimension
    def test_the_divergence_of_an_interpolated_dual_is_constant_in_a_coarse_cell(self, problem):
        for lead, _, coarse, level, coarse_level, transfer in pairs_of_grids(problem):
            phi = random_dual(*lead, coarse.sizes)
            fine = level.divergence(transfer.interpolate(phi))[:, 0]
            expected = coarse_level.divergence(phi)[:, 0]
            torch.testing.assert_close(transfer.least(fine), expected)
            torch.testing.assert_close(-transfer.least(-fine), expected)

    @of_any_dimension
    def test_spread_is_the_transpose_of_interpolate(self, problem):
        for lead, fine, coarse, _, _, transfer in pairs_of_grids(problem):
            phi, force = random_dual(*lead, coarse.sizes), random_dual(*lead, fine.sizes)
            product = (transfer.interpolate(phi) * force).sum()
            n_children = np.prod(fine.halved)
            torch.testing.assert_close(product, n_children * (phi * transfer.spread(force)).sum())

    @of_any_dimension
    def test_spread_forces_are_the_forces_of_the_mean(self, problem):
        for lead, fine, _, level, coarse_level, transfer in pairs_of_grids(problem):
            v = random(*lead, *fine.sizes)
            found = transfer.spread(level.ascent(v))
            torch.testing.assert_close(found, coarse_level.ascent(transfer.mean(v)))

    def test_by_hand(self):
        """Seventeen cells and nine: the last has one child, and no face in the middle."""
        (grid, *_), like = grids_of((17,), (1.0,)), torch.zeros(1, dtype=torch.float64)
        transfer, x = Transfer(grid, like), torch.arange(17.0, dtype=torch.float64)
        assert transfer.mean(x[None, None]).flatten().tolist() == [*np.arange(0.5, 16, 2), 16]
        assert transfer.least(x[None]).flatten().tolist() == [*range(0, 17, 2)]
        faces = transfer.faces(x[None, None, None])
        assert faces.flatten().tolist() == [*range(1, 16, 2), 0]
        fine = transfer.interpolate(faces).flatten().tolist()
        assert fine == [0.5, *range(1, 16), 0]
        spread = transfer.spread(torch.ones_like(x)[None, None, None])
        assert spread.flatten().tolist() == [1.0] * 7 + [0.75, 0]


def begun(kind, u, spacing, length, n_iter):
    """A trajectory with a phi and a predecessor that a step has left, at the image again."""
    trajectory, items = kind(u, spacing), np.arange(len(u))
    if n_iter:
        trajectory.advance(items, [1], np.full((1, len(u)), length), n_iter)
    trajectory.reset_primal(items, u)
    return trajectory


def duals(trajectory):
    """Both buffers of a numba trajectory: phi, and its predecessor."""
    items, found = np.arange(trajectory._shape[0]), []
    for _ in range(2):
        found.append(trajectory.dual(items))
        trajectory._newest = 1 - trajectory._newest
    return found


def differences(u, spacing, length, n_iter, dtype):
    """Take one cycle with numba and one with torch, from the same state; compare all of it."""
    u = u.to(dtype)
    trajectory, items = begun(NumbaTrajectory, u, spacing, length, n_iter), np.arange(len(u))
    f = trajectory.primal(items) / (length if n_iter else 1.0)
    before = duals(trajectory)
    expected = TorchMultigrid(u, spacing).cycle(f, *before)
    trajectory._cycle(items)
    after = duals(trajectory)
    for found, wanted in zip(after, expected):
        assert found.dtype == wanted.dtype == dtype
    return [(a - b).abs().max().item() for a, b in zip(after, expected)], after[0] - before[0]


class TestNumbaAgreesWithTorch:
    """Values are of size 1. The cycle of a solved step would be all rounding: it goes nowhere."""

    @problems
    @pytest.mark.parametrize("n_iter", [0, 3, 20], ids="after {}".format)
    def test_on_fixed_problems(self, problem, n_iter, dtype):
        shape, spacing = problem
        found, moved = differences(random(*shape), spacing, 2.0, n_iter, getattr(torch, dtype))
        assert max(found) <= {"float32": 1e-4, "float64": 1e-11}[dtype]
        assert n_iter > 3 or max(shape) < 16 or moved.abs().max() > 0.1

    @settings(max_examples=50)
    @given(
        long=st.integers(16, 40),
        others=st.lists(st.integers(1, 20), max_size=2),
        where=st.integers(0, 2),
        lead=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        spacing=st.lists(st.sampled_from([0.3, 1.0, 1.7, 5.0]), min_size=3, max_size=3),
        length=st.floats(0.1, 20),
        n_iter=st.integers(0, 20),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_on_any_problem(self, long, others, where, lead, spacing, length, n_iter, seed):
        sizes = [*others]
        sizes.insert(where, long)
        u = random(*lead, *sizes, seed=seed)
        found, _ = differences(u, spacing[: len(sizes)], length, n_iter, torch.float64)
        assert max(found) <= 1e-10

    @pytest.mark.parametrize("n_cycles", [1, 2, 5])
    def test_through_intervals_with_some_of_the_items(self, n_cycles, dtype):
        dtype = getattr(torch, dtype)
        u = random(4, 1, 33, 20, dtype=dtype)
        some, everyone, ends = np.array([3, 1]), np.arange(4), []
        for kind in (NumbaTrajectory, TorchTrajectory):
            trajectory = kind(u, (1.0, 2.0))
            trajectory.advance(everyone, [2], np.full((1, 4), 0.5), 1)
            lengths = np.array([[0.3, 0.4], [2.0, 1.0]])
            # Five cycles, four iterations: two of the cycles follow each other.
            trajectory.advance(some, [1, 2], lengths, 4, n_cycles=n_cycles)
            trajectory.advance(everyone, [1], np.full((1, 4), 0.5), 3)
            ends.append((trajectory.primal(everyone), trajectory.dual(everyone)))
        tolerance = {torch.float32: 1e-3, torch.float64: 1e-10}[dtype]
        torch.testing.assert_close(*ends, rtol=0, atol=tolerance)


class TestCycle:
    @of_any_dimension
    def test_never_raises_the_dual_energy_and_stays_admissible(self, problem):
        shape, spacing = problem
        u = random(*shape)
        phi = previous = u.new_zeros((*shape[:2], len(spacing), *shape[2:]))
        multigrid, energies = TorchMultigrid(u, spacing), []
        for _ in range(6):
            energies.append(((u / 2 + divergence(phi, spacing)) ** 2).flatten(1).sum(1))
            phi, previous = multigrid.cycle(u / 2, phi, previous)
            assert magnitude(phi).max() <= 1 + 1e-12
        rises = [(b - a) / a for a, b in itertools.pairwise(energies)]
        assert torch.stack(rises).max() <= 1e-12
        assert max(shape[2:]) < 16 or rises[0].max() < -0.01

    @of_any_dimension
    def test_steps_are_solved_as_their_duality_gap_says(self, problem):
        shape, spacing = problem
        u, items = random(*shape), np.arange(shape[0])
        trajectory = TorchTrajectory(u, spacing)
        trajectory.advance(items, [1], np.ones((1, len(u))), 160, n_cycles=10)
        v, dual = trajectory.primal(items), trajectory.dual(items)
        gap = total_variation(v, spacing) - pairing(v, lambda slab: dual[:, :, :, slab], spacing)
        assert (2 * gap.clamp(min=0) / u[0].numel()).sqrt().max().item() <= 2e-2

    def test_items_do_not_see_each_other(self):
        u = random(3, 2, 33, 20)
        multigrid, zero = TorchMultigrid(u, (1.0, 1.0)), u.new_zeros((3, 2, 2, 33, 20))
        together, _ = multigrid.cycle(u, zero, zero)
        for i in range(3):
            alone, _ = multigrid.cycle(u[i : i + 1], zero[:1], zero[:1])
            torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-12)

    def test_the_predecessor_moves_by_the_same(self):
        u, phi, previous = random(1, 1, 40, 40), *(0.1 * random(2, 1, 1, 2, 40, 40))
        phi, previous = closed(phi), closed(previous)
        after, before = TorchMultigrid(u, (1.0, 1.0)).cycle(u, phi, previous)
        torch.testing.assert_close(after - before, phi - previous, rtol=0, atol=1e-14)

    def test_waits_for_no_number_of_the_device(self):
        """Tensors of the device "meta" have no values, so asking for one is an error."""
        u = torch.empty((2, 1, 40, 35), device="meta")
        dual = torch.empty((2, 1, 2, 40, 35), device="meta")
        for found in TorchMultigrid(u, (1.0, 1.0)).cycle(u, dual, dual):
            assert found.shape == dual.shape
            assert found.device.type == "meta"

    def test_on_the_device(self, device, dtype):
        u = random(2, 1, 40, 35, dtype=getattr(torch, dtype))
        dual = u.new_zeros((2, 1, 2, 40, 35))
        here, _ = TorchMultigrid(u, (1.0, 1.0)).cycle(u, dual, dual)
        there, _ = TorchMultigrid(u.to(device), (1.0, 1.0)).cycle(
            u.to(device), *[dual.to(device)] * 2
        )
        tolerance = {"float32": 1e-4, "float64": 1e-11}[dtype]
        torch.testing.assert_close(there.cpu(), here, rtol=0, atol=tolerance)


class TestCoarseProblem:
    def test_leaves_a_solved_level_alone(self):
        """A ramp that the flow only lowers at its ends: phi is 1 inside, with a constant force."""
        n = 64
        f = torch.linspace(-8, 8, n, dtype=torch.float64)[None, None]
        like = torch.zeros(1, dtype=torch.float64)
        fine, coarse = (Level(grid, like) for grid in grids_of((n,), (1.0,))[:2])
        phi = torch.ones((1, 1, 1, n), dtype=torch.float64)
        closed(phi)
        problem = Subproblem(f, tau=f.new_zeros(()), radius=f.new_ones(()))
        posed, start = fine.restrict(problem, phi, coarse)
        found, _ = coarse.sweep(posed, start, start)
        torch.testing.assert_close(found, start, rtol=0, atol=1e-14)
        corrected = fine.correct(problem, phi, found - start)
        torch.testing.assert_close(corrected, phi, rtol=0, atol=1e-14)


LIMITED = {
    name: PROBLEMS[name]
    for name in ("1-D", "2-D, odd", "2-D, coupled", "one column", "3-D, spacing 3:1:1")
}


@pytest.mark.parametrize("n_cycles", [0, 1])
@pytest.mark.parametrize("shared", [False, True], ids=["own limits", "shared limits"])
@pytest.mark.parametrize(("shape", "spacing"), LIMITED.values(), ids=list(LIMITED))
def test_numba_and_torch_agree_within_a_domain(shape, spacing, shared, n_cycles):
    rng = np.random.default_rng(0)
    n, c, *sizes = (3, *shape[1:])
    u = torch.from_numpy(rng.standard_normal((n, c, *sizes)))
    m = 1 if shared else n
    mask = torch.from_numpy(rng.random((m, *sizes)) > 0.1)
    radius = torch.from_numpy(rng.random((m, *sizes))) * mask
    domain = Domain.of(radius, faces_between(mask, radius), spacing)
    items, lengths = np.array([0, 2]), np.array([[0.3, 0.2], [2.0, 5.0]])
    ends = []
    for kind in (NumbaTrajectory, TorchTrajectory):
        trajectory = kind(u, spacing, domain=domain)
        trajectory.advance(items, [2, 1], lengths, 20, n_cycles=n_cycles)
        ends.append((trajectory.primal(items), trajectory.dual(items)))
    for mine, other in zip(*ends, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)
    limit = domain[items].radius + 1e-12
    assert (magnitude(ends[0][1]) <= limit).all()
    assert not (ends[0][1] * (1 - domain[items].faces[:, None])).any()
