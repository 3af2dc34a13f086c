"""From the core back to the caller: axes, kind of array, and the axis of the times."""

import array_api_strict
import numpy as np
import pytest
import torch

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
