"""A warning points to the caller's code, whatever runs it."""

import pytest
from sklearn.exceptions import ConvergenceWarning

CODE = """
import numpy as np
from skimage_tvflow import tv_flow
image = np.random.default_rng(0).random((32, 32))
tv_flow(image, 0.5, n_steps=1, order=1, tol=1e-9, max_num_iter=2)
"""


def test_code_without_a_module_name_gets_its_warning():
    with pytest.warns(ConvergenceWarning, match="did not reach") as caught:
        exec(compile(CODE, "a script of theirs", "exec"), {})
    assert caught[0].filename == "a script of theirs"
    assert caught[0].lineno == 5
