from __future__ import annotations

import json

import numpy as np
import ome_types
import pytest
import tifffile
from PIL import Image

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.cli.files import read_picture
from skimage_tvflow.cli.program import BadImage

RESOLUTION = ((5, 1), (10, 1))


def flow_of(tvflow, tmp_path, image, *options, name="in.tif", **written):
    """Write `image` as TIFF, compute two times of its flow and return the file that came out."""
    tifffile.imwrite(tmp_path / name, image, **written)
    output = tmp_path / "out.tif"
    outcome = tvflow("flow", tmp_path / name, "-t", 0, "-t", 0.1, *options, "-o", output)
    assert outcome.status == 0, outcome.err
    with tifffile.TiffFile(output) as tif:
        series = tif.series[0]
        np.testing.assert_array_equal(series.asarray()[0], image)
        assert not tif.is_imagej
        assert not tif.is_ome
        return series.axes, tif.pages.first, json.loads(tif.pages.first.description)


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(0).random((2, 4, 5)).astype(np.float32)


def test_axes_times_and_resolution_are_kept(tvflow, tmp_path, volume):
    axes, page, description = flow_of(
        tvflow, tmp_path, volume, metadata={"axes": "ZYX"}, resolution=RESOLUTION, resolutionunit=3
    )
    assert axes == description["axes"] == "TZYX"
    assert description["times"] == [0.0, 0.1]
    assert page.tags.valueof("XResolution") == (5, 1)
    assert page.tags.valueof("YResolution") == (10, 1)
    assert page.tags.valueof("ResolutionUnit") == 3
    assert page.dtype == np.float32


def test_no_resolution_is_invented(tvflow, tmp_path, volume):
    _, _, description = flow_of(tvflow, tmp_path, volume[0], metadata={"axes": "YX"})
    assert set(description) == {"shape", "axes", "times"}


@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif"])
@pytest.mark.parametrize("kind", ["ImageJ", "OME"])
def test_pixel_sizes_are_found_again_by_imagej_and_ome(tvflow, tmp_path, volume, kind, name):
    if kind == "ImageJ":
        written = {"imagej": True, "resolution": (5, 10)}
        written["metadata"] = {"axes": "ZYX", "unit": "um", "spacing": 2.5}
    else:
        sizes = {"PhysicalSizeX": 200, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 2.5}
        units = {"PhysicalSizeXUnit": "nm"}
        written = {"ome": True, "metadata": {"axes": "ZYX", **sizes, **units}}
    tifffile.imwrite(tmp_path / "in.tif", volume, **written)
    output = tmp_path / name
    outcome = tvflow("flow", tmp_path / "in.tif", "-t", 0, "-t", 0.1, "-o", output)
    assert outcome.status == 0, outcome.err
    with tifffile.TiffFile(output) as tif:
        assert tif.series[0].axes == "TZYX"
        np.testing.assert_array_equal(tif.asarray()[0], volume)
        if tif.is_imagej:
            about = tif.imagej_metadata
            assert (about["unit"], about["spacing"]) == ("um", 2.5)
            assert json.loads(about["times"]) == [0.0, 0.1]
            np.testing.assert_allclose(tif.pages.first.resolution, (5, 10))
    assert tif.is_imagej == (name == "out.tif")
    if name == "out.ome.tif":
        pixels = ome_types.from_tiff(output).images[0].pixels
        found = [pixels.physical_size_z, pixels.physical_size_y, pixels.physical_size_x]
        assert found == pytest.approx([2.5, 0.1, 0.2])
        assert pixels.physical_size_x_unit.value == "µm"
    again = read_picture(output)
    assert again.spacing == pytest.approx({"Z": 2.5, "Y": 0.1, "X": 0.2})


