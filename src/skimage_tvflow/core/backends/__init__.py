"""Compute backends: the same few functions and classes on different hardware.

``protocol.py`` defines what a backend offers, ``select.py`` chooses the backend for a problem. Each
backend is a folder with the same files:

* ``sweep.py``: implicit Euler steps, :class:`~.protocol.Trajectory`
* ``multigrid.py``: cycles that speed up long ones, on the grids of ``coarse_grids.py``
* ``space_time.py``: minimisation over all times at once, :class:`~.protocol.Minimisation`
* ``duality_gap.py``: gap and residual of a step, :class:`~.protocol.GapAndResidual`
* ``scaling.py``: means and scales of images, :class:`~.protocol.ScaledImage`

``torch/`` has all of them for every device and number of axes; it is the reference. ``numba/`` has
the same for the CPU, its compiled loops in files that end in ``_kernel.py``.

To add a backend, for example ``triton/`` for CUDA:

1. Make the folder with those of the files that it speeds up, with classes and functions of the
   same signatures as in ``torch/``.
2. In ``select.py`` choose it for the devices that it serves, and import it inside the function, so
   that users of other devices need not have it installed. All other problems stay with torch.
3. Add it to the pairs in ``tests/core``: a backend must agree with torch to rounding.

Of the core a backend imports ``operators``, ``momentum``, ``losses``, ``parallel`` and
``progress``, and nothing else.
"""
