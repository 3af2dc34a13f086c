"""The images of the benchmarks: photographs of scikit-image, a synthetic volume, a disc, noise.

The environment variable TVFLOW_IMAGES names a folder of images to look at instead of crops of
scikit-image's photographs, where many are looked at (gray, their first 96 x 96 pixels).
"""

import functools
import os
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import color, data, transform

# Photographs that come with scikit-image itself: nothing is downloaded.
_PHOTOGRAPHS = ("camera", "astronaut", "chelsea", "coffee", "coins", "moon", "page", "rocket")


def photograph(name: str) -> np.ndarray:
    """One of scikit-image's photographs, gray, float32 in [0, 1]."""
    image = getattr(data, name)()
    gray = color.rgb2gray(image) if image.ndim == 3 else image / 255
    return gray.astype(np.float32)


def camera(size: int) -> np.ndarray:
    """The photographer in ``size x size`` pixels: reduced, or reflected at his edges."""
    image = photograph("camera")
    if size > len(image):
        return np.pad(image, ((0, size - len(image)),) * 2, mode="symmetric")
    return transform.resize(image, (size, size), anti_aliasing=True).astype(np.float32)


def crop(size: int) -> np.ndarray:
    """Part of another photograph, at full resolution."""
    return np.ascontiguousarray(photograph("astronaut")[30 : 30 + size, 150 : 150 + size])


def crops(number: int, size: int) -> np.ndarray:
    """Crops of all photographs in turn, shape (number, size, size)."""
    rng = np.random.default_rng(0)
    images = [photograph(name) for name in _PHOTOGRAPHS]
    chosen = []
    for i in range(number):
        image = images[i % len(images)]
        row, column = (rng.integers(n - size + 1) for n in image.shape)
        chosen.append(image[row : row + size, column : column + size])
    return np.stack(chosen)


@functools.cache
def many(number: int, size: int) -> np.ndarray:
    """Those of TVFLOW_IMAGES, or ``number`` crops; shape (n, size, size), float64."""
    folder = os.environ.get("TVFLOW_IMAGES")
    if folder is None:
        return crops(number, size).astype(np.float64)
    paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in {".png", ".bmp"})
    gray = [np.asarray(Image.open(path).convert("L"), np.float64) / 255 for path in paths]
    return np.stack([g[:size, :size] for g in gray if min(g.shape) >= size])


def disc(size: int) -> np.ndarray:
    """A white disc of two thirds of the width on black."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return (rows**2 + columns**2 < (size / 3) ** 2).astype(np.float32)


def noise(size: int) -> np.ndarray:
    """Independent uniform pixels."""
    return np.random.default_rng(0).random((size, size), np.float32)


def volume(size: int) -> np.ndarray:
    """Balls of random size and contrast, with noise of deviation .05, in [0, 1]."""
    rng = np.random.default_rng(0)
    grid = np.indices((size,) * 3)
    image = np.full((size,) * 3, 0.3)
    for _ in range(30):
        centre = rng.uniform(0, size, (3, 1, 1, 1))
        radius = rng.uniform(size / 16, size / 4)
        image[((grid - centre) ** 2).sum(0) < radius**2] = rng.uniform(0, 1)
    image += 0.05 * rng.standard_normal(image.shape)
    return image.clip(0, 1).astype(np.float32)