def test_colours_with_pixel_sizes_become_channels(tvflow, tmp_path):
    colour = np.random.default_rng(0).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    about = {"axes": "YXS", "unit": "um"}
    tifffile.imwrite(tmp_path / "in.tif", colour, imagej=True, resolution=(2, 2), metadata=about)
    outcome = tvflow("flow", tmp_path / "in.tif", "-t", 0, "-o", tmp_path / "out.tif")
    assert outcome.status == 0, outcome.err
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.series[0].axes == "CYX"
        np.testing.assert_array_equal(np.moveaxis(tif.asarray(), 0, -1), colour)


def test_pixel_sizes_of_ome_are_kept(tvflow, tmp_path, volume):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    _, _, description = flow_of(
        tvflow, tmp_path, volume, name="in.ome.tif", ome=True, metadata=metadata
    )
    assert float(description["PhysicalSizeX"]) == 0.5
    assert description["PhysicalSizeXUnit"] == "µm"


def record_of(tvflow, path, *options):
    outcome = tvflow("flow", path, "-t", 0.1, *options, "--json", "-o", path.with_name("flow.tif"))
    assert outcome.status == 0, outcome.err
    (path.with_name("flow.tif")).unlink()
    return outcome.json["files"][0], outcome.err


UM = {"unit": "um", "spacing": 2.0}
OME_UNITS = {"PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 500}
OME_UNITS |= {"PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 2, "PhysicalSizeZUnit": "µm"}
OME = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}


@pytest.mark.parametrize(
    ("written", "spacing", "words"),
    [
        ({"imagej": True, "resolution": (2, 4), "metadata": UM}, [2, 0.25, 0.5], "2, 0.25, 0.5 um"),
        ({"ome": True, "metadata": OME}, [2, 0.5, 0.25], "spacing 2, 0.5, 0.25 um from the file"),
        ({"ome": True, "metadata": OME_UNITS}, [2, 0.5, 0.25], "2, 0.5, 0.25 um from the file"),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.5}}, None, "none for axis Z, Y"),
        ({"imagej": True, "resolution": (72, 72), "metadata": {"unit": "inch"}}, None, ""),
        ({"imagej": True, "resolution": (1, 1), "metadata": {"unit": "pixel"}}, None, ""),
    ],
)
def test_sizes_of_voxels(tvflow, tmp_path, volume, written, spacing, words):
    written = {**written, "metadata": {"axes": "ZYX", **written["metadata"]}}
    name = "a.ome.tif" if "ome" in written else "a.tif"
    tifffile.imwrite(tmp_path / name, volume, **written)
    record, err = record_of(tvflow, tmp_path / name)
    assert record["spacing"] == spacing
    assert words in err
    if not words:
        assert err == ""
    if spacing:
        assert "so times are in values x um; --spacing overrides" in err
        tvflow("flow", tmp_path / name, "-t", 0.1, "-o", tmp_path / "b.tif")
        expected = ChambolleTVFlow(spacing=spacing).transform(volume, 0.1)
        np.testing.assert_allclose(tifffile.imread(tmp_path / "b.tif"), expected, atol=1e-6)
        record, err = record_of(tvflow, tmp_path / name, "--spacing", 1)
        assert record["spacing"] == 1
        assert "from the file" not in err
        # what was written says the same as what was read
        assert read_picture(tmp_path / "b.tif").spacing == read_picture(tmp_path / name).spacing


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing"),
    [
        ((20000, 40000), "CENTIMETER", [0.25, 0.5]),
        ((20000, 20000), "CENTIMETER", [0.5, 0.5]),
        ((300, 300), "INCH", None),
        ((118.11, 118.11), "CENTIMETER", None),
        ((204, 98), "INCH", [204 / 98, 1]),  # a fax: only the shape of its pixels
        ((1, 2), "NONE", [0.5, 1]),
        ((1, 1), "NONE", None),
    ],
)
def test_resolution_of_a_plain_tiff(tvflow, tmp_path, step, resolution, unit, spacing):
    tifffile.imwrite(tmp_path / "a.tif", step, resolution=resolution, resolutionunit=unit)
    record, err = record_of(tvflow, tmp_path / "a.tif")
    assert record["spacing"] == (None if spacing is None else pytest.approx(spacing, rel=1e-5))
    assert ("from the file" in err) == (spacing is not None)


