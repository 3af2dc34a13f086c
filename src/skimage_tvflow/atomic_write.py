"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """
    Give a name beside a file to write to, which takes its place when all went well.

    Parameters
    ----------
    target : Path
        The file that shall appear; its folder must be there.

    Yields
    ------
    Path
        A hidden name in the same folder with the same extension.
    """
    target = Path(os.path.realpath(target))  # a link stays a link, its target is replaced
    # Without the name of the target, to which a disk may not let anything be added.
    partial = target.with_name(f".{uuid.uuid4().hex[:8]}.part{target.suffix}")
    try:
        yield partial
        os.replace(partial, target)
    finally:
        with suppress(OSError):  # what went wrong before is what has to be told
            partial.unlink(missing_ok=True)
