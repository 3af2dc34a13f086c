"""What is read from files of all kinds: rightly and whole, or not at all."""

from __future__ import annotations

import os

import imagecodecs
import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from skimage_tvflow.cli import files
from skimage_tvflow.cli.files import read_picture
from skimage_tvflow.cli.program import BadImage


def values(shape, dtype):
    """Return values that use all bits of the type."""
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("a.png", (5, 7), np.uint8),
        ("a.png", (5, 7), np.uint16),
        ("a.png", (5, 7, 3), np.uint8),
        ("a.png", (5, 7, 3), np.uint16),
        ("a.bmp", (5, 7, 3), np.uint8),
        ("a.ppm", (5, 7, 3), np.uint8),
        ("a.pgm", (5, 7), np.uint16),
        ("a.npy", (5, 7), np.int64),
    ],
)
def test_values_keep_all_their_bits(tmp_path, name, shape, dtype):
    image = values(shape, dtype)
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, image)
    elif name == "a.pgm":
        path.write_bytes(b"P5 7 5 65535\n" + image.astype(">u2").tobytes())
    elif name == "a.png":
        path.write_bytes(imagecodecs.png_encode(image))
    else:
        imageio.imwrite(path, image)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.array, image)
    assert picture.array.dtype == dtype
    assert picture.axes == "YXS"[: len(shape)]


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits"])
def test_compressed_tiff(tmp_path, compression):
    image = values((20, 30), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").array, image)


@pytest.mark.parametrize(("shape", "axes"), [((7,), "X"), ((3, 4), "YX"), ((2, 3, 4), "QYX")])
def test_arrays_of_numpy(tmp_path, shape, axes):
    array = np.random.default_rng(0).random(shape)
    np.save(tmp_path / "a.npy", array)
    picture = read_picture(tmp_path / "a.npy")
    np.testing.assert_array_equal(picture.array, array)
    assert picture.axes == axes


@pytest.mark.parametrize("dtype", ["float16", "uint64", "bool", "int8"])
def test_odd_types_are_computed_rightly(tvflow, tmp_path, step, dtype):
    tifffile.imwrite(tmp_path / "a.tif", step.astype(dtype))
    output = tmp_path / "b.tif"
    outcome = tvflow("flow", tmp_path / "a.tif", "-t", 0.4, "--tol", 1e-6, "-o", output)
    assert outcome.status == 0, outcome.err
    np.testing.assert_allclose(tifffile.imread(output)[:, [0, -1]], [[0.1, 0.9]] * 6, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n_channels", [2, 4])
def test_alpha_is_not_smoothed(tvflow, tmp_path, step, dtype, n_channels):
    image = values((6, 8, n_channels), dtype)
    largest = np.iinfo(dtype).max
    image[..., :-1] = (largest * step[..., None]).astype(dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    options = ("--unit-range", "-t", 0.4, "--tol", 1e-6)
    for name in "b.png", "b.tif":
        outcome = tvflow("flow", tmp_path / "a.png", *options, "-o", tmp_path / name)
        assert "its alpha channel is not smoothed: images keep it as it is" in outcome.err
    written = imagecodecs.png_decode((tmp_path / "b.png").read_bytes())
    np.testing.assert_array_equal(written[..., -1], image[..., -1])
    np.testing.assert_allclose(written[0, 0, :-1], 0.1 * largest, atol=1)
    written = tifffile.imread(tmp_path / "b.tif")
    np.testing.assert_allclose(written[..., -1], image[..., -1] / largest, rtol=1e-6)
    np.testing.assert_allclose(written[0, 0, :-1], 0.1, atol=1e-5)
    again = read_picture(tmp_path / "b.tif")
    np.testing.assert_array_equal(again.alpha, written[..., -1:])


def test_bands_have_no_alpha(tvflow, tmp_path, step):
    image = np.dstack([200 * step, 100 * step, 50 * step, 255 - step]).astype(np.uint8)
    imageio.imwrite(tmp_path / "a.png", image)
    tvflow("spectrum", tmp_path / "a.png", "-t", 10, "-t", 500, "-o", tmp_path / "b")
    total = tifffile.imread(tmp_path / "b_bands.tif") + tifffile.imread(tmp_path / "b_residual.tif")
    np.testing.assert_allclose(total.reshape(6, 8, 3), image[..., :3], atol=1e-3)


def test_a_palette_is_applied(tmp_path):
    image = Image.new("P", (5, 3))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((1, 2), 1)
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.array.shape == (3, 5, 3)
    assert picture.array[2, 1].tolist() == [10, 20, 30]
    image.save(tmp_path / "a.gif")
    assert read_picture(tmp_path / "a.gif").axes == "YXS"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_exif_orientation_is_honoured(tmp_path, orientation, suffix):
    image = Image.fromarray(np.kron(values((2, 3), np.uint8), np.ones((8, 8), np.uint8)))
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    # Pillow turns TIFF files in loading, so the truth is that of a PNG file.
    truth = tmp_path / "truth.png" if suffix == ".tif" else path
    image.save(truth, exif=exif)
    with Image.open(truth) as saved:
        upright = np.asarray(ImageOps.exif_transpose(saved))
    np.testing.assert_array_equal(read_picture(path).array, upright)


def test_more_pixels_than_pillow_wants_to_read(tmp_path, step, monkeypatch):
    imageio.imwrite(tmp_path / "a.png", (200 * step).astype(np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # of 48: Pillow warns, and reads it
    assert read_picture(tmp_path / "a.png").array.shape == (6, 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(BadImage, match=r"has more pixels than Pillow reads. Save it as a TIFF"):
        read_picture(tmp_path / "a.png")


def test_alpha_in_a_plane_of_its_own(tmp_path):
    image = values((4, 5, 7), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", planarconfig="separate")
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.alpha[..., 0], image[3])
    np.testing.assert_array_equal(picture.array, np.moveaxis(image[:3], 0, -1))


def save_cmyk(path):
    Image.new("CMYK", (8, 6)).save(path, "JPEG")


def save_animation(path):
    frames = [Image.new("RGB", (5, 3), (80 * k, 9, 0)) for k in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def save_photograph_with_preview(path):
    Image.new("RGB", (16, 8)).save(
        path, "MPO", save_all=True, append_images=[Image.new("RGB", (4, 2))]
    )


def save_jpeg_2000(path):
    path.write_bytes(imagecodecs.jpeg2k_encode(values((40, 50, 3), np.uint16)))


def save_deep_ppm(path):
    path.write_bytes(b"P6 3 2 65535\n" + bytes(36))


def save_rescaled_pgm(path):
    path.write_bytes(b"P5 3 2 100\n" + bytes(6))


@pytest.mark.parametrize(
    ("name", "save", "words"),
    [
        (
            "a.jpg",
            save_cmyk,
            "stores its values as CMYK in JPEG, which would be changed .*. Convert it",
        ),
        ("a.gif", save_animation, "holds 3 images. Save each as a file, or all as a TIFF stack"),
        ("a.png", save_animation, "holds 3 images. Save each as a file, or all as a TIFF stack"),
        ("a.webp", save_animation, "holds 3 images. Save each as a file, or all as a TIFF stack"),
        ("a.ppm", save_deep_ppm, "which would be changed in reading. Convert it to TIFF"),
        ("a.jpg", save_photograph_with_preview, "holds 2 images. Save each as a file"),
        ("a.jp2", save_jpeg_2000, "stores its values as RGB in JPEG2000.*. Convert it to TIFF"),
        ("a.pgm", save_rescaled_pgm, "which would be changed in reading. Convert it to TIFF"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(tmp_path, name, save, words):
    save(tmp_path / name)
    with pytest.raises(BadImage, match=words):
        read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"", "is no image file that can be read. Type another file"),
        ("a.png", b"hello\n", "is no image file that can be read. Type another file"),
        ("a", b"hello\n", "is no image file that can be read. Type another file"),
        ("a.tif", b"hello\n", "is no image file that can be read. Type another file"),
        ("a.npy", b"hello you\n", "is no image file that can be read. Type another file"),
        ("a.tif", b"II*\0\x08\0\0\0\xff", "is damaged or incomplete ("),
    ],
)
def test_what_is_no_image_is_said_in_three_parts(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadImage) as error:
        read_picture(tmp_path / name)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / name} {words}")
    assert "type another file" in message.lower()
    assert "\n" not in message


@pytest.mark.parametrize("suffix", [".npy", ".png", ".jpg", ".tif"])
def test_half_a_file_is_damaged(tmp_path, suffix):
    path, noise = tmp_path / f"a{suffix}", values((32, 32), np.uint8)
    np.save(path, noise) if suffix == ".npy" else imageio.imwrite(path, noise)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadImage, match=r"is damaged or incomplete \(.*\). Copy"):
        read_picture(path)


def test_no_pickle_is_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BadImage, match="Object arrays cannot be loaded"):
        read_picture(tmp_path / "a.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
@pytest.mark.parametrize("command", ["flow", "train"])
def test_a_pipe_is_not_opened(refused, tmp_path, command):
    os.mkfifo(tmp_path / "pipe.tif")
    output = tmp_path / ("a.tif" if command == "flow" else "a.safetensors")
    message = refused(tmp_path / "pipe.tif", "-o", output, command=command)
    assert "pipe.tif is a pipe or a device. Save what it gives to a file" in message


def test_a_fault_of_the_reader_is_not_blamed_on_the_file(tvflow, step_png, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_MODES", None)
    outcome = tvflow("flow", step_png, "-t", 1, "-o", tmp_path / "a.tif")
    assert outcome.status == 1
    assert outcome.err.startswith("error: internal fault: TypeError: ")


def test_out_of_memory_names_the_size(refused, step_png, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise MemoryError("Unable to allocate 3 TiB")

    monkeypatch.setattr(files, "_decode", full)
    message = refused(step_png, "-t", 1, "-o", tmp_path / "a.tif")
    assert "out of memory (Unable to allocate 3 TiB). The file alone has" in message
