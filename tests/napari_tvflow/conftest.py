"""Images and layers that the tests of the plugin share."""

import os
import tempfile
from pathlib import Path

# The user's own settings of napari are neither read nor changed.
os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.mkdtemp()) / "napari.yaml"))

import numpy as np
import pytest
from skimage import data


@pytest.fixture(scope="session")
def photograph():
    """Draw a natural image of 64 x 80 with values from 0 to 255."""
    cropped = data.camera()[60:316:4, 150:470:4].copy()
    cropped.flags.writeable = False
    return cropped


@pytest.fixture(scope="session")
def stack(photograph):
    """Put three different images on top of each other."""
    flipped = photograph[::-1, ::-1]
    return np.stack([photograph, flipped, photograph // 2])