@pytest.mark.parametrize("written", [{"imagej": True}, {"ome": True}, {}])
def test_times_of_a_file_are_a_batch(tvflow, tmp_path, step, written):
    name = "a.ome.tif" if "ome" in written else "a.tif"
    stack = np.stack([step, 3 * step])
    tifffile.imwrite(tmp_path / name, stack, metadata={"axes": "TYX"}, **written)
    record, err = record_of(tvflow, tmp_path / name)
    assert record["batch_axis"] == 0
    assert "axis 0 holds 2 times, which are computed as independent images; --volume" in err
    record, err = record_of(tvflow, tmp_path / name, "--volume")
    assert record["batch_axis"] is None
    assert err == ""
    tvflow("flow", tmp_path / name, "-t", 0.4, "--tol", 1e-6, "-o", tmp_path / "b.tif")
    np.testing.assert_allclose(tifffile.imread(tmp_path / "b.tif")[:, 0, -1], [0.9, 2.9], atol=1e-5)


def test_pages_without_a_name_are_a_volume_and_it_is_said(tvflow, tmp_path, volume):
    tifffile.imwrite(tmp_path / "a.tif", volume, photometric="minisblack")
    record, err = record_of(tvflow, tmp_path / "a.tif")
    assert record["batch_axis"] is None
    assert "its 2 pages are taken as one volume; --batch-axis 0 takes" in err
    assert record_of(tvflow, tmp_path / "a.tif", "--batch-axis", 0)[1] == ""
    assert record_of(tvflow, tmp_path / "a.tif", "--volume")[1] == ""


def test_a_file_of_several_series(refused, tvflow, tmp_path, step):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(step)
        tif.write(2 * step[:4, :6])
    message = refused(path, "-t", 1, "-o", tmp_path / "b.tif")
    assert "holds 2 series of images (0 YX (6, 8) float32, 1 YX (4, 6) float32)" in message
    assert "Type --series 0, or another number" in message
    assert "holds 2 series of images" in refused(path, "--series", 2, "-o", tmp_path / "b.tif")
    assert tvflow("flow", path, "--series", 1, "-t", 0, "-o", tmp_path / "b.tif").status == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), 2 * step[:4, :6])
    np.save(tmp_path / "a.npy", step)
    message = refused(tmp_path / "a.npy", "--series", 0, "-t", 1, "-o", tmp_path / "c.tif")
    assert "Leave --series out" in message


def test_sizes_are_those_of_the_series(tmp_path, step):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for size in 0.5, 0.25:
            metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
            tif.write(step, metadata=metadata)
    assert [read_picture(path, k).spacing["X"] for k in (0, 1)] == [0.5, 0.25]


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.995])
@pytest.mark.parametrize("name", ["imagej.tif", "plain.tif", "a.ome.tif", "pages.tif", "zip.tif"])
def test_a_stack_that_was_cut_off(capfd, tmp_path, name, part):
    path = tmp_path / name
    stack = np.random.default_rng(0).random((4, 32, 32)).astype(np.float32)
    if name == "pages.tif":
        with tifffile.TiffWriter(path) as tif:
            for page in stack:
                tif.write(page, contiguous=False, metadata=None)
    else:
        compression = "zlib" if name == "zip.tif" else None
        how = {"imagej": name == "imagej.tif", "compression": compression}
        tifffile.imwrite(path, stack, photometric="minisblack", **how)
    whole = path.read_bytes()
    assert read_picture(path).array.shape == (4, 32, 32)
    path.write_bytes(whole[: int(part * len(whole))])
    if name == "imagej.tif" and part == 0.995:  # all values are in front of what is missing
        np.testing.assert_array_equal(read_picture(path).array, stack)
    else:
        with pytest.raises(BadImage, match="is damaged or incomplete"):
            read_picture(path)
    assert capfd.readouterr() == ("", "")  # what tifffile logs is not for users


