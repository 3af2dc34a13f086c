"""Random patches: of one shape, without mean, from anywhere in any image."""

import numpy as np
import pytest
import torch

from skimage_tvflow.core.integrators.network import WINDOW
from skimage_tvflow.learned.patches import PatchSampler
from skimage_tvflow.learned.recipe import CONTRASTS


def test_a_small_image_does_not_shorten_the_patches_of_all():
    rng = np.random.default_rng(0)
    large = [rng.random((40, 50)).astype(np.float32) for _ in range(9)]
    small = rng.random((4, 5)).astype(np.float32)
    shapes = [PatchSampler([*large, small], 32).draw(rng, 4)[0].shape for _ in range(60)]
    assert {shape[2:] for shape in shapes} == {(32, 32), (4, 4)}
    assert sum(shape[2:] == (32, 32) for shape in shapes) > 40


@pytest.mark.parametrize("shape", [(6, 9), (1, 9), (5, 6, 7)])
def test_every_patch_is_a_turned_part_of_the_image(shape):
    image = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype(np.float32)
    size = 3
    sides = tuple(min(size, n) for n in shape)
    windows = np.lib.stride_tricks.sliding_window_view(image, sides)
    contents = {tuple(sorted(w.ravel() - w.min())) for w in windows.reshape(-1, *sides)}
    drawn, _ = PatchSampler([image], size).draw(np.random.default_rng(1), 200)
    found = {tuple((p - p.min()).round().flatten().sort().values.tolist()) for p in drawn}
    assert found <= contents
    assert len(found) > 0.6 * len(contents)
    assert drawn.flatten(1).mean(1).abs().max() < 1e-3


def test_windows_are_those_of_the_contrast():
    image = np.random.default_rng(0).random((8, 9)).astype(np.float32)
    _, windows = PatchSampler([image], 4).draw(np.random.default_rng(0), 2000)
    contrast = WINDOW * image.std() / windows
    changed = contrast[(contrast - 1).abs() > 1e-5]
    assert 0.4 < len(changed) / 2000 < 0.6
    assert CONTRASTS[0] <= changed.min() < 0.25
    assert 2 < changed.max() <= CONTRASTS[1] + 1e-5
    middle = float(np.sqrt(np.prod(CONTRASTS)))
    assert (changed.log().mean().exp() - middle).abs() < 0.1


def test_constant_images_give_zeros():
    patches, windows = PatchSampler([np.ones((5, 5), np.float32)], 3).draw(
        np.random.default_rng(0), 2
    )
    assert not patches.any()
    assert windows.tolist() == [1, 1]


def test_another_default_device_does_not_matter():
    with torch.device("meta"):
        patches, windows = PatchSampler([np.eye(5, dtype=np.float32)], 3).draw(
            np.random.default_rng(0), 2
        )
    assert {patches.device.type, windows.device.type} == {"cpu"}
