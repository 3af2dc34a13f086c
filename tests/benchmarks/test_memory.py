"""Peak memory, each case in a fresh process."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import images
from benchmarks.report import Fragment

_FRAMES = 5
_LIMITS = {("1024²", 1): 8, ("1024²", 2): 14, ("128³", 1): 12, ("128³", 2): 20}
_IMAGES = {"1024²": lambda: images.camera(1024), "128³": lambda: images.volume(128)}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_copies_of_the_image(tmp_path):
    found = {}
    for name, image in _IMAGES.items():
        np.save(tmp_path / f"{name}.npy", image())
        for order, n_steps in itertools.product((1, 2), ("20", "auto")):
            copies = _copies(tmp_path / f"{name}.npy", order, n_steps)
            found[name, order, n_steps] = copies
    rows = [
        [
            name,
            str(order),
            n_steps,
            *(f"{value:.1f}" for value in copies),
            str(_LIMITS[name, order]),
        ]
        for (name, order, n_steps), copies in found.items()
    ]
    columns = ["image", "order", "steps", "copies", "of them in use", "request: at most"]
    notes = (
        "In use: the same with an allocator that gives back at once what is freed; malloc keeps "
        "some of it for later. Automatic steps compare two trajectories for order 1 as well."
    )
    Fragment("memory", "1", "Copies of the image", columns, rows, notes).save()
    assert all(in_use > 0 for _, in_use in found.values())


def _copies(path, order, n_steps):
    probe = Path(__file__).with_name("memory_probe.py")
    command = [sys.executable, str(probe), str(path), str(order), n_steps, str(_FRAMES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]
