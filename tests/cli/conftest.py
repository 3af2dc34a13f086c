"""What the tests of the command line share: a way to call it, and images whose flow is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from skimage_tvflow.cli import main


@dataclass(frozen=True)
class Frames:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tvflow(capsys: pytest.CaptureFixture[str]) -> Callable[..., Frames]:
    """Call the command line in this process; every argument is turned into a string."""

    def call(*arguments: object) -> Frames:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Frames(status, *capsys.readouterr())

    return call


@pytest.fixture
def refused(tvflow: Callable[..., Frames], tmp_path: Path) -> Callable[..., str]:
    """Call a command with bad input; return its one-line message. Nothing may have been written."""

    def call(*arguments: object, command: str = "flow") -> str:
        before = snapshot(tmp_path)
        outcome = tvflow(command, *arguments)
        assert outcome.status == 2
        assert outcome.out == ""
        assert "Traceback" not in outcome.err
        errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, outcome.err
        assert snapshot(tmp_path) == before
        return errors[0]

    return call


def snapshot(folder: Path) -> dict[Path, bytes | None]:
    """Every file and folder below, with what is in it."""
    return {
        path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def step() -> np.ndarray:
    """0 on the left half, 1 on the right: at time t <= 2 the flow is t / 4 and 1 - t / 4."""
    return np.repeat([[0.0, 1.0]], 6, axis=0).repeat(4, axis=1).astype(np.float32)


@pytest.fixture
def step_tif(tmp_path: Path, step: np.ndarray) -> Path:
    path = tmp_path / "step.tif"
    tifffile.imwrite(path, step, metadata={"axes": "YX"})
    return path


@pytest.fixture
def noise_tif(tmp_path: Path) -> Path:
    """24 x 20 values at random, which vanish at many times."""
    path = tmp_path / "noise.tif"
    noise = np.random.default_rng(0).random((24, 20)).astype(np.float32)
    tifffile.imwrite(path, noise, metadata={"axes": "YX"})
    return path


@pytest.fixture
def step_png(tmp_path: Path, step: np.ndarray) -> Path:
    path = tmp_path / "step.png"
    imageio.imwrite(path, (200 * step).astype(np.uint8))
    return path


@pytest.fixture
def colour_png(tmp_path: Path, step: np.ndarray) -> Path:
    """Three channels, each of its own contrast: 200, 100 and 0."""
    path = tmp_path / "colour.png"
    imageio.imwrite(path, (step[..., None] * [200, 100, 0]).astype(np.uint8))
    return path
