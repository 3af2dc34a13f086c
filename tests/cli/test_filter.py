from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow import spectral_decompose

TIMES = [0.02, 0.1, 0.5, 1.0]
TYPED = [word for t in TIMES for word in ("-t", t)]


@pytest.fixture
def filtered(tvflow, noise_tif, tmp_path):
    """Filter the noise: the result."""

    def call(*options):
        outcome = tvflow("filter", noise_tif, *options, "--force", "-o", tmp_path / "a.tif")
        assert outcome.status == 0, outcome.err
        return tifffile.imread(tmp_path / "a.tif")

    return call


@pytest.fixture
def parts(noise_tif):
    return spectral_decompose(tifffile.imread(noise_tif), TIMES)


@pytest.mark.parametrize(
    ("options", "method", "cuts"),
    [
        (("--band", 0.1, 0.5), "band_pass", (0.1, 0.5)),
        (("--band", 0.1, 0.5, "--stop"), "band_stop", (0.1, 0.5)),
        (("--low", 0.1), "low_pass", (0.1,)),
        (("--high", 0.1), "high_pass", (0.1,)),
    ],
)
def test_each_filter_is_that_of_the_library(filtered, parts, options, method, cuts):
    expected = getattr(parts, method)(*cuts)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(filtered(*options, *TYPED), expected, atol=1e-6)


@pytest.mark.parametrize("times", [(), ("--times", 6), TYPED])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("--band", 0.02, 0.3), ("--band", 0.02, 0.3, "--stop")),
        (("--low", 0.1), ("--high", 0.1)),
    ],
)
def test_what_is_kept_and_what_is_not_are_the_image(filtered, noise_tif, one, other, times):
    kept, rest = filtered(*one, *times), filtered(*other, *times)
    assert min(kept.std(), rest.std()) > 1e-3
    np.testing.assert_allclose(kept + rest, tifffile.imread(noise_tif), atol=1e-6)


def test_says_how_many_bands_are_kept(tvflow, noise_tif, tmp_path):
    output = tmp_path / "a.tif"
    options = (noise_tif, *TYPED, "--force", "-o", output)
    outcome = tvflow("filter", *options, "--low", 0.1)
    assert outcome.out.startswith(f"{noise_tif} -> {output}: 2 of 3 bands kept; ")
    outcome = tvflow("filter", *options, "--band", 0.1, 0.5, "--stop", "--json")
    (record,) = outcome.json["files"]
    assert (record["bands_kept"], record["times"]) == (2, TIMES[:-1])


@pytest.mark.parametrize(("t", "which"), [(0.01, "all"), (5, "none")])
def test_a_cut_beside_all_bands_is_warned_about(tvflow, noise_tif, tmp_path, t, which):
    outcome = tvflow("filter", noise_tif, *TYPED, "--low", t, "-o", tmp_path / "a.tif")
    assert outcome.status == 0
    assert outcome.err.startswith(
        f"warning: {noise_tif}: {which} of the 3 bands are kept; they vanish between t = 0.02 and "
        "t = 0.5. Try a time between these, or more --times"
    )
    assert outcome.err.count("\n") == 1


def test_with_the_residual_integers_stay_integers(tvflow, refused, step_png, tmp_path):
    # the jump vanishes at 400
    options = (step_png, "-t", 100, "-t", 400, "-t", 600, "--tol", 1e-6)
    assert tvflow("filter", *options, "--low", 200, "-o", tmp_path / "a.png").status == 0
    np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), imageio.imread(step_png))
    options = (*options, "--force", "-o", tmp_path / "a.png")
    assert tvflow("filter", *options, "--band", 200, 500, "--stop").status == 0
    np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), 100)
    for others in ("--high", 200), ("--band", 200, 500):
        message = refused(*options, *others, command="filter")
        assert "many values are negative, which .png files cannot hold" in message
        assert message.endswith(f"-o {tmp_path / 'a.tif'}")


def test_folder(tvflow, noise_tif, step_png, tmp_path):
    assert tvflow("filter", tmp_path, *TYPED, "--low", 0.1, "-o", tmp_path / "out").status == 0
    names = sorted(entry.name for entry in (tmp_path / "out").iterdir())
    assert names == ["noise_filtered.tif", "step_filtered.tif"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "",
            "none of --band, --low and --high is given, and just one is needed. "
            "Type, for example, --band 0.5 2",
        ),
        (
            "--low 1 --high 2",
            "more than one of --band, --low and --high is given, and just one is needed. "
            "Type, for example, --band 0.5 2",
        ),
        (
            "--low 1 --stop",
            "--stop needs --band. Leave it out, or type --band 0.5 2 --stop",
        ),
        ("--low 0", "A band needs t1 < t2, got t1=0.0 and t2=0.0."),
        ("--high nan", "A band needs t1 < t2, got t1=0.0 and t2=nan."),
        ("--band 2 0.5", "A band needs t1 < t2, got t1=2.0 and t2=0.5."),
        ("--band 1 x", "Invalid value for '--band': "),
    ],
)
def test_what_is_to_be_kept_must_be_clear(refused, step_tif, tmp_path, options, message):
    given = refused(step_tif, *options.split(), "-o", tmp_path / "a.tif", command="filter")
    assert given.startswith(f"error: {message}")
