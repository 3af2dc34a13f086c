"""What several test files share: dtypes, devices, a natural image, an estimator to be cloned."""

import os
import time

# Before torch is imported: on a busy machine OpenMP's threads would spin while they wait for each
# other, which takes up to twenty times the CPU time of the work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch
from hypothesis import settings
from skimage import data

from skimage_tvflow import ChambolleTVFlow

# No test is to take more than 30 s; slow processors and first compilations get four times that.
MOST_CPU_SECONDS = 120

# The first call of a compiled function takes seconds; the same examples every time, so that a test
# that passes here passes everywhere.
settings.register_profile("tvflow", deadline=None, derandomize=True)
settings.load_profile("tvflow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test that takes too much CPU time, which does not depend on what else is running."""
    start = time.process_time()
    result = yield
    seconds = time.process_time() - start
    if seconds > MOST_CPU_SECONDS and "benchmarks" not in item.path.parts:
        pytest.fail(f"{seconds:.0f} s of CPU time, more than {MOST_CPU_SECONDS}: make it smaller")
    return result


@pytest.fixture(scope="session", params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(
    scope="session",
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ),
    ],
)
def device(request):
    return request.param


@pytest.fixture(scope="session")
def image():
    """Draw a natural image of 48 x 56 in [0, 1]: the photographer's head, camera and coat."""
    cropped = data.camera()[60:252:4, 150:374:4] / 255.0
    cropped.flags.writeable = False
    return cropped.astype(np.float64)


@pytest.fixture
def estimator():
    """Every test gets an estimator of its own: some of them fit it or set parameters."""
    return ChambolleTVFlow()
