"""The images of the calibration, in two halves: one to find a constant, the other to judge it.

Photographs and cells that come inside the scikit-image wheel (nothing is downloaded), cartoons, a
disc and noise, and on request the images of a folder of your own. All are gray float64 crops of
one size with mean 0 and standard deviation 1, so a time is one in standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from skimage import color, data, io

# Neighbours go to different halves: each half has photographs of people, textures, cells and text.
_PHOTOGRAPHS = (
    *("camera", "astronaut", "brick", "gravel", "coins", "cell", "page", "text"),
    *("immunohistochemistry", "retina", "moon", "chelsea", "grass", "coffee", "rocket", "clock"),
)
_SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"}


@dataclass(frozen=True)
class Halves:
    """Images to fit and images to judge, each of shape (n, *spatial), or shapes of images."""

    fit: Any
    judge: Any

    @classmethod
    def of(cls, images: list[np.ndarray]) -> Halves:
        """Every other image to either half, with mean 0 and deviation 1; flat ones are left out."""
        scaled = [(image - image.mean()) / image.std() for image in images if np.ptp(image) > 0]
        return cls(np.stack(scaled[::2]), np.stack(scaled[1::2]))


def images(folder: Path | None, quick: bool) -> Halves:
    """The 2-D images: 96 x 96, or fewer of 48 x 48."""
    return images_of(folder, quick, 48 if quick else 96)


def images_of(folder: Path | None, quick: bool, size: int) -> Halves:
    """The 2-D images of any size; photographs that are smaller are left out."""
    names = _PHOTOGRAPHS[:6] if quick else _PHOTOGRAPHS
    photographs = [_gray(getattr(data, name)()) for name in names]
    chosen = [_centre(photo, size) for photo in photographs if min(photo.shape) >= size]
    for seed in range(2 if quick else 4):
        chosen.append(cartoon((size, size), seed))
    for seed in range(2):
        chosen.append(disc(size, radius=size / (4 - seed)))
    for seed in range(2):
        chosen.append(np.random.default_rng(seed).standard_normal((size, size)))
    return Halves.of(chosen + _own(folder, size))


def rows(quick: bool) -> Halves:
    """1-D signals: lines of the photographs, steps and noise."""
    size = 96 if quick else 256
    names = _PHOTOGRAPHS[:4] if quick else _PHOTOGRAPHS[:8]
    chosen = [_gray(getattr(data, name)())[100, :size] for name in names]
    chosen += [cartoon((size,), seed) for seed in range(2)]
    chosen += [np.random.default_rng(seed).standard_normal(size) for seed in range(2)]
    return Halves.of([row for row in chosen if len(row) == size])


def volumes(quick: bool) -> Halves:
    """3-D cartoons with a little noise, and noise."""
    size = 12 if quick else 24
    rng = np.random.default_rng(0)
    shape = (size,) * 3
    chosen = [cartoon(shape, seed) + 0.05 * rng.standard_normal(shape) for seed in range(2)]
    return Halves.of([*chosen, *rng.standard_normal((2, *shape))])


def cartoon(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Balls and boxes of random size and value, each over the ones before."""
    rng = np.random.default_rng(seed)
    size, grid = min(shape), np.indices(shape)
    image = np.zeros(shape)
    for n in range(12):
        centre = rng.uniform(0, shape).reshape(-1, *[1] * len(shape))
        offset = np.abs(grid - centre)
        extent = np.sqrt((offset**2).sum(0)) if n % 2 else offset.max(0)
        image[extent < rng.uniform(size / 16, size / 4)] = rng.uniform(0, 1)
    return image


def disc(size: int, radius: float) -> np.ndarray:
    """A disc of value 1 on 0."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return (rows**2 + columns**2 < radius**2).astype(np.float64)


def _own(folder: Path | None, size: int) -> list[np.ndarray]:
    """The images of a folder that are large enough."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES) if folder else []
    gray = [_gray(io.imread(path)) for path in paths]
    return [_centre(image, size) for image in gray if image.ndim == 2 and min(image.shape) >= size]


def _gray(image: np.ndarray) -> np.ndarray:
    if image.ndim == 3:
        image = color.rgb2gray(image[..., :3])
    return image.astype(np.float64)


def _centre(image: np.ndarray, size: int) -> np.ndarray:
    row, column = ((n - size) // 2 for n in image.shape)
    return image[row : row + size, column : column + size]
