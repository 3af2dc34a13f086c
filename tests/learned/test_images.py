"""What can be learned from, as separate images of mean 0 and size 1."""

import numpy as np
import pytest
import torch

from skimage_tvflow.learned.images import as_image_list, split_image, split_images


def test_collections():
    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, k):
            return np.eye(3) * k, "label"

    entries = as_image_list(Pairs())
    np.testing.assert_array_equal(entries, [np.zeros((3, 3)), np.eye(3)])
    images = [np.eye(3), np.eye(4)]
    assert as_image_list(images) is images
    assert as_image_list([]) == []
    for one in (np.eye(3), [[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0]):
        assert as_image_list(one) is None


@pytest.mark.parametrize("scale", [1e-300, 1.0, 3e38, 1.7e308])
def test_items_and_channels_are_standardised(scale):
    u = np.random.default_rng(0).uniform(-1, 1, (2, 3, 5, 6)) * scale
    found = split_image(torch.from_numpy(u))
    assert len(found) == 6
    for image, original in zip(found, u.reshape(6, 5, 6) / scale):
        assert image.dtype == np.float32
        assert 0.5 <= np.abs(image).max() < 1
        factor = np.abs(original - original.mean()).max() / np.abs(image).max()
        np.testing.assert_allclose(image * factor, original - original.mean(), atol=1e-6)
        if scale == 1:
            assert np.log2(factor) == pytest.approx(round(np.log2(factor)), abs=1e-6)


def test_a_small_contrast_on_a_large_offset_is_kept():
    u = np.random.default_rng(0).random((1, 1, 5, 6))
    (image,) = split_image(torch.from_numpy(u + 1e8))
    assert np.corrcoef(image.ravel(), u.ravel())[0, 1] > 1 - 1e-9


@pytest.mark.parametrize("value", [0.0, 3.7, 1e-320, -1e300])
def test_constant_images_are_zero(value):
    (image,) = split_image(torch.full((1, 1, 5, 6), value, dtype=torch.float64))
    assert not image.any()


def test_signals_are_images_of_one_row():
    assert split_image(torch.randn(2, 1, 9))[0].shape == (1, 9)


def test_a_list_goes_by_the_axes():
    stacks = [np.random.default_rng(0).random((2, 5, 6, 3)), np.ones((1, 4, 4, 3))]
    found = split_images(stacks, batch_axis=0, channel_axis=-1, spacing=None)
    assert [image.shape for image in found] == [(5, 6)] * 6 + [(4, 4)] * 3
