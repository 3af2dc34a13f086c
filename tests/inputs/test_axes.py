"""Axes: every layout of an image reaches the core and comes back."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow.inputs.axes import ImageAxes


@st.composite
def image_axes(draw):
    """Draw axes of images with one to four spatial axes, in every place, coupled or not."""
    n_spatial = draw(st.integers(1, 4))
    has_batch, has_channel = draw(st.booleans()), draw(st.booleans())
    ndim = n_spatial + has_batch + has_channel
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=ndim, max_size=ndim)))
    places = draw(st.permutations(range(ndim)))
    signed = [place - ndim if draw(st.booleans()) else place for place in places]
    return ImageAxes.resolve(
        shape,
        batch_axis=signed[0] if has_batch else None,
        channel_axis=signed[-1] if has_channel else None,
        coupled_channels=has_channel and draw(st.booleans()),
    )


leads = st.sampled_from([(), (3,), (2, 3)])
quick = settings(deadline=None, max_examples=60)


def numbered(*shape):
    return torch.arange(int(np.prod(shape)), dtype=torch.float64).reshape(shape)


def n_channels(axes):
    return 1 if axes.channel_axis is None else axes.shape[axes.channel_axis]


class TestLayout:
    @quick
    @given(axes=image_axes(), lead=leads)
    def test_image_round_trip(self, axes, lead):
        image = numbered(*lead, *axes.shape)
        core = axes.to_core(image)
        coupled = n_channels(axes) if axes.coupled_channels else 1
        assert core.shape == (*lead, *axes.core_shape)
        assert axes.core_shape[1:] == (coupled, *axes.spatial_shape)
        assert core.is_contiguous()
        assert torch.equal(axes.from_core(core), image)

    @quick
    @given(axes=image_axes(), lead=leads)
    def test_dual_round_trip(self, axes, lead):
        dual = numbered(*lead, axes.n_spatial, *axes.shape)
        core = axes.dual_to_core(dual)
        coupled = n_channels(axes) if axes.coupled_channels else 1
        spatial = (axes.n_spatial, *axes.spatial_shape)
        assert core.shape == (*lead, axes.core_shape[0], coupled, *spatial)
        assert core.is_contiguous()
        assert torch.equal(axes.dual_from_core(core), dual)

    @quick
    @given(axes=image_axes())
    def test_core_item_is_batch_times_channels_plus_channel(self, axes):
        image = numbered(*axes.shape)
        core = axes.to_core(image)
        batches = range(axes.batch_shape[0] if axes.batch_shape else 1)
        for b, c in itertools.product(batches, range(n_channels(axes))):
            index = [slice(None)] * len(axes.shape)
            if axes.batch_axis is not None:
                index[axes.batch_axis] = b
            if axes.channel_axis is not None:
                index[axes.channel_axis] = c
            item, channel = (b, c) if axes.coupled_channels else (b * n_channels(axes) + c, 0)
            assert torch.equal(core[item, channel], image[tuple(index)])

    @quick
    @given(axes=image_axes())
    def test_component_of_the_dual_is_a_spatial_axis(self, axes):
        dual = numbered(axes.n_spatial, *axes.shape)
        core = axes.dual_to_core(dual)
        for component in range(axes.n_spatial):
            assert torch.equal(core[:, :, component], axes.to_core(dual[component]))

    def test_properties(self):
        axes = ImageAxes.resolve((5, 32, 48, 3), batch_axis=0, channel_axis=-1)
        assert (axes.batch_axis, axes.channel_axis) == (0, 3)
        assert (axes.spatial_axes, axes.n_spatial, axes.spatial_shape) == ((1, 2), 2, (32, 48))
        assert (axes.core_shape, axes.batch_shape) == ((15, 1, 32, 48), (5,))
        coupled = ImageAxes.resolve((3, 8, 9), channel_axis=0, coupled_channels=True)
        assert (coupled.core_shape, coupled.batch_shape) == ((1, 3, 8, 9), ())
        assert ImageAxes.resolve((7,)).spatial_axes == (0,)

    def test_shape_and_axes_of_other_integer_types(self):
        axes = ImageAxes.resolve(torch.zeros(2, 3, 4).shape, batch_axis=np.int64(-3))
        assert axes == ImageAxes((2, 3, 4), 0, None, False)

    def test_wrong_tensor(self):
        axes = ImageAxes.resolve((5, 6))
        with pytest.raises(
            ValueError, match=r"an image of shape \(6, 5\).*\(5, 6\).*pass a tensor"
        ):
            axes.to_core(torch.zeros(6, 5))
        with pytest.raises(ValueError, match=r"a core tensor of shape .*\(1, 1, 5, 6\)"):
            axes.from_core(torch.zeros(2, 1, 5, 6))
        with pytest.raises(ValueError, match=r"a core tensor of shape"):
            axes.from_core(torch.zeros(6))


class TestErrorsPerItem:
    def test_rms_of_an_item_is_the_rms_of_its_pixels(self):
        axes = ImageAxes.resolve((5, 7, 3, 2), batch_axis=-1, channel_axis=2)
        difference = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 5, 7, 3, 2)))
        per_core_item = axes.to_core(difference).square().flatten(2).mean(-1).sqrt().numpy()
        expected = np.sqrt(np.mean(np.square(difference.numpy()), axis=(1, 2, 3)))
        combined = axes.combine(per_core_item)
        assert combined.shape == (4, 2)
        np.testing.assert_allclose(combined, expected, rtol=1e-13)

    def test_every_and_total(self):
        axes = ImageAxes.resolve((2, 3, 9), batch_axis=0, channel_axis=1)
        flags = np.array([[True, True, True, True, False, True]])
        np.testing.assert_array_equal(axes.every(flags), [[True, False]])
        assert axes.every(flags).dtype == bool
        np.testing.assert_array_equal(axes.total(np.arange(6)), [3, 12])

    def test_without_a_batch_axis(self):
        axes = ImageAxes.resolve((9, 2), channel_axis=-1)
        errors = np.array([[3.0, 4.0], [0.0, 1.0]])
        np.testing.assert_allclose(axes.combine(errors), np.sqrt([12.5, 0.5]))
        for function in (axes.combine, axes.total, axes.every):
            assert isinstance(function(errors[0]), np.ndarray)
            assert function(errors[0]).shape == ()
            assert function(errors[:0]).shape == (0,)

    def test_coupled_channels_are_one_item(self):
        axes = ImageAxes.resolve((4, 9, 2), batch_axis=0, channel_axis=-1, coupled_channels=True)
        np.testing.assert_array_equal(axes.combine(np.arange(4.0)), np.arange(4.0))
        np.testing.assert_array_equal(axes.total(np.arange(4)), np.arange(4))


class TestRefused:
    @pytest.mark.parametrize("coupled", ["x", 1, None])
    def test_coupled_channels_must_be_a_bool(self, coupled):
        with pytest.raises(TypeError, match=r"must be True or False, got .*Pass coupled_channels="):
            ImageAxes.resolve((4, 5, 3), channel_axis=-1, coupled_channels=coupled)

    @pytest.mark.parametrize("axis", [1.0, "0", True, np.True_, (0,), 1j])
    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("batch_axis", r"For a stack of 2-D images pass batch_axis=0\."),
            ("channel_axis", r"For colours along the last axis pass channel_axis=-1\."),
        ],
    )
    def test_no_integer(self, name, axis, advice):
        with pytest.raises(TypeError, match=rf"{name} must be an integer or None, got .*{advice}"):
            ImageAxes.resolve((4, 5, 6), **{name: axis})

    @pytest.mark.parametrize("axis", [3, -4, 100])
    @pytest.mark.parametrize("name", ["batch_axis", "channel_axis"])
    def test_out_of_range(self, name, axis):
        message = rf"{name}={axis} is out of range .*\(4, 5, 6\).*between -3 and 2.* pass {name}="
        with pytest.raises(ValueError, match=message):
            ImageAxes.resolve((4, 5, 6), **{name: axis})

    def test_equal(self):
        message = (
            r"batch_axis=0 and channel_axis=-3 are the same axis.*must differ.*channel_axis=-1"
        )
        with pytest.raises(ValueError, match=message):
            ImageAxes.resolve((4, 5, 6), batch_axis=0, channel_axis=-3)

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [
            ((4,), {"batch_axis": 0}),
            ((4,), {"channel_axis": -1}),
            ((4, 3), {"batch_axis": 0, "channel_axis": 1}),
            ((), {}),
        ],
    )
    def test_no_spatial_axis_left(self, shape, axes):
        message = r"No spatial axis is left .* at least one\. .*Reshape your data .*pass image"
        with pytest.raises(ValueError, match=message):
            ImageAxes.resolve(shape, **axes)

    def test_coupled_without_channels(self):
        message = (
            r"coupled_channels=True got channel_axis=None.*needs the axis.*pass channel_axis=-1"
        )
        with pytest.raises(ValueError, match=message):
            ImageAxes.resolve((4, 5), coupled_channels=True)
