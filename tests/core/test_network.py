"""The network: whatever its weights are, its answers are admissible trajectories."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.core import operators
from skimage_tvflow.core.networks import unrolled as network
from skimage_tvflow.core.networks.unrolled import Design, UnrolledNet

SMALL = {"features": 3, "width": 5, "first": (1, 2), "shared": (1, 2)}


def random_net(n_spatial, seed=0, size=1.0):
    """A network that nobody has trained, with weights of any size."""
    torch.manual_seed(seed)
    net = UnrolledNet(Design(n_spatial, **SMALL))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += size * torch.randn_like(parameter)
    return net


shapes = st.sampled_from([(1, 7), (9, 1), (1, 1), (8, 6), (5, 4, 3), (1, 6, 5), (2, 1, 7)])


class TestOperators:
    """Against the operators of the core, in whose layout channels have an axis."""

    @given(shapes, st.integers(0, 100))
    def test_agree_with_the_core(self, shape, seed):
        torch.manual_seed(seed)
        spacing = (1.0,) * len(shape)
        g = torch.randn(2, 1, *shape, dtype=torch.float64)
        z = torch.randn(2, len(shape), *shape, dtype=torch.float64)
        du = operators.gradient(g, spacing)
        torch.testing.assert_close(network.grad(g)[:, None], du)
        inside = network.inside(z)
        torch.testing.assert_close(
            network.div(inside), operators.divergence(inside[:, None], spacing)
        )
        torch.testing.assert_close(
            operators.divergence(inside[:, None], spacing),
            operators.divergence(z[:, None], spacing),
        )
        variation = operators.total_variation(g, spacing)
        paired = operators.pairing(g, lambda slab: z[:, None, :, slab], spacing)
        torch.testing.assert_close(network.gap(g, z), variation - paired)

    def test_shortening(self):
        z = 3 * torch.randn(4, 2, 5, 6)
        for short in (network.squashed(z), network.projected(z)):
            assert short.norm(dim=1).max() <= 1 + 1e-6
            torch.testing.assert_close(
                torch.nn.functional.cosine_similarity(short, z), torch.ones(4, 5, 6)
            )
        inside = z / 10
        inside[inside.norm(dim=1, keepdim=True).expand_as(z) > 1] = 0
        torch.testing.assert_close(network.projected(inside), inside)


class TestSteps:
    @given(shapes, st.integers(0, 50), st.sampled_from([0.0, 1.0, 30.0]))
    def test_are_admissible_whatever_the_weights(self, shape, seed, size):
        net = random_net(len(shape), seed, size)
        g = 5 * torch.randn(2, 1, *shape)
        state = net.start(g)
        for after in net(state, 4):
            z = after.z
            assert z.norm(dim=1).max() <= 1 + 1e-5
            torch.testing.assert_close(after.g, state.g + network.div(z))
            torch.testing.assert_close(
                after.g.flatten(1).mean(1), g.flatten(1).mean(1), atol=1e-4, rtol=1e-4
            )
            for axis in range(len(shape)):
                assert not z.select(1, axis).select(1 + axis, -1).any()
            state = after

    def test_items_are_independent(self):
        net = random_net(2)
        g = torch.randn(3, 1, 9, 8)
        together = list(net(net.start(g), 3))[-1]
        for item in range(3):
            alone = list(net(net.start(g[item : item + 1]), 3))[-1]
            torch.testing.assert_close(alone.g[0], together.g[item], rtol=1e-4, atol=1e-4)

    def test_longer_steps_keep_the_image(self):
        net = random_net(2)
        state = net.step(net.start(torch.randn(2, 1, 6, 5)))
        longer = state.with_steps_longer(torch.tensor([2.0, 4.0]))
        torch.testing.assert_close(longer.g[1] * 4, state.g[1])
        assert longer.z is state.z

    def test_detached_has_no_history(self):
        net = random_net(2)
        state = net.step(net.start(torch.randn(1, 1, 6, 5)))
        assert state.g.requires_grad
        assert not any(
            x.requires_grad
            for x in vars(state.detached()).values()
            if x is not None and isinstance(x, torch.Tensor)
        )

    def test_every_weight_learns(self):
        net = random_net(2, size=0.1)
        loss = sum(network.gap(s.g, s.z).sum() for s in net(net.start(torch.randn(2, 1, 9, 8)), 4))
        loss.backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() > 0, name


def test_local_means_leave_constants_alone():
    g = torch.full((1, 1, 4, 30), 7.0)
    torch.testing.assert_close(network.local_mean(g, 17), g)
    assert network.local_mean(torch.randn(1, 1, 3, 4, 5), 5).isfinite().all()


@pytest.mark.parametrize("n_spatial", [2, 3])
def test_the_usual_design_is_small(n_spatial):
    size = sum(p.numel() for p in UnrolledNet(Design(n_spatial)).parameters())
    assert 4 * size < 300_000
