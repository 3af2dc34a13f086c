"""The extinction time, and bounds from below: never above it, and sharp where they say so."""

import numpy as np
import pytest
import skimage
import torch
from hypothesis import given
from hypothesis import strategies as st

from exact_flow import extinction, signals
from skimage_tvflow import ChambolleTVFlow, StoppedByCallback, extinction_time, geometric_times
from skimage_tvflow.core import extinction_time as module
from skimage_tvflow.core.extinction import coarse_remaining_time, pixel_time, remaining_time

BOUNDS = pytest.mark.parametrize("bound", [remaining_time, coarse_remaining_time])


def by_pixel(u, spacing):
    return pixel_time(u.flatten(1).std(1, correction=0).numpy(), spacing)


@pytest.mark.parametrize("bound", [remaining_time, coarse_remaining_time, by_pixel])
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_never_above_the_extinction_time(bound, data, seed):
    n = data.draw(st.integers(1, 3))
    shape = data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    spacing = data.draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n))
    rng = np.random.default_rng(seed)
    image = rng.standard_normal(shape) * rng.integers(0, 2, shape)
    u = torch.from_numpy(image - image.mean())[None, None]
    found = float(bound(u, spacing)[0])
    assert 0 <= found <= extinction_time(image, rtol=1e-3, spacing=spacing) * 1.002


@BOUNDS
@pytest.mark.parametrize("axis", [0, 1])
def test_sharp_for_two_halves(bound, axis):
    # The step of height 1 shrinks by 1/8 at either side.
    u = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    u.narrow(2 + axis, 8, 8).fill_(1)
    assert float(bound(u - u.mean(), [1.0, 1.0])[0]) == pytest.approx(4)


def test_blocks_see_through_noise():
    rng = np.random.default_rng(0)
    image = np.repeat([[0.0], [1.0]], 32, axis=0) + 0.5 * rng.standard_normal((64, 64))
    u = torch.from_numpy(image - image.mean())[None, None]
    spacing = [1.0, 1.0]
    assert coarse_remaining_time(u, spacing)[0] > 10 * remaining_time(u, spacing)[0]


@BOUNDS
def test_constant_images_have_no_time_left(bound):
    u = torch.full((2, 1, 8, 8), 1e-3)
    u[1, 0, :4] = -1e-3
    assert bound(u, [1.0, 1.0])[0] == 0
    assert bound(u, [1.0, 1.0])[1] > 0


def camera(*shape):
    return skimage.transform.resize(skimage.data.camera() / 255, shape, anti_aliasing=True)


def images():
    y, x = np.indices((40, 40))
    ball = np.linalg.norm(np.indices((12, 12, 12)) - 5.0, axis=0) < 4
    noise = np.random.default_rng(0).random
    return {
        "photograph": camera(48, 48),
        "long photograph": camera(8, 120),
        "bricks": skimage.transform.resize(skimage.data.brick() / 255, (64, 64)),
        "noise": noise((32, 32)),
        "disc": 1.0 * (np.hypot(y - 20, x - 16) < 9),
        "cartoon": 0.5 * (x > 12) * (y > 8)
        + 0.3 * (y > 30)
        - 0.4 * (abs(x - 28) + abs(y - 12) < 6),
        # The strong, small structures hide a faint, large one that lasts longer.
        "faint halves under a checkerboard": (x + y) % 2 + 0.06 * (x >= 20),
        "faint halves under a spot": 3.0 * (np.hypot(y - 20, x - 9) < 3) + 0.05 * (x >= 20),
        "ball in noise": ball + 0.3 * noise((12, 12, 12)),
    }


def check_by_the_flow(image, found, rtol):
    """If it is right to rtol, the truth is between these times."""
    first, last = found / (1 + rtol), found / (1 - rtol)
    tol = 1e-4 if rtol < 0.1 else 1e-3
    before, after = ChambolleTVFlow(tol=tol).transform(image, [first, last])
    assert after.std() <= 2 * tol * image.std()
    assert before.std() > 4 * tol * image.std()


