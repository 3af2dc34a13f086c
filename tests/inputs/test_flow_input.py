"""From the core back to the caller: axes, kind of array, and the axis of the times."""

import sys
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
import torch

from skimage_tvflow.inputs import arrays
from skimage_tvflow.inputs.arrays import ingest
from skimage_tvflow.inputs.axes import ImageAxes
from skimage_tvflow.inputs.flow_input import FlowInput
from skimage_tvflow.inputs.times import resolve_times


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, array_api_strict.asarray])
@pytest.mark.parametrize(("t", "lead"), [(0.1, ()), ([0.1], (1,)), ([0.2, 0.1], (2,))])
def test_a_single_time_has_no_axis(convert, t, lead):
    values = np.arange(24.0).reshape(4, 3, 2)
    image = convert(values)
    data = ingest(image)
    axes = ImageAxes.resolve((4, 3, 2), channel_axis=-1)
    times = resolve_times(t)
    problem = FlowInput(axes.to_core(data.tensor), axes, (1.0, 1.0), times, data.restore)
    u = torch.stack([k * problem.image for k in range(1, 1 + len(times.order))])
    flow = problem.flow(u)
    assert type(flow) is type(image)
    assert tuple(flow.shape) == (*lead, 4, 3, 2)
    expected = values if not lead else np.stack([k * values for k in range(1, 1 + lead[0])])
    np.testing.assert_array_equal(np.asarray(flow), expected)


def test_reads_with_the_axes_spacing_and_device_that_the_caller_gave():
    image = np.arange(120, dtype=np.float32).reshape(4, 5, 3, 2)
    result = FlowInput.read(image, [0.2, 0.1], (2.0, 0.5), -2, 3, True, "cpu")
    assert (result.axes.channel_axis, result.axes.batch_axis) == (2, 3)
    assert result.spacing == (2.0, 0.5)
    assert result.times.increasing == (0.1, 0.2)
    assert result.image.shape == result.axes.core_shape == (2, 3, 4, 5)
    np.testing.assert_array_equal(result.frame(result.image), image)
    assert FlowInput.read(image).spacing == (1.0,) * 4
    assert FlowInput.read(image).times.increasing == (0.0,)


def test_a_plain_image_passes_few_files():
    """Kinds of arrays, devices and spacing are only looked at where there is something to see."""
    visited = set()

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.parent == Path(arrays.__file__).parent:
            visited.add(path.name)

    sys.setprofile(note)
    try:
        FlowInput.read(np.ones((4, 5)), 0.1)
    finally:
        sys.setprofile(None)
    assert visited == {"flow_input.py", "times.py", "arrays.py", "axes.py"}
