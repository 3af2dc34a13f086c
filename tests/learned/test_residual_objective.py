"""The loss (9) of the paper, against sums in float64 and differences in time."""

import dataclasses

import numpy as np
import pytest
import torch

from skimage_tvflow.core.networks.semi_resnet import SemiResNet, SemiResNetDesign
from skimage_tvflow.learned import residual_objective
from skimage_tvflow.learned.recipe import TrainingOptions
from skimage_tvflow.learned.training import Trainer

RECIPE = TrainingOptions(2, 1e-3, 8, 4, 0.1, False, 0).recipe(9 * 8 * 16, 2, "semi-resnet")
IMAGES = [np.random.default_rng(0).random((9, 8)).astype(np.float32)]


def small_net():
    # Softplus: differences in time of a network with kinks would be rough.
    design = SemiResNetDesign(width=4, n_layers=3, activation="softplus")
    net = SemiResNet.untrained(design, 0)
    with torch.no_grad():
        net.layers[-1].weight *= 8  # so that |phi| > 1 somewhere
    return net


def loss_by_loops(net, f, times):
    """Return the four terms by NumPy, u_t by central differences; nothing of the package."""
    net = net.double()

    def at(t):
        with torch.no_grad():
            u, phi = net(f.double(), t)
        return u[:, 0].numpy(), phi.numpy()

    u, phi = at(times)
    u_t = (at(times + 1e-4)[0] - at(times - 1e-4)[0]) / 2e-4
    start = at(torch.zeros_like(times))[0]
    total = np.zeros(4)
    for n in range(len(f)):
        du, div = np.zeros_like(phi[n]), np.zeros_like(u[n])
        for axis in range(2):
            inside = [slice(None)] * 2
            inside[axis] = slice(0, -1)
            ahead = [slice(None)] * 2
            ahead[axis] = slice(1, None)
            du[axis][tuple(inside)] = np.diff(u[n], axis=axis)
            flux = phi[n, axis].copy()
            div += flux
            div[tuple(ahead)] -= flux[tuple(inside)]
        length = np.sqrt((phi[n] ** 2).sum(0))
        gap = np.sqrt((du**2).sum(0)) - (du * phi[n]).sum(0)
        total += [
            ((u_t[n] - div) ** 2).mean() / len(f),
            gap.mean() ** 2 / len(f),
            np.maximum(length - 1, 0).mean() / len(f),
            # A quarter of four images: the first.
            ((start[n] - f[n, 0].numpy()) ** 2).mean() if n == 0 else 0.0,
        ]
    return total


def test_the_loss_is_that_of_the_paper():
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(4, 1, 9, 8, generator=generator)
    times = torch.rand(4, generator=generator)
    terms = loss_by_loops(small_net(), f, times.double())
    assert (terms > 1e-3).all()
    found = residual_objective._loss(small_net(), f, times)
    assert float(found.detach()) == pytest.approx(terms.sum(), rel=1e-4)
    assert found.requires_grad


def test_patches_have_the_contrast_of_the_paper():
    rough = [image * scale for image, scale in zip(IMAGES * 2, (1, 40))]
    trainer = Trainer(small_net(), rough, rough, RECIPE)
    patches = trainer._objective._patches.draw_at_published_contrast(np.random.default_rng(0), 200)
    extents = (patches.amax((1, 2, 3)) - patches.amin((1, 2, 3))).numpy()
    assert (extents > 2.5 - 1e-5).all()
    assert (extents < 5 + 1e-5).all()
    assert 0.4 < np.mean(np.isclose(extents, 5)) < 0.6


def test_a_constant_image_is_no_fault():
    flat = [np.zeros((9, 8), np.float32)]
    trainer = Trainer(small_net(), flat, flat, RECIPE)
    assert trainer.run_epoch(lambda done: False)
    assert np.isfinite(trainer.losses + trainer.validation_losses).all()


def test_it_learns():
    recipe = dataclasses.replace(RECIPE, max_epochs=40, lr=1e-2)
    trainer = Trainer(small_net(), IMAGES, IMAGES, recipe)
    while not trainer.finished:
        assert trainer.run_epoch(lambda done: False)
    assert trainer.validation_losses[-1] < 0.5 * trainer.validation_losses[0]
