"""One thread for everybody, and warnings of other packages are no concern of a benchmark."""

from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_limits


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            # Peers warn of their own deprecations.
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
