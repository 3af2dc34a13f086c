"""Where the frames of a scale space are kept: in memory, or on disk if they are many bytes."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor


class FrameStore:
    """
    Keeps tensors, in memory or as memory-mapped files.

    A file lives as long as the tensor that shows it: on POSIX systems its name is removed at once,
    elsewhere together with the store.

    Parameters
    ----------
    on_disk : bool
        Whether to write the tensors to files. Tensors of other devices stay where they are.
    folder : path-like or None
        Where the files lie; None for the system's folder of temporary files.
    """

    def __init__(self, on_disk: bool, folder: str | PathLike[str] | None) -> None:
        self._folder: Path | None = None
        self._count = 0
        if on_disk:
            self._folder = Path(tempfile.mkdtemp(prefix="skimage_tvflow-", dir=folder))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def keep(self, frame: Tensor) -> Tensor:
        """
        Keep a frame.

        Parameters
        ----------
        frame : torch.Tensor
            The frame; the caller does not write to it afterwards.

        Returns
        -------
        torch.Tensor
            The same values, contiguous.
        """
        if self._folder is None or frame.device.type != "cpu":
            return frame.contiguous()
        path = self._folder / f"{self._count}.frame"
        self._count += 1
        kept = torch.from_file(str(path), shared=True, size=frame.numel(), dtype=frame.dtype)
        with contextlib.suppress(OSError):  # Windows keeps the name of an open file
            path.unlink()
        return kept.view(frame.shape).copy_(frame)
