"""How often a function of the package is called."""

import sys

from skimage_tvflow.inputs import arrays


def count_reads(call):
    """Count the images that are read while `call()` runs."""
    names = []

    def note(frame, event, argument):
        if event == "call" and frame.f_code is arrays.ingest.__code__:
            names.append(frame.f_locals.get("name"))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return names
