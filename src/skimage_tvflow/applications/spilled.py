"""Images that are read once more, later: in memory, or in a file where they are large."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

# Images of more bytes go to a file. It is read and written, not mapped, so it takes no memory.
_LARGE = 2**22


class SpilledImages:
    """
    A list of images of one shape that takes no memory if they are large.

    Parameters
    ----------
    like : torch.Tensor
        An image of that shape.
    """

    def __init__(self, like: Tensor) -> None:
        self._like, self._count = like, 0
        self._images: list[Tensor] = []
        large = like.nbytes > _LARGE and like.device.type == "cpu"
        self._file = tempfile.TemporaryFile() if large else None  # noqa: SIM115 - lives as long

    def append(self, image: Tensor) -> None:
        """
        Add an image.

        Parameters
        ----------
        image : torch.Tensor
            The image.
        """
        self._count += 1
        if self._file is None:
            self._images.append(image)
        else:
            self._file.seek(0, 2)
            image.contiguous().numpy().tofile(self._file)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, k: int) -> Tensor:
        if self._file is None:
            return self._images[k]
        if k >= self._count:
            raise IndexError(k)
        self._file.seek(k * self._like.nbytes)
        dtype, n = self._like.new_empty(0).numpy().dtype, self._like.numel()
        return torch.from_numpy(np.fromfile(self._file, dtype, n)).reshape(self._like.shape)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(self._count))