def test_an_image_over_several_files(tmp_path, step):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.stack([step, step]), metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as tif:
        text = tif.ome_metadata
    uuid = '<UUID FileName="{}.ome.tif">urn:uuid:{}</UUID>'
    parts = "".join(
        f'<TiffData IFD="0" FirstT="{k}" PlaneCount="1">{uuid.format(n, k)}</TiffData>'
        for k, n in enumerate("ab")
    )
    text = text.replace('<TiffData IFD="0" PlaneCount="2"/>', parts)
    assert text.count("FileName") == 2
    tifffile.imwrite(path, step, description=text.encode(), metadata=None)
    with pytest.raises(BadImage, match="is one of several files that hold an OME image together"):
        read_picture(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_the_smallest_value(tmp_path, step, dtype):
    image = (np.iinfo(dtype).max * step).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite")
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.array, ~image)
    assert picture.notes == ("inverted, as it says that its smallest value is white",)
    tifffile.imwrite(tmp_path / "b.tif", step, photometric="miniswhite")
    with pytest.raises(BadImage, match="stores float32 values as MINISWHITE colours"):
        read_picture(tmp_path / "b.tif")


def test_masks_of_tifffile_and_of_pillow_are_both_right(tmp_path, step):
    mask = step.astype(bool)
    tifffile.imwrite(tmp_path / "a.tif", mask)  # which says that white is 0, and means black
    Image.fromarray(mask).save(tmp_path / "b.tif")
    Image.fromarray(mask).save(tmp_path / "c.tif", tiffinfo={262: 0})  # as a fax is
    for name in "abc":
        np.testing.assert_array_equal(read_picture(tmp_path / f"{name}.tif").array, mask)


def test_indices_and_inks_are_no_values(tmp_path):
    image = np.zeros((4, 5, 4), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="separated")
    with pytest.raises(BadImage, match="stores uint8 values as SEPARATED colours"):
        read_picture(tmp_path / "a.tif")
    colours = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "b.tif", image[..., 0], photometric="palette", colormap=colours)
    with pytest.raises(BadImage, match="stores uint8 values as PALETTE colours"):
        read_picture(tmp_path / "b.tif")


def test_a_time_series_keeps_its_t(tvflow, tmp_path, volume):
    axes, _, _ = flow_of(tvflow, tmp_path, volume, metadata={"axes": "TYX"})
    assert axes == "QTYX"


@pytest.mark.parametrize(
    ("shape", "written", "axes", "channel"),
    [
        ((4, 5, 3), {"photometric": "rgb"}, "TYXS", 2),
        ((4, 5, 4), {"photometric": "rgb"}, "TYXS", 2),
        ((2, 4, 5), {"metadata": {"axes": "CYX"}}, "TCYX", 0),
        ((4, 5, 2), {"photometric": "minisblack", "planarconfig": "contig"}, "TYXC", 2),
        ((3, 4, 5), {"photometric": "rgb", "planarconfig": "separate"}, "TCYX", 0),
    ],
)
def test_channels_are_known_and_kept(tvflow, tmp_path, shape, written, axes, channel):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    assert flow_of(tvflow, tmp_path, image, **written)[0] == axes
    # its own output is read the same way
    assert record_of(tvflow, tmp_path / "out.tif")[0]["channel_axis"] == channel + 1


def test_three_pages_are_no_channels(tvflow, tmp_path):
    image = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack")
    assert record_of(tvflow, tmp_path / "a.tif")[0]["channel_axis"] is None


def test_a_batch_of_channels_is_no_channel_axis(tvflow, tmp_path):
    image = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", metadata={"axes": "CYX"})
    assert record_of(tvflow, tmp_path / "a.tif", "--batch-axis", -3)[0]["channel_axis"] is None


def test_two_axes_of_channels_must_be_chosen_from(refused, tmp_path):
    image = np.zeros((2, 4, 5, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", metadata={"axes": "CYXS"})
    message = refused(tmp_path / "a.tif", "-t", 1, "-o", tmp_path / "b.tif")
    assert "two axes of channels (CYXS" in message
    assert "--channel-axis 0 or --channel-axis 3" in message
