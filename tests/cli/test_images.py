from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
import skimage
from PIL import Image

from skimage_tvflow.cli.files import read_picture
from skimage_tvflow.cli.program import CliError


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


def save(path, array):
    np.save(path, array)
    return path.read_bytes()


def png(path, array):
    imageio.imwrite(path, array)
    return path.read_bytes()


# imageio asks all its plugins before it gives up, also those it will drop.
@pytest.mark.filterwarnings("ignore:The legacy:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"", "is empty, it has 0 bytes; an image is needed"),
        ("a.tif", b"", "is empty, it has 0 bytes; an image is needed"),
        ("a.npy", b"", "is empty, it has 0 bytes; an image is needed"),
        ("a.png", b"hello\n", "is not an image file; TIFF, PNG"),
        ("a", b"hello\n", "is not an image file; TIFF, PNG"),
        ("a.txt", b"hi\n", "is not an image file; TIFF, PNG"),
        ("a.xyz", b"hello\n", "is not an image file; TIFF, PNG"),
        ("a.tif", b"hello\n", "is not a TIFF file; TIFF, PNG"),
        ("a.npy", b"hello you\n", "is not a NumPy array of numbers; TIFF, PNG"),
        ("a.tif", b"hi", "is not a TIFF file; TIFF, PNG"),
        ("a.tif", b"II*\0\x08\0\0\0\xff", "is damaged ("),
    ],
)
def test_what_is_no_image_is_said_in_three_parts(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CliError) as error:
        read_picture(tmp_path / name)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / name} {words}")
    assert "type another file" in message.lower()
    assert "\n" not in message
    assert "backend" not in message
    assert "<bytes>" not in message


@pytest.mark.parametrize("write", [save, png])
def test_half_a_file_is_damaged(tmp_path, write):
    path = tmp_path / f"a.{'npy' if write is save else 'png'}"
    noise = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
    path.write_bytes(write(path, noise)[:600])
    with pytest.raises(CliError, match=r"is damaged \(.*whole image is needed. Copy or save"):
        read_picture(path)


@pytest.mark.parametrize(("shape", "axes"), [((7,), "X"), ((3, 4), "YX"), ((2, 3, 4), "QYX")])
def test_arrays_of_numpy(tmp_path, shape, axes):
    array = np.random.default_rng(0).random(shape)
    np.save(tmp_path / "a.npy", array)
    picture = read_picture(tmp_path / "a.npy")
    np.testing.assert_array_equal(picture.array, array)
    assert (picture.axes, picture.channel_axis(None, None)) == (axes, None)


def test_no_pickle_is_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CliError, match="is not a NumPy array of numbers"):
        read_picture(tmp_path / "a.npy")
