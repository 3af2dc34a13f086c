"""A step of a network is never worse than the solver's iterations, whatever the network says."""

import numpy as np
import pytest
import skimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow import ChambolleTVFlow, TVFlowNet
from skimage_tvflow.core.integrators.network_guard import guarded, solved
from skimage_tvflow.core.networks.unrolled import NetworkState
from skimage_tvflow.core.operators import divergence

TIMES = np.linspace(0.02, 0.2, 10)


def energy(g, z, spacing):
    return (g + divergence(z[:, None], spacing)).square().flatten(1).sum(1)


def draw_dual(generator, shape):
    z = torch.randn(shape, generator=generator)
    return z / (z.square().sum(1, keepdim=True).sqrt().clamp(min=1))


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([(7, 8), (1, 9), (4, 5, 6)]), st.integers(1, 6))
def test_never_more_energy_than_the_solver_or_the_network(seed, shape, n_iter):
    generator, n = torch.Generator().manual_seed(seed), len(shape)
    spacing = [1.0] * n
    g = 5 * torch.randn(3, 1, *shape, generator=generator)
    z, before, by_net = (draw_dual(generator, (3, n, *shape)) for _ in range(3))
    by_net[0] = solved(g, z, z, 50, spacing)[0]  # a good answer, and two of chance
    h = torch.zeros(3, 1, *shape)
    start = NetworkState(g, z, before, h, 3)
    after = NetworkState(g + divergence(by_net[:, None], spacing), by_net, z, h, 4)
    found = guarded(start, after, n_iter, spacing)
    by_solver = energy(g, solved(g, z, before, n_iter, spacing), spacing)
    least = torch.minimum(by_solver, energy(g, by_net, spacing))
    assert (energy(g, found.z, spacing) <= least * (1 + 1e-5)).all()
    assert found.z.square().sum(1).max() <= 1 + 1e-5
    torch.testing.assert_close(
        found.g, g + divergence(found.z[:, None], spacing), rtol=1e-5, atol=1e-4
    )
    assert found.n_steps == 4
    torch.testing.assert_close(found.before, z, rtol=0, atol=0)


def patterns():
    photograph = skimage.data.camera()[208:304, 208:304] / 255
    rows, columns = np.indices(photograph.shape)
    checks = [photograph + a * ((rows + columns) % 2) for a in (0.05, 0.1, 0.2, 0.5)]
    return np.stack([photograph, *checks, photograph + 0.5 * (columns % 2), 1.0 * (rows % 2)])


@pytest.fixture(scope="module")
def errors():
    """The root-mean-square error of 8, 16 and 64 steps on patterns that no training has seen."""
    images, axis = patterns(), {"batch_axis": 0}
    steps = ChambolleTVFlow(n_steps=100, order=2, tol=None, max_num_iter=60, **axis)
    truth = steps.transform(images, TIMES)
    nets = [TVFlowNet.from_pretrained(n_steps=n, **axis) for n in (8, 16, 64)]
    return [
        np.sqrt(np.mean((net.transform(images, TIMES) - truth) ** 2, (0, 2, 3))) for net in nets
    ]


def test_more_steps_are_not_worse_on_patterns(errors):
    decibels = -20 * np.log10(np.maximum(errors, 1e-5))
    assert (decibels[1] >= decibels[0]).all()
    assert (decibels[2] >= np.minimum(decibels[1] + 8, 100)).all()


def test_patterns_are_accurate(errors):
    decibels = -20 * np.log10(errors)
    assert (decibels[1] >= 47).all()  # 40 without the guard
    assert (decibels[2] >= 62).all()  # 23 without the guard
