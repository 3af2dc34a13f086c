"""How well `denoise` does on photographs, and on images that are data in parts only.

``python tests/benchmarks/denoise_figures.py FOLDER [--other SRC]``: the images of a folder with
white noise of .02 to .2 added; the RMS error left, in parts of the noise, as a mean over 50 images.
With ``--other`` the same by another version of the package, from its folder of sources.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from skimage import io

SIGMAS = (0.02, 0.05, 0.1, 0.2)
COUNT, SIDE = 50, 96


def images(folder: Path) -> list[np.ndarray]:
    """Read at most COUNT gray images in [0, 1], cut to SIDE."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in {".png", ".jpg", ".tif"}:
            continue
        image = io.imread(path).astype(float)
        gray = image[..., :3].mean(-1) if image.ndim == 3 else image
        found.append(gray[:SIDE, :SIDE] / 255)
    step = max(1, len(found) // COUNT)
    return found[::step][:COUNT]


def measure(folder: Path) -> dict[str, list[float]]:
    """The error left of every image, by the strength of its noise; estimated and given."""
    from skimage_tvflow.applications import denoise

    left: dict[str, list[float]] = {}
    for k, image in enumerate(images(folder)):
        for sigma in SIGMAS:
            noisy = image + sigma * np.random.default_rng(k).standard_normal(image.shape)
            for name, given in (("estimated", None), ("given", sigma)):
                error = np.sqrt(np.mean((denoise(noisy, given) - image) ** 2))
                left.setdefault(f"{sigma} {name}", []).append(float(error / sigma))
    return left


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--other", help="sources of another version")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    own = measure(options.folder)
    if options.json:
        json.dump(own, sys.stdout)
        return
    other = own
    if options.other:
        command = [sys.executable, __file__, str(options.folder), "--json"]
        environment = {**os.environ, "PYTHONPATH": options.other}
        other = json.loads(subprocess.check_output(command, env=environment))
    print("sigma | error left, own | other | images worse by 1 % | largest ratio")
    for name, values in own.items():
        ratio = np.array(values) / other[name]
        means = np.mean(values), np.mean(other[name])
        print(
            f"{name} | {means[0]:.4f} | {means[1]:.4f} | {(ratio > 1.01).sum()} | {ratio.max():.3f}"
        )


if __name__ == "__main__":
    main()
