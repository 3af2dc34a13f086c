"""The sums of the energy balance: compiled against plain torch, and wide rows in segments."""

import numpy as np
import pytest
import torch

from skimage_tvflow.core.backends import select
from skimage_tvflow.core.backends.torch import energy
from skimage_tvflow.core.operators import total_variation

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((2, 1, 9), (0.5,)), ((2, 3, 7, 300), (1.0, 2.0)), ((1, 2, 4, 5, 257), (1.0, 0.3, 2.0)),
     ((1, 1, 1, 600), (1.0, 1.0)), ((1, 1, 256, 1), (1.0, 1.0))],
)  # fmt: skip
def test_compiled_sums_are_those_of_torch(shape, spacing, dtype):
    u, v = (torch.from_numpy(RNG.standard_normal(shape)).to(dtype) for _ in range(2))
    found, expected = select.energy_change(u, v, spacing), energy.energy_change(u, v, spacing)
    for name in ("variation", "halfway", "growth", "norm"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
    halfway = total_variation((u.double() + v.double()) / 2, spacing)
    np.testing.assert_allclose(found.halfway, halfway, rtol=1e-12)
