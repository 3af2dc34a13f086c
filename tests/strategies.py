"""What hypothesis draws in several test files."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def images(draw, n_spatial=(1, 2, 3)):
    """Random images of size 1, with ties and flat parts in every other one."""
    n = draw(st.sampled_from(n_spatial))
    largest = {1: 20, 2: 9, 3: 5}[n]
    shape = draw(st.lists(st.integers(1, largest), min_size=n, max_size=n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return rng.standard_normal(shape)
    return rng.integers(0, 3, size=shape).astype(float)
