"""Peak memory of one flow in a process of its own.

``memory_probe.py image.npy order n_steps frames``, with "auto" for automatic steps.

Prints how many copies of the image the process grew by at most, beside the frames asked for: as it
is, and with an allocator that gives back at once what is freed.
"""

import ctypes
import re
import sys
from pathlib import Path

import numpy as np

from skimage_tvflow import ChambolleTVFlow

_STATUS = Path("/proc/self/status")
_M_MMAP_THRESHOLD = -3


def main(path, order, n_steps, frames):
    image = np.load(path)
    if n_steps == "auto":
        solver = ChambolleTVFlow(order=int(order))
    else:
        fixed = {"n_steps": int(n_steps), "tol": None, "max_num_iter": 3}
        solver = ChambolleTVFlow(order=int(order), **fixed)
    times = np.linspace(0, 0.02, int(frames) + 1)[1:]
    # Imports, compilation and pools are not what is measured.
    solver.transform(image[(slice(0, 16),) * image.ndim], times)
    grown = _grown(solver, image, times)
    # glibc's malloc, from a first large array on, keeps ever larger ones for later.
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 65536)
    ctypes.CDLL(None).malloc_trim(0)
    print(grown, _grown(solver, image, times))


def _grown(solver, image, times):
    # Sets the peak back to what is in use now. A new process does not do as well: its ru_maxrss
    # begins with that of its parent.
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmRSS")
    found = solver.transform(image, times)
    grown = 1024 * (_kilobytes("VmHWM") - before)
    return (grown - found.nbytes) / image.nbytes


def _kilobytes(field):
    return int(re.search(rf"{field}:\s*(\d+) kB", _STATUS.read_text())[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
