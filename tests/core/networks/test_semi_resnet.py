"""The network of the paper: what it computes, layer by layer."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from skimage_tvflow.core.networks.semi_resnet import ACTIVATIONS, SemiResNet, SemiResNetDesign


def images(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def by_scipy(net, f, t):
    """u and phi of one image, by correlations with the weights, in float64."""
    names = {"mixed": ("relu", "softplus"), "relu": ("relu",) * 2, "softplus": ("softplus",) * 2}
    functions = {"relu": lambda x: np.maximum(x, 0), "softplus": lambda x: np.logaddexp(0, x)}
    first, inner = (functions[name] for name in names[net.design.activation])
    maps = np.stack([f, np.full_like(f, t)])
    for number, layer in enumerate(net.layers):
        weight, bias = (x.detach().double().numpy() for x in (layer.weight, layer.bias))
        maps = np.stack(
            [
                b + sum(ndimage.correlate(m, k, mode="constant") for m, k in zip(maps, kernels))
                for b, kernels in zip(bias, weight)
            ]
        )
        if number < len(net.layers) - 1:
            maps = (inner if number else first)(maps)
    phi = np.zeros_like(maps[1:])
    inside = (slice(None), *[slice(1, -1)] * f.ndim)
    phi[inside] = maps[1:][inside]
    return f + maps[0], phi


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(9, 8), (5, 6, 7)])
def test_against_scipy(activation, shape):
    net = SemiResNet.untrained(SemiResNetDesign(len(shape), 3, 4, activation), 1)
    f, times = images(2, 1, *shape), torch.tensor([0.3, 0.9])
    with torch.no_grad():
        u, phi = net(f, times)
    for item, t in enumerate(times.tolist()):
        expected_u, expected_phi = by_scipy(net, f[item, 0].double().numpy(), t)
        np.testing.assert_allclose(u[item, 0], expected_u, atol=1e-5)
        np.testing.assert_allclose(phi[item], expected_phi, atol=1e-5)


def test_it_has_the_size_of_the_paper():
    net = SemiResNet.untrained(SemiResNetDesign(), 0)
    assert [layer.weight.shape[:2] for layer in net.layers] == [(16, 2), *[(16, 16)] * 6, (3, 16)]
    assert sum(parameter.numel() for parameter in net.parameters()) == 14_659


def test_the_seed_alone_counts():
    state = torch.random.get_rng_state()
    first, again, other = (SemiResNet.untrained(SemiResNetDesign(), seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.layers[5].weight, again.layers[5].weight)
    assert not torch.equal(first.layers[5].weight, other.layers[5].weight)


def test_a_row_has_no_ring_across_it():
    net = SemiResNet.untrained(SemiResNetDesign(), 0)
    with torch.no_grad():
        _, phi = net(images(1, 1, 1, 9), torch.tensor([0.5]))
    assert (phi[..., [0, -1]] == 0).all()
    assert (phi[..., 1:-1] != 0).all()
