"""The network: for any weights its outputs are admissible trajectories."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skimage_tvflow.core import operators
from skimage_tvflow.core.networks import operators as network_operators
from skimage_tvflow.core.networks.unrolled import (
    LARGEST_WEIGHT,
    NetworkDesign,
    UnrolledNet,
    find_unusable_weight,
)

SMALL = {"features": 3, "width": 5, "first": (1, 2), "shared": (1, 2)}


def random_net(n_spatial, seed=0, size=1.0):
    """A network that nobody has trained, with weights of any size."""
    torch.manual_seed(seed)
    net = UnrolledNet.untrained(NetworkDesign(n_spatial, **SMALL), seed)
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
        torch.testing.assert_close(network_operators.gradient(g)[:, None], du)
        inside = network_operators.zero_outgoing(z)
        torch.testing.assert_close(
            network_operators.divergence(inside), operators.divergence(inside[:, None], spacing)
        )
        torch.testing.assert_close(
            operators.divergence(inside[:, None], spacing),
            operators.divergence(z[:, None], spacing),
        )
        variation = operators.total_variation(g, spacing)
        paired = operators.pairing(g, lambda slab: z[:, None, :, slab], spacing)
        torch.testing.assert_close(network_operators.duality_gap(g, z), variation - paired)

    def test_shortening(self):
        z = 3 * torch.randn(4, 2, 5, 6)
        for short in (network_operators.squash(z), network_operators.project(z)):
            assert short.norm(dim=1).max() <= 1 + 1e-6
            torch.testing.assert_close(
                torch.nn.functional.cosine_similarity(short, z), torch.ones(4, 5, 6)
            )
        inside = z / 10
        inside[inside.norm(dim=1, keepdim=True).expand_as(z) > 1] = 0
        torch.testing.assert_close(network_operators.project(inside), inside)


class TestSteps:
    @given(shapes, st.integers(0, 50), st.sampled_from([0.0, 1.0, 30.0]))
    def test_are_admissible_whatever_the_weights(self, shape, seed, size):
        net = random_net(len(shape), seed, size)
        g = 5 * torch.randn(2, 1, *shape)
        state = net.start(g)
        for after in net(state, 4):
            z = after.z
            assert z.norm(dim=1).max() <= 1 + 1e-5
            torch.testing.assert_close(after.g, state.g + network_operators.divergence(z))
            torch.testing.assert_close(
                after.g.flatten(1).mean(1), g.flatten(1).mean(1), atol=1e-4, rtol=1e-4
            )
            for axis in range(len(shape)):
                assert not z.select(1, axis).select(1 + axis, -1).any()
            state = after

    def test_items_are_independent(self):
        net = random_net(2, size=0.3)
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
        loss = sum(
            network_operators.duality_gap(s.g, s.z).sum()
            for s in net(net.start(torch.randn(2, 1, 9, 8)), 4)
        )
        loss.backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() > 0, name


def test_local_means_leave_constants_alone():
    g = torch.full((1, 1, 4, 30), 7.0)
    torch.testing.assert_close(network_operators.local_mean(g, 17), g)
    assert network_operators.local_mean(torch.randn(1, 1, 3, 4, 5), 5).isfinite().all()


@pytest.mark.parametrize("n_spatial", [2, 3])
def test_the_usual_design_is_small(n_spatial):
    size = sum(p.numel() for p in UnrolledNet(NetworkDesign(n_spatial)).parameters())
    assert 4 * size < 300_000


@pytest.mark.parametrize("n_spatial", [2, 3])
def test_the_largest_weights_do_not_overflow(n_spatial):
    """In the widest network that a file may hold, for images over very short steps."""
    widest = NetworkDesign(n_spatial, features=256, width=256, first=(1,), shared=(1,))
    net = UnrolledNet.untrained(widest, 0)
    signs = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            ones = torch.randint(2, parameter.shape, generator=signs) * 2.0 - 1
            parameter.copy_(LARGEST_WEIGHT * ones)
        g = 1e10 * torch.randn(1, 1, *[5] * n_spatial, generator=signs)
        for state in net(net.start(g), 3):
            assert state.g.isfinite().all()
            assert state.h.isfinite().all()
            assert state.z.norm(dim=1).max() <= 1 + 1e-5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e38, -1.1e4])
def test_unusable_weights_are_found(value):
    net = random_net(2)
    assert find_unusable_weight(net.state_dict()) is None
    with torch.no_grad():
        net.shared[1].say.weight[3, 2] = value
    assert find_unusable_weight(net.state_dict()) == "shared.1.say.weight"


class TestUntrained:
    def test_is_what_the_seed_says_and_nothing_else(self):
        first = UnrolledNet.untrained(NetworkDesign(), 3).state_dict()
        torch.manual_seed(5)
        state = torch.random.get_rng_state()
        torch.set_default_dtype(torch.float64)
        try:
            second = UnrolledNet.untrained(NetworkDesign(), 3).state_dict()
        finally:
            torch.set_default_dtype(torch.float32)
        assert torch.equal(torch.random.get_rng_state(), state)
        other = UnrolledNet.untrained(NetworkDesign(), 4).state_dict()
        for name, value in first.items():
            assert torch.equal(value, second[name])
            assert (value.dtype, value.device.type) == (torch.float32, "cpu")
        assert not torch.equal(first["encode.weight"], other["encode.weight"])

    def test_weights_are_distributed_as_torch_would(self):
        net = UnrolledNet.untrained(NetworkDesign(width=256, features=64), 0)
        net.requires_grad_(False)
        layer = net.first[0]
        fan_in = (2 * 2 + 64) * 9
        assert layer.look.weight.abs().max() == pytest.approx(fan_in**-0.5, rel=1e-3)
        assert layer.look.weight.std() == pytest.approx((3 * fan_in) ** -0.5, rel=1e-2)
        assert layer.look.bias.abs().max() <= fan_in**-0.5
        # The learned update of the dual variable starts small beside the gradient step.
        assert layer.say.weight[:2].abs().max() <= 0.05 * 256**-0.5
        assert layer.say.weight[2:].abs().max() == pytest.approx(256**-0.5, rel=1e-2)
        assert layer.sigma == pytest.approx(0.2)

    def test_a_new_network_takes_no_memory(self):
        net = UnrolledNet(NetworkDesign(3, 256, 256, (), (1,) * 32))
        assert {parameter.device.type for parameter in net.parameters()} == {"meta"}
