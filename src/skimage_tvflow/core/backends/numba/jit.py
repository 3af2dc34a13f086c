"""How every kernel is compiled, where the result is kept, and what is said while it takes time."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event
from numba.core.caching import FunctionCache

_logger = logging.getLogger("skimage_tvflow")


@functools.cache
def _digest_of_sources() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


class _RepairingCache(FunctionCache):
    """The files in which numba keeps compiled code; damaged ones are dropped and written anew.

    Code counts as out of date when any file of this folder changes: numba looks only at that of the
    compiled function, not at those of the functions that it calls.
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = (self._cache_file._source_stamp, _digest_of_sources())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged file makes pickle raise nearly anything
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:  # a full disk, or files of another user
            _say_that_nothing_is_kept()


def compiled(**flags: Any) -> Any:
    """Compile without the GIL, and keep the result for the next process where that is possible."""

    def decorate(function: Any) -> Any:
        dispatcher = njit(nogil=True, error_model="numpy", **flags)(function)
        try:
            # What `cache=True` does, with a cache that survives damage.
            dispatcher._cache = _RepairingCache(function)
        except RuntimeError:  # neither the package's folder nor the user's can be written to
            _say_that_nothing_is_kept()
        return dispatcher

    return decorate


@functools.cache
def _say_that_nothing_is_kept() -> None:
    _logger.warning(
        "Compiled code cannot be kept, as no folder for it is writable, so every process compiles "
        "again. Set NUMBA_CACHE_DIR to a folder that is writable."
    )


class _AnnounceCompilation(event.Listener):
    """Say once why the first call takes seconds, unless numba finds what it compiled before."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: event.Event) -> None:
        module = event.data["dispatcher"].py_func.__module__
        if not self._said and module.startswith(__package__):
            self._said = True
            _logger.warning("Compiling for this processor: this happens once and takes seconds.")

    def on_end(self, event: event.Event) -> None:
        pass


event.register("numba:compile", _AnnounceCompilation())
