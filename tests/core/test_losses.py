"""The terms of the loss: values by hand, zero for the flow, derivatives by finite differences."""

import numpy as np
import pytest
import torch

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.core import losses
from skimage_tvflow.core.operators import divergence, inner, total_variation

SPACING = (1.0, 2.0)


@pytest.fixture
def trajectory():
    """Two images of two channels at four times, with dual variables that are too long in part."""
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(4, 2, 2, 5, 6, generator=generator, dtype=torch.float64)
    phi = torch.randn(3, 2, 2, 2, 5, 6, generator=generator, dtype=torch.float64)
    times = torch.tensor([0.0, 0.1, 0.3, 0.7], dtype=torch.float64)
    return u, phi, times


def test_time_derivative_of_a_line_is_its_slope():
    times = torch.tensor([0.0, 0.1, 0.4])
    u = 3 * times.reshape(3, 1, 1, 1, 1).expand(3, 2, 1, 4, 5) + 1
    torch.testing.assert_close(losses.time_derivative(u, times), torch.full((2, 2, 1, 4, 5), 3.0))
    own = torch.stack([times, 2 * times], 1)
    slopes = losses.time_derivative(u, own)
    torch.testing.assert_close(slopes[:, 1], torch.full((2, 1, 4, 5), 1.5))


def test_terms_are_what_their_formulas_say(trajectory):
    u, phi, times = trajectory
    for k in range(3):
        slope = divergence(phi[k], SPACING)
        u_t = (u[k + 1] - u[k]) / (times[k + 1] - times[k])
        found = losses.pde_residual(losses.time_derivative(u, times), phi, SPACING)[k]
        torch.testing.assert_close(found, (u_t - slope).square().sum((1, 2, 3)))
        # the last entries of phi along an axis are no part of the flux
        found = losses.subgradient_residual(u[1:], phi, SPACING)[k]
        expected = inner(u[k + 1], slope) + total_variation(u[k + 1], SPACING)
        torch.testing.assert_close(found, expected)
        excess = (phi[k].square().sum((1, 2)).sqrt() - 1).clamp(min=0).sum((1, 2))
        torch.testing.assert_close(losses.constraint_violation(phi)[k], excess)


def test_the_loss_is_their_weighted_sum(trajectory):
    u, phi, times = trajectory
    image = u[0] + 0.1
    parts = {
        "pde": losses.pde_residual(losses.time_derivative(u, times), phi, SPACING).mean(0),
        "subgradient": losses.subgradient_residual(u[1:], phi, SPACING).square().mean(0),
        "constraint": losses.constraint_violation(phi).mean(0),
        "initial": losses.initial_residual(u[0], image),
    }
    assert float(parts["initial"][0]) == pytest.approx(0.01 * 60)
    none = dict.fromkeys(parts, 0.0)
    for name, part in parts.items():
        weights = losses.LossWeights(**{**none, name: 3.0})
        found = losses.loss(u, phi, image, times, SPACING, weights)
        torch.testing.assert_close(found, 3 * part / 60)
    total = losses.loss(u, phi, image, times, SPACING)
    torch.testing.assert_close(total, sum(parts.values()) / 60)
    given = losses.time_derivative(u, times)
    torch.testing.assert_close(losses.loss(u, phi, image, times, SPACING, u_t=given), total)


def test_the_flow_has_no_loss(image):
    times = np.linspace(0, 0.2, 9)
    flow = ChambolleTVFlow(n_steps=8, order=1, tol=1e-7, max_num_iter=10**5)
    result = flow.solve(image, times, return_dual=True, certify=False)
    u = torch.from_numpy(result.u)[:, None, None]
    phi = torch.from_numpy(result.dual[1:])[:, None, None]
    spacing = (1.0, 1.0)
    own = losses.loss(u, phi, u[0, :], torch.from_numpy(times), spacing)
    assert 0 <= float(own[0]) < 1e-6
    # any other dual variable has one
    assert float(losses.loss(u, 0.9 * phi, u[0], torch.from_numpy(times), spacing)[0]) > 1e-3


def test_derivatives(trajectory):
    u, phi, times = trajectory
    u[1:, :, :, :2, :2] = 1.0  # flat, where the length has no derivative: it is taken as 0

    def value(u, phi):
        return losses.loss(u, phi, u[0].detach() + 1, times, SPACING).sum()

    u.requires_grad_()
    phi.requires_grad_()
    gradients = torch.autograd.grad(value(u, phi), (u, phi))
    assert all(torch.isfinite(g).all() for g in gradients)
    with torch.no_grad():
        ahead, back = value(u, phi + 1e-6 * gradients[1]), value(u, phi - 1e-6 * gradients[1])
    assert float((ahead - back) / 2e-6) == pytest.approx(float(gradients[1].square().sum()), 1e-5)
    smooth = u.detach().clone()
    smooth[1:] += torch.randn(smooth[1:].shape, dtype=smooth.dtype)
    smooth.requires_grad_()
    (g,) = torch.autograd.grad(value(smooth, phi.detach()), smooth)
    with torch.no_grad():
        ahead, back = value(smooth + 1e-7 * g, phi), value(smooth - 1e-7 * g, phi)
    assert float((ahead - back) / 2e-7) > 0
