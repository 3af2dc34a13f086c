from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from skimage_tvflow import (
    ChambolleTVFlow,
    SpectralDecomposition,
    plot_bands,
    plot_scale_space,
    plot_spectrum,
    spectral_decompose,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

GEOMETRIC = np.geomspace(0.01, 1, 6)


@pytest.fixture(autouse=True)
def _figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def parts(image):
    return spectral_decompose(image, GEOMETRIC)


def made_of(bands, residual, times):
    """A decomposition of which only the pictures matter."""
    ones = np.ones(len(times))
    return SpectralDecomposition(times, bands, residual, ones, np.ones(len(times) + 1), ones)


def shown(ax):
    (picture,) = ax.images
    return np.asarray(picture.get_array())


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_the_line_is_the_spectrum(parts, kind):
    ax = plot_spectrum(parts, kind=kind)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), parts.times)
    np.testing.assert_array_equal(line.get_ydata(), parts.power_spectrum(kind))
    assert ax.get_xlabel() == "time t"
    assert kind.upper() in ax.get_ylabel()


@pytest.mark.parametrize(
    ("times", "scale"),
    [
        (GEOMETRIC, "log"),
        (np.array([*GEOMETRIC[:-1], 0.97 * GEOMETRIC[-1]]), "log"),
        (np.linspace(0.1, 1, 6), "linear"),
        (np.array([0.1, 1]), "linear"),
    ],
)
def test_geometric_times_have_a_logarithmic_axis(times, scale):
    empty = np.zeros((len(times), 4, 4))
    assert plot_spectrum(made_of(empty, empty[0], times)).get_xscale() == scale


def test_a_batch_has_a_line_for_every_image(image):
    stack = np.stack([image, 2 * image])
    parts = spectral_decompose(stack, GEOMETRIC, flow=ChambolleTVFlow(batch_axis=0))
    ax = plot_spectrum(parts)
    for k, line in enumerate(ax.lines):
        np.testing.assert_array_equal(line.get_ydata(), parts.spectrum[:, k])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["image 0", "image 1"]


def test_another_kind_of_spectrum(parts):
    with pytest.raises(ValueError, match=r"kind must be 'l1' or 'l2', got 'l3'\. Pass"):
        plot_spectrum(parts, kind="l3")
    assert plt.get_fignums() == []


def test_groups_of_bands_add_up_to_the_image(parts, image):
    axes = plot_bands(parts, n=3).ravel()
    images = [shown(ax) for ax in axes]
    assert len(images) == 4
    np.testing.assert_allclose(images[0], parts.bands[:2].sum(0))
    np.testing.assert_allclose(sum(images), image, atol=1e-12)
    titles = [ax.get_title() for ax in axes]
    assert titles == ["t = 0.01 to 0.025", "t = 0.063 to 0.16", "t = 0.4", "residual"]
    for ax in axes[:-1]:
        low, high = ax.images[0].get_clim()
        assert low == -high < 0
    assert axes[-1].images[0].get_clim() == pytest.approx((image.min(), image.max()))


def test_as_many_groups_as_there_are_axes_or_bands(parts):
    given = plt.figure().subplots(2, 2)
    axes = plot_bands(parts, given)
    assert (axes == given).all()
    assert all(ax.images for ax in axes.ravel())
    given = plt.figure().subplots(2, 4)
    assert [len(ax.images) for ax in plot_bands(parts, given).ravel()] == 6 * [1] + 2 * [0]
    assert not given[1, 3].axison
    assert sum(len(ax.images) for ax in plot_bands(parts, n=100).ravel()) == 6


def test_rounding_is_not_stretched_into_a_picture():
    residual = np.linspace(0, 1, 16).reshape(4, 4)
    bands = np.full((3, 4, 4), 1e-9)
    for ax in plot_bands(made_of(bands, residual, GEOMETRIC[:3])).ravel()[:3]:
        assert ax.images[0].get_clim()[1] == pytest.approx(0.02)


