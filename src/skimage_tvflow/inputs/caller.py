"""Where the caller's own code is, for warnings."""

from __future__ import annotations

import sys

__all__ = ["stacklevel_of_caller"]

# Modules between a warning and the caller's code; contextlib runs decorators such as `fork_safe`.
_OWN = ("skimage_tvflow", "contextlib")


def stacklevel_of_caller() -> int:
    """
    Count the stack from the function that calls this up to the code that called the package.

    Returns
    -------
    int
        The `stacklevel` for `warnings.warn`.
    """
    frame, depth = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_OWN):
        frame, depth = frame.f_back, depth + 1
    return depth
