"""`skimage-tvflow demo`, a scale space to look at, and `info`, what a bug report needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from skimage_tvflow.cli import loaded
from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.bands import refuse_without_matplotlib
from skimage_tvflow.cli.commands import Clock
from skimage_tvflow.cli.jobs import refuse_outputs, whole_files
from skimage_tvflow.cli.program import CliError
from skimage_tvflow.cli.report import column, print_json, print_line, print_table, reporting
from skimage_tvflow.cli.tiff import write_tiff

N_TIMES = 11  # with the image itself at t = 0 there are 12 frames: three rows of the contact sheet
TOLERANCE = 5e-3  # half a per cent of the contrast: more than an eye can see
STACK, SHEET = "camera_scale_space.tif", "camera_scale_space.png"
PACKAGES = ("numpy", "numba", "scikit-learn", "scikit-image", "tifffile", "imagecodecs", "imageio")


def demo(options: Options) -> None:
    """Compute the flow of the camera image up to extinction and write it into a folder."""
    output = Path(options.output)
    refuse_without_matplotlib("the contact sheet")
    if output.exists() and not output.is_dir():
        raise CliError(f"{output} is a file; a folder is needed. Type -o out")
    refuse_outputs([output / STACK, output / SHEET], force=True)
    import skimage
    from matplotlib.figure import Figure

    from skimage_tvflow import ChambolleTVFlow, geometric_times, plot_scale_space, total_variation

    loaded()
    image = skimage.util.img_as_float32(skimage.data.camera())
    solver = ChambolleTVFlow(tol=TOLERANCE)
    with reporting("camera") as progress:
        # Compilation, once after an installation, must not show in the table.
        solver.transform(image[:16, :16], 0.01)
        times = [0.0, *map(float, geometric_times(image, N_TIMES))]
        clock = Clock(times, progress.stage("flow"))
        u = np.asarray(solver.solve(image, times, certify=False, callback=clock).u)
        seconds = clock.stop()
    figure = Figure(figsize=(10.4, 8.4), layout="constrained")  # pyplot would look for a screen
    plot_scale_space(u, times, figure.subplots(3, 4))
    with whole_files([output / STACK, output / SHEET], force=True) as (stack, sheet):
        write_tiff(stack, u, "YX", {}, times)
        figure.savefig(sheet, dpi=110)
    size = " x ".join(str(n) for n in image.shape)
    print_table(
        f"total variation flow of skimage.data.camera(), {size} pixels in [0, 1], "
        f"computed in {u.dtype} to tol={TOLERANCE}",
        column("t", times)
        | column("TV", [total_variation(frame) for frame in u], 6)
        | {"seconds": [f"{second:.3f}" for second in seconds]},
    )
    print_line(f"wrote {output / STACK} ({len(times)} frames) and {output / SHEET}")


def info(options: Options) -> None:
    """Print versions, backends, devices and threads."""
    import torch

    from skimage_tvflow import __version__

    # torch itself says which build it is; the version of its package leaves that out.
    versions = {"skimage-tvflow": __version__, "torch": torch.__version__}
    record: dict[str, Any] = {
        "versions": versions | {name: _version_of(name) for name in PACKAGES},
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "backends": {
            "numba": "on the CPU, for up to three spatial axes",
            "torch": "on every device, for any number of axes; "
            + (f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"),
        },
        "devices": [
            "cpu",
            *(
                f"cuda:{k} ({torch.cuda.get_device_name(k)})"
                for k in range(torch.cuda.device_count())
            ),
            *["mps"] * torch.backends.mps.is_available(),
        ],
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
    if options.json:
        print_json(record)
        return
    for name, value in record.items():
        entries = value if isinstance(value, list) else [str(value)]
        if isinstance(value, dict):
            entries = [f"{key} {entry}" for key, entry in value.items()]
        print_line(f"{name:10} " + f"\n{'':10} ".join(entries))


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
