"""How everything here is compiled, and what is said while it takes time."""

from __future__ import annotations

import functools
import logging
from typing import Any

from numba import njit
from numba.core import event

_logger = logging.getLogger("skimage_tvflow")


def compiled(**flags: Any) -> Any:
    """Compile without the GIL, and keep the result for the next process where that is possible."""

    def decorate(function: Any) -> Any:
        try:
            return njit(nogil=True, cache=True, error_model="numpy", **flags)(function)
        except RuntimeError:  # neither the package's folder nor the user's can be written to
            _say_that_nothing_is_kept()
            return njit(nogil=True, error_model="numpy", **flags)(function)

    return decorate


@functools.cache
def _say_that_nothing_is_kept() -> None:
    _logger.warning(
        "Nothing compiled can be kept, as no folder for it is writable: every process compiles "
        "anew. Set NUMBA_CACHE_DIR to a folder that is."
    )


class _AnnounceCompilation(event.Listener):
    """Says once why the first call takes seconds, unless numba finds what it compiled before."""

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
