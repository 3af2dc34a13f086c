from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
import skimage
from PIL import Image

from skimage_tvflow._cli._errors import CliError
from skimage_tvflow._cli._images import read_picture


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "axes"),
    [
        ("gray.png", (4, 6), np.uint8, "YX"),
        ("gray.png", (4, 6), np.uint16, "YX"),
        ("alpha.png", (4, 6, 2), np.uint8, "YXS"),
        ("rgb.png", (4, 3, 3), np.uint8, "YXS"),
        ("rgba.png", (4, 4, 4), np.uint8, "YXS"),
        ("rgb.jpg", (4, 6, 3), np.uint8, "YXS"),
        ("gray.bmp", (4, 6), np.uint8, "YX"),
    ],
)
def test_the_format_tells_channels(tmp_path, name, shape, dtype, axes):
    image = np.zeros(shape, dtype)
    imageio.imwrite(tmp_path / name, image)
    picture = read_picture(tmp_path / name)
    assert (picture.array.shape, picture.array.dtype, picture.axes) == (shape, dtype, axes)
    assert picture.channel_axis(None, None) == (2 if "S" in axes else None)


def test_values_are_those_of_scikit_image(tmp_path):
    image = np.random.default_rng(0).integers(0, 2**16, (5, 7)).astype(np.uint16)
    imageio.imwrite(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").array, image)
    np.testing.assert_array_equal(skimage.io.imread(tmp_path / "a.png"), image)


@pytest.mark.parametrize(
    ("frames", "shape", "axes"), [(1, (3, 5, 3), "YXS"), (3, (3, 3, 5, 3), "IYXS")]
)
def test_frames_are_no_channels(tmp_path, frames, shape, axes):
    images = [Image.new("RGB", (5, 3), (80 * i, 9, 0)) for i in range(frames)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    picture = read_picture(tmp_path / "a.gif")
    assert (picture.array.shape, picture.axes) == (shape, axes)


@pytest.mark.parametrize("name", ["broken.tif", "broken.png", "broken.xyz", "empty.tif"])
def test_what_is_no_image_is_said_in_three_parts(tmp_path, name):
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"this is no image" * 9)
    with pytest.raises(CliError) as error:
        read_picture(tmp_path / name)
    message = str(error.value)
    assert str(tmp_path / name) in message
    assert "cannot be read as an image" in message
    assert "is needed: check the file, or convert it" in message
    assert "\n" not in message
