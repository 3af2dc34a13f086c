"""Sample images that need no network: scikit-image's own and drawn ones."""

from __future__ import annotations

from typing import Any

import numpy as np

LayerData = list[tuple[Any, dict[str, Any], str]]


def coins() -> LayerData:
    """
    Coins on an uneven ground: structures of one size.

    Returns
    -------
    list of tuple
        A layer.
    """
    from skimage import data

    return [(data.coins(), {"name": "coins"}, "image")]


def noisy_cell() -> LayerData:
    """
    A cell under the microscope with noise, and a pixel size.

    Returns
    -------
    list of tuple
        A layer.
    """
    from skimage import data

    cell = data.cell().astype(np.float32)
    noisy = cell + np.random.default_rng(0).normal(0, 8, cell.shape).astype(np.float32)
    place = {"scale": (0.107, 0.107), "units": ("micrometer", "micrometer")}
    return [(noisy, {"name": "cell with noise", **place}, "image")]


def discs() -> LayerData:
    """
    Discs of radius 4 to 32 and contrast 1: one of radius R vanishes at about t = R / 2.

    Returns
    -------
    list of tuple
        A layer.
    """
    y, x = np.indices((256, 256))
    image = np.zeros((256, 256), np.float32)
    for radius, (cy, cx) in {4: (30, 60), 8: (40, 130), 16: (60, 210), 32: (170, 90)}.items():
        image[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = 1
    return [(image, {"name": "discs"}, "image")]


def balls() -> LayerData:
    """
    Balls in a volume whose planes are three times as far apart as its pixels.

    Returns
    -------
    list of tuple
        A layer.
    """
    z, y, x = np.indices((24, 96, 96)) * np.array([3.0, 1.0, 1.0]).reshape(3, 1, 1, 1)
    image = np.random.default_rng(0).normal(0, 0.1, z.shape).astype(np.float32)
    for radius, (cz, cy, cx) in {6: (18, 20, 24), 10: (40, 60, 30), 16: (36, 44, 70)}.items():
        image[(z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= radius**2] += 1
    place = {"scale": (3.0, 1.0, 1.0), "axis_labels": ("z", "y", "x")}
    return [(image, {"name": "balls", **place}, "image")]
