"""Bands: the table, files, presets, and their images."""

import itertools
import math

import numpy as np
import pytest

from napari_tvflow.functions import Band, load_bands, save_bands
from napari_tvflow.model.band_files import PRESETS, preset
from napari_tvflow.model.band_image import band_image, symmetric_limits
from napari_tvflow.model.bands import BandTable
from skimage_tvflow import scale_space


@pytest.fixture(scope="module")
def space(photograph):
    return scale_space(photograph.astype(np.float32), tol=1e-2, refine=False)


def test_a_table_tells_of_its_changes():
    table, told = BandTable(), []
    table.changed.connect(lambda: told.append(len(table)))
    first = table.add(3, 1)
    second = table.add(2, 4, "mine", keep=False)
    assert (first.t1, first.t2, first.name) == (1, 3, "band 1")
    assert first.color != second.color
    table.replace(first.change(t2=9))
    table.replace(table[0])  # nothing new
    table.remove(second.identifier)
    table.remove(second.identifier)
    assert told == [1, 2, 2, 1]
    assert table[0].t2 == 9
    assert table[0].identifier == first.identifier


@pytest.mark.parametrize("ends", [(2, 1), (-1, 1), (1, 1), (math.nan, 1)])
def test_wrong_ends(ends):
    with pytest.raises(ValueError, match="smaller time first"):
        Band("a", *ends)


def test_files(tmp_path):
    bands = [Band("a", 0.0, 1.5), Band("ü", 1.5, math.inf, keep=False, color="#123456")]
    save_bands(tmp_path / "x.json", bands)
    assert load_bands(tmp_path / "x.json") == bands


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}',
    '{"format": "napari-tvflow bands 1", "bands": [{"name": "a", "t1": 2, "t2": 1}]}'])  # fmt: skip
def test_damaged_files(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x.json holds no bands"):
        load_bands(tmp_path / "x.json")


def test_bands_that_divide_all_times_are_the_image(space, photograph):
    edges = [0.0, 3.0, 20.0, 100.0, math.inf]
    parts = [band_image(space, Band("a", *ends)) for ends in itertools.pairwise(edges)]
    np.testing.assert_allclose(sum(parts), photograph, atol=1e-3)


def test_a_band_and_the_rest_are_the_image(space, photograph):
    band = Band("a", 5.0, 40.0)
    rest = band_image(space, band.change(keep=False))
    np.testing.assert_allclose(band_image(space, band) + rest, photograph, atol=1e-3)
    np.testing.assert_array_equal(band_image(space, band), space.band_pass(5.0, 40.0))


def test_a_part_of_a_band(space):
    band = Band("a", 5.0, 40.0)
    np.testing.assert_array_equal(band_image(space, band, np.s_[3]), band_image(space, band)[3])


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("sigma", [0.0, 8.0, 1e4])
def test_presets_are_valid_for_every_image(name, sigma):
    bands = preset(name, contrast=200.0, sigma=sigma, extinction=9000.0)
    assert bands
    assert len({band.color for band in bands}) == len(bands)
    for earlier, later in itertools.pairwise(bands):
        assert earlier.t2 == later.t1


def test_the_noise_preset_removes_noise(photograph):
    noise = np.random.default_rng(0).normal(0, 8, photograph.shape)
    noisy = (photograph + noise).astype(np.float32)
    space = scale_space(noisy, tol=1e-2)
    (band,) = preset("noise", contrast=200.0, sigma=8.0, extinction=space.times[-1])
    left = band_image(space, band) - photograph
    assert left.std() < 0.9 * noise.std()


def test_limits_are_symmetric():
    low, high = symmetric_limits(np.linspace(-3, 1, 1000).reshape(10, 100))
    assert low == -high
    assert 2.9 < high <= 3
    assert symmetric_limits(np.zeros((4, 4))) == (-1, 1)