class TestExtinctionTime:
    @pytest.mark.parametrize("name", images())
    @pytest.mark.parametrize("rtol", [0.5, 0.1, 0.01])
    def test_the_flow_ends_there(self, name, rtol):
        image = images()[name]
        check_by_the_flow(image, extinction_time(image, rtol=rtol), rtol)

    def test_four_axes_have_no_coarse_grids(self, monkeypatch):
        image = np.random.default_rng(0).random((8, 8, 8, 8))
        expected = extinction_time(image)
        monkeypatch.setattr(module, "_COARSE_SIDE", 1)
        assert extinction_time(image) == expected

    @pytest.mark.parametrize("name", ["fur", "noise over a photograph", "odd sides"])
    def test_coarse_grids_are_believed_only_where_they_are_right(self, name):
        noise = np.random.default_rng(0).standard_normal((256, 256))
        image = {
            "fur": lambda: skimage.data.chelsea()[..., 1] / 255,
            "noise over a photograph": lambda: camera(256, 256) + noise,
            "odd sides": lambda: skimage.data.coins()[:191, :257] / 255,
        }[name]()
        truth = extinction_time(image, rtol=1.5e-3)
        for rtol in (0.1, 0.01):
            assert extinction_time(image, rtol=rtol) == pytest.approx(truth, rel=rtol)

    @given(signals(), st.sampled_from([0.25, 1.0, 3.0]))
    def test_of_a_signal_is_exact(self, signal, h):
        assert extinction_time(signal, spacing=h) == pytest.approx(extinction(signal, h), rel=1e-12)
        column = extinction_time(signal[:, None], spacing=(h, 1.0))
        assert column == pytest.approx(extinction(signal, h), rel=1e-12)

    def test_an_offset_is_no_structure(self):
        """In float32 the mean cannot be taken off exactly; what is left of it never vanishes."""
        image = (1e4 + np.random.default_rng(0).random((24, 24))).astype("f4")
        exact = extinction_time(image.astype("f8") - 1e4, rtol=1e-3)
        check_by_the_flow(image.astype("f8") - 1e4, exact, 0.01)
        assert extinction_time(image, rtol=1e-3) == pytest.approx(exact, rel=1e-3)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_ends_however_small_the_tolerance(self, dtype):
        image = camera(12, 12).astype(dtype)
        found = extinction_time(image, rtol=1e-12)
        assert extinction_time(100 * image + 300, rtol=1e-4) == pytest.approx(100 * found, rel=1e-3)

    def test_items_and_channels_are_found_one_by_one(self):
        one, two = camera(20, 24), 3 * camera(20, 24).T.reshape(20, 24)
        stack = np.stack([one, two, np.zeros_like(one)])
        single = [extinction_time(item) for item in (one, two)]
        np.testing.assert_allclose(extinction_time(stack, batch_axis=0), [*single, 0], rtol=1e-9)
        assert extinction_time(stack, channel_axis=0) == pytest.approx(max(single), rel=1e-9)
        # A colour image of gray is extinct when its channels are, sqrt(3) times later.
        gray = np.stack([one] * 3)
        coupled = extinction_time(gray, channel_axis=0, coupled_channels=True)
        assert coupled == pytest.approx(np.sqrt(3) * single[0], rel=0.02)

    @pytest.mark.parametrize("function", [extinction_time, geometric_times])
    def test_callback(self, function):
        image = camera(96, 96)
        told = []
        found = function(image, rtol=1e-3, callback=told.append)
        assert (np.diff(told) >= 0).all()
        assert 0 <= told[0] < 1
        assert told[-1] == 1
        assert len(told) > 3
        np.testing.assert_array_equal(found, function(image, rtol=1e-3))
        with pytest.raises(StoppedByCallback):
            function(image, rtol=1e-3, callback=lambda progress: progress > 0.1)
        with pytest.raises(TypeError, match="callback must be a function"):
            function(image, callback=3)


@pytest.mark.parametrize(
    ("dtype", "offset", "size"), [("f4", 1e4, 1), ("f4", 1e6, 1), ("f8", 1e6, 1e-6)]
)
def test_an_offset_is_no_structure(dtype, offset, size):
    noise = np.random.default_rng(1).random((24, 24))
    image = (offset + size * noise).astype(dtype)
    # The differences of neighbours in precision are exact; so is this image without its offset.
    centred = (image - image[0, 0]).astype(np.float64) / size
    expected = size * extinction_time(centred - centred.mean(), rtol=1e-3)
    for rtol in (1e-3, 1e-4):
        assert extinction_time(image, rtol=rtol) == pytest.approx(expected, rel=2e-3)
    assert geometric_times(image, 3)[-1] == pytest.approx(expected, rel=0.05)
