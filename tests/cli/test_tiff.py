from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from skimage_tvflow.cli.files import read_picture

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


def test_units_of_imagej_are_kept(tvflow, tmp_path, volume):
    axes, page, description = flow_of(
        tvflow, tmp_path, volume, imagej=True, resolution=RESOLUTION,
        metadata={"axes": "ZYX", "unit": "um", "spacing": 2.5},
    )  # fmt: skip
    assert axes == "TZYX"
    assert (description["unit"], description["spacing"]) == ("um", 2.5)
    assert page.resolution == (5, 10)


def test_pixel_sizes_of_ome_are_kept(tvflow, tmp_path, volume):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    _, _, description = flow_of(
        tvflow, tmp_path, volume, name="in.ome.tif", ome=True, metadata=metadata
    )
    assert float(description["PhysicalSizeX"]) == 0.5
    assert description["PhysicalSizeXUnit"] == "µm"


def test_spacing_is_not_taken_from_the_file(tvflow, tmp_path, volume):
    for name, resolution in (("a", None), ("b", RESOLUTION)):
        tifffile.imwrite(tmp_path / f"{name}.tif", volume, resolution=resolution)
        tvflow("flow", tmp_path / f"{name}.tif", "-t", 0.1, "-o", tmp_path / f"{name}_out.tif")
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "a_out.tif"), tifffile.imread(tmp_path / "b_out.tif")
    )


def test_a_time_series_keeps_its_t(tvflow, tmp_path, volume):
    axes, _, _ = flow_of(tvflow, tmp_path, volume, "--batch-axis", 0, metadata={"axes": "TYX"})
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
    picture = read_picture(tmp_path / "out.tif")
    assert picture.channel_axis(None, None) == channel + 1  # its own output is read the same way


def test_three_pages_are_no_channels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 5), np.uint8), photometric="minisblack")
    assert read_picture(tmp_path / "a.tif").channel_axis(None, None) is None


def test_a_batch_of_channels_is_no_channel_axis(tmp_path):
    image = np.zeros((3, 4, 5), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", metadata={"axes": "CYX"})
    assert read_picture(tmp_path / "a.tif").channel_axis(None, -3) is None


def test_two_axes_of_channels_must_be_chosen_from(refused, tmp_path):
    image = np.zeros((2, 4, 5, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", metadata={"axes": "CYXS"})
    message = refused(tmp_path / "a.tif", "-t", 1, "-o", tmp_path / "b.tif")
    assert "two axes of channels (CYXS" in message
    assert "--channel-axis 0 or --channel-axis 3" in message
