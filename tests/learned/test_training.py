"""The trainer: loss, learning rates, early stopping."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from skimage_tvflow.core import operators
from skimage_tvflow.core.networks.unrolled import NetworkDesign, UnrolledNet
from skimage_tvflow.learned import gap_objective
from skimage_tvflow.learned.recipe import TrainingOptions, TrainingRecipe
from skimage_tvflow.learned.training import Trainer, split_off_validation

RECIPE = TrainingRecipe(
    updates_per_epoch=2,
    max_epochs=3,
    patch_size=6,
    batch_size=2,
    lr=1e-3,
    gradient_clip=0.1,
    patience=None,
    seed=0,
)


def trainer(**changes):
    images = [np.random.default_rng(0).random((9, 8)).astype(np.float32)]
    net = UnrolledNet.untrained(NetworkDesign(features=2, width=3, first=(1,), shared=(1,)), 0)
    return Trainer(net, images, images, dataclasses.replace(RECIPE, **changes))


def test_the_loss_is_the_gap_over_the_variation():
    """By the operators of the core."""
    net = UnrolledNet.untrained(NetworkDesign(), 0)
    g = torch.randn(2, 1, 7, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        start = net.start(g)
        loss, last = gap_objective._mean_gap(net, start, 3)
        states = list(net(start, 3))
    spacing = (1.0, 1.0)
    gaps = [
        operators.total_variation(state.g, spacing)
        + (state.g * operators.divergence(state.z[:, None], spacing)).sum((1, 2, 3))
        for state in states
    ]
    expected = (torch.stack(gaps) / operators.total_variation(g, spacing)).mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)
    assert torch.equal(last.g, states[-1].g)


def test_learning_rates():
    """They rise over fifty updates, and fall as a cosine to 2 %."""
    recipe = dataclasses.replace(RECIPE, updates_per_epoch=100, max_epochs=10, lr=2.0)
    assert recipe.lr_at(0) == pytest.approx(2 / 50)
    assert recipe.lr_at(24) == pytest.approx(1.0, rel=1e-2)
    assert recipe.lr_at(500) == pytest.approx(2 * 0.51)
    assert recipe.lr_at(1000) == pytest.approx(2 * 0.02)
    falling = [recipe.lr_at(k) for k in range(50, 1000)]
    assert falling == sorted(falling, reverse=True)


def test_auto_goes_by_the_pixels():
    options = TrainingOptions("auto", "auto", "auto", "auto", 0.1, True, 3)
    for n_pixels, updates in ((1, 8), (50_000, 50), (250_000, 300), (10**9, 8000)):
        recipe = options.recipe(n_pixels, 2, "unrolled")
        assert recipe.updates_per_epoch * recipe.max_epochs == updates
    assert recipe == TrainingRecipe(100, 80, 48, 4, 3e-3, 0.1, 10, 3)
    assert options.recipe(10**9, 3, "unrolled") == TrainingRecipe(100, 80, 20, 2, 3e-3, 0.1, 10, 3)
    chosen = TrainingOptions(2, 0.5, 7, 9, 0.1, False, 3).recipe(10**9, 2, "unrolled")
    assert chosen == TrainingRecipe(100, 2, 7, 9, 0.5, 0.1, None, 3)
    published = options.recipe(500 * 128**2, 2, "semi-resnet")
    assert published == TrainingRecipe(223, 55, 96, 4, 5e-4, 1.0, 55, 3)
    assert options.recipe(1, 3, "semi-resnet") == TrainingRecipe(1, 55, 24, 2, 5e-4, 1.0, 55, 3)


def test_stops_when_the_validation_loss_rests():
    run = trainer(max_epochs=100, patience=3)
    for losses, finished in (
        ([], False),
        ([3, 2, 1], False),
        ([1, 2, 2], False),
        ([1, 2, 2, 2], True),
        ([1] * 100, True),
    ):
        run.validation_losses = losses
        assert run.finished is finished
    run = trainer(max_epochs=100)
    run.validation_losses = [1.0, *[2.0] * 50]
    assert not run.finished


def test_the_best_weights_are_kept():
    run = trainer()
    kept = []
    for loss in (3.0, 1.0, 2.0):
        run._objective.validation_loss = lambda loss=loss: loss
        assert run.run_epoch(lambda done: False)
        kept.append({k: v.clone() for k, v in run._net.state_dict().items()})
    run.load_best_weights()
    for name, value in run._net.state_dict().items():
        assert torch.equal(value, kept[1][name])
    assert any((kept[1][name] != kept[2][name]).any() for name in kept[1])


def test_an_epoch_that_is_stopped_does_not_count():
    run, heard = trainer(), []
    assert run.run_epoch(lambda done: heard.append(done))
    assert not run.run_epoch(lambda done: True)
    assert heard == [1 / 6, 2 / 6]
    assert len(run.losses) == len(run.validation_losses) == 1


def test_numbers_out_of_range_end_the_epoch():
    run = trainer()
    with torch.no_grad():
        run._net.momentum.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="after 1 updates the loss is nan"):
        run.run_epoch(lambda done: False)
    with pytest.raises(FloatingPointError, match=r"weights of .* absurdly large"):
        trainer(lr=1e6).run_epoch(lambda done: False)


def test_a_tenth_is_held_out():
    images = [np.full((2, 2), k, np.float32) for k in range(20)]
    shown, held_out = split_off_validation(images, 0.1, 0)
    assert (len(shown), len(held_out)) == (18, 2)
    assert sorted(float(image[0, 0]) for image in [*shown, *held_out]) == list(range(20))
    assert len(split_off_validation(images[:3], 0.01, 0)[1]) == 1
    shown, held_out = split_off_validation(images[:1], 0.5, 0)
    assert shown == held_out == images[:1]
