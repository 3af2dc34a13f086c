"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_write"]

_in_progress: set[Path] = set()


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """
    Give a temporary name to write to; the file takes the place of `target` when all went well.

    Parameters
    ----------
    target : Path
        The file that shall appear; its folder must exist. Where `target` is a link, the file that
        it points to is replaced.

    Yields
    ------
    Path
        A hidden name in the same folder with the same extension. Those that killed processes have
        left there for the same target are removed.

    Raises
    ------
    OSError
        If `target` exists and is not a regular file, or if writing fails; the error names `target`.
    """
    target = Path(os.path.realpath(target))
    if target.exists() and not target.is_file():
        raise FileExistsError(
            f"{target} is a folder, a pipe or a device, and a regular file or a new name is "
            "needed. Give another name for the output."
        )
    # A hash in place of the name, which may already be as long as the disk allows.
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    for old in target.parent.glob(f".{digest}.*.*.part*"):
        owner = old.name.split(".")[2]
        if owner.isdecimal() and old not in _in_progress and not _is_another_alive(int(owner)):
            with suppress(OSError):
                old.unlink()
    unique = f"{os.getpid()}.{uuid.uuid4().hex[:8]}"
    # Writers tell OME-TIFF by both of its extensions.
    ending = "".join(target.suffixes[-2:] if ".ome" in target.suffixes else target.suffixes[-1:])
    partial = target.with_name(f".{digest}.{unique}.part{ending}")
    _in_progress.add(partial)
    try:
        yield partial
        os.replace(partial, target)
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = os.fspath(target), None
        raise
    finally:
        _in_progress.discard(partial)
        with suppress(OSError):  # the first error is the one to report
            partial.unlink(missing_ok=True)


def _is_another_alive(process: int) -> bool:
    """Return whether a process other than this one has this number."""
    if process == os.getpid():
        return False
    if os.name != "posix":
        return True  # on Windows, os.kill would end the process that it asks about
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