def test_no_colour_is_grey_in_a_band_and_alpha_is_left_out():
    band = np.zeros((8, 8, 4))
    band[0, 0] = [1, -1, 0, 1]
    first = plot_bands(made_of(band[None], np.ones((8, 8, 4)), GEOMETRIC[:1])).ravel()[0]
    assert shown(first).shape == (8, 8, 3)
    np.testing.assert_allclose(shown(first)[0, 0], [1, 0, 0.5])
    np.testing.assert_allclose(shown(first)[1:], 0.5)


@pytest.mark.parametrize("shape", [(4,), (3, 4, 5), (2, 4, 5, 3)])
def test_what_is_no_image_is_refused(shape):
    bands = np.zeros((3, *shape))
    with pytest.raises(ValueError, match=r"has the shape .* is needed\. Pass a 2-D slice"):
        plot_bands(made_of(bands, bands[0], GEOMETRIC[:3]))
    with pytest.raises(ValueError, match=r"a frame has the shape .* is needed\. Pass"):
        plot_scale_space(bands, [1, 2, 3])
    assert plt.get_fignums() == []


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3"])
def test_number_of_groups(parts, n):
    with pytest.raises(ValueError, match=r"n must be an integer >= 1, got .*\. Pass n=7"):
        plot_bands(parts, n=n)


def test_frames_are_shown_with_their_times_in_one_range(image):
    times = [0.0, 0.05, 0.5]
    frames = ChambolleTVFlow().transform(image, times)
    figure = plt.figure()
    axes = plot_scale_space(iter(frames), times, figure.subplots(1, 4))
    for ax, frame in zip(axes, frames, strict=False):
        np.testing.assert_array_equal(shown(ax), frame)
        assert ax.images[0].get_clim() == (image.min(), image.max())
    assert [ax.get_title() for ax in axes] == ["t = 0", "t = 0.05", "t = 0.5", ""]
    assert [ax.axison for ax in axes] == 4 * [False]
    assert plt.get_fignums() == [figure.number]


def test_colour_frames_have_their_range_stretched(image):
    frames = 255 * np.stack([image, image / 2, 1 - image], axis=-1)[None]
    low, high = frames.min(), frames.max()
    ax = plot_scale_space(frames, [0.0]).ravel()[0]
    np.testing.assert_allclose(shown(ax), (frames[0] - low) / (high - low))


def test_a_constant_image_can_be_drawn():
    for shape in (4, 4), (4, 4, 3):
        plot_scale_space(np.ones((1, *shape)), [1.0]).ravel()[0].figure.canvas.draw()


def test_a_single_axes_will_do(image):
    _, ax = plt.subplots()
    assert plot_scale_space([image], [0.0], ax)[0] is ax
    np.testing.assert_array_equal(shown(ax), image)


def test_tensors_are_drawn_as_arrays_are(image, device):
    tensor = torch.tensor(image, device=device)
    parts = spectral_decompose(tensor, GEOMETRIC)
    (line,) = plot_spectrum(parts).lines
    assert len(line.get_xdata()) == 5
    total = sum(shown(ax) for ax in plot_bands(parts).ravel()[:6])
    np.testing.assert_allclose(total, image, atol=1e-12)
    np.testing.assert_array_equal(shown(plot_scale_space(tensor[None], [0]).ravel()[0]), image)


@pytest.mark.parametrize(("frames", "times"), [(2, 3), (0, 0)])
def test_a_time_for_every_frame(image, frames, times):
    with pytest.raises(
        ValueError, match=rf"{frames} frames and {times} times, .* is needed\. Pass"
    ):
        plot_scale_space([image] * frames, [0.1] * times)


def test_too_few_axes(image):
    axes = plt.figure().subplots(1, 2)
    with pytest.raises(ValueError, match=r"axes holds 2, and 3 are needed.*Pass 3 axes"):
        plot_scale_space([image] * 3, [0, 1, 2], axes)


def test_without_matplotlib_it_says_what_to_install(parts, image, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in (
        lambda: plot_spectrum(parts),
        lambda: plot_bands(parts),
        lambda: plot_scale_space([image], [0.0]),
    ):
        with pytest.raises(ImportError, match=r"pip install 'skimage-tvflow\[plot\]'"):
            draw()
