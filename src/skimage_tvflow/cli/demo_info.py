"""`skimage-tvflow demo`, a scale space to look at, and `info`, what a bug report needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli import loaded, report
from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.bands import refuse_without_matplotlib
from skimage_tvflow.cli.jobs import refuse_outputs, whole_files
from skimage_tvflow.cli.program import refuse
from skimage_tvflow.cli.tiff import write_tiff

N_TIMES = 11  # with the image itself at t = 0 there are 12 frames: three rows of the contact sheet
TOLERANCE = 5e-3  # half a per cent of the contrast: more than an eye can see
PACKAGES = ("numpy", "numba", "scikit-learn", "scikit-image", "tifffile", "imagecodecs", "pillow")


def demo(options: Options) -> None:
    """Compute the flow of the camera image up to extinction and write it into a folder."""
    output = Path(options.output)
    targets = [output / f"camera_scale_space.{suffix}" for suffix in ("tif", "png")]
    refuse_without_matplotlib()
    refuse({f"{output} is a file, not a folder. Type -o out": output.is_file()})
    refuse_outputs(targets, force=True)
    import skimage
    from matplotlib.figure import Figure

    from skimage_tvflow import ChambolleTVFlow, geometric_times, plot_scale_space, total_variation

    loaded.set()
    image = skimage.util.img_as_float32(skimage.data.camera())
    solver = ChambolleTVFlow(tol=TOLERANCE)
    with report.reporting("camera") as progress:
        # Compilation, once after an installation, must not show in the table.
        solver.transform(image[:16, :16], 0.01)
        times = [0.0, *map(float, geometric_times(image, N_TIMES))]
        callback = progress.stage("flow", times)
        u = np.asarray(solver.solve(image, times, certify=False, callback=callback).u)
        seconds = progress.seconds()
    figure = Figure(figsize=(10.4, 8.4), layout="constrained")  # pyplot would look for a screen
    plot_scale_space(u, times, figure.subplots(3, 4))
    with whole_files(targets, force=True) as (stack, sheet):
        write_tiff(stack, u, "YX", {}, times)
        figure.savefig(sheet, dpi=110)
    size, accuracy = " x ".join(map(str, image.shape)), f"computed in {u.dtype} to tol={TOLERANCE}"
    report.show(
        f"total variation flow of skimage.data.camera(), {size} pixels in [0, 1], {accuracy}",
        report.flow_table(times, [total_variation(frame) for frame in u], seconds),
    )
    report.print_line(f"wrote {targets[0]} ({len(times)} frames) and {targets[1]}")


def info(options: Options) -> None:
    """Print versions, backends, devices, threads and where compiled code is kept."""
    import numba
    import torch

    from skimage_tvflow import __version__

    loaded.set()
    # torch itself says which build it is; the version of its package leaves that out.
    versions = {"skimage-tvflow": __version__, "torch": torch.__version__}
    names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    gpus = [f"cuda:{k} ({name})" for k, name in enumerate(names)]
    folder = Path(__file__).parents[1]
    writable = os.access(folder, os.W_OK)
    beside = f"{folder}/**/__pycache__" if writable else "numba's folder in the user's cache"
    record: dict[str, Any] = {
        "versions": versions | {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "backends": {
            "numba": "on the CPU, for up to three spatial axes",
            "torch": f"on every device, for any number of axes; CUDA: {torch.version.cuda}",
        },
        "devices": ["cpu", *gpus, *["mps"] * torch.backends.mps.is_available()],
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        # NUMBA_CACHE_DIR, or where numba keeps compiled code by itself
        "cache": vars(numba.config)["CACHE_DIR"] or beside,
    }
    if options.json:
        report.print_json(record)
        return
    for name, value in record.items():
        entries = value if isinstance(value, list) else [str(value)]
        if isinstance(value, dict):
            entries = [f"{key} {entry}" for key, entry in value.items()]
        report.print_line(f"{name:10} " + f"\n{'':10} ".join(entries))
