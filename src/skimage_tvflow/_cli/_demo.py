"""`skimage-tvflow demo`: the scale space of scikit-image's camera image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer

from ._check import refuse_without_matplotlib
from ._errors import CliError
from ._output import Array, refuse_unwritable, whole_file
from ._progress import Clock, progress
from ._report import mean_column, print_table, seconds_column, spoken_warnings, time_column
from ._tiff import TiffTags, write_tiff

N_TIMES = 11  # with the image itself at t = 0 there are 12 frames: three rows of the contact sheet
TOLERANCE = 5e-3  # half a per cent of the contrast: more than an eye can see
STACK, SHEET = "camera_scale_space.tif", "camera_scale_space.png"


def run(output: Path) -> None:
    """Compute the flow of the camera image up to extinction and write it into a folder.

    Parameters
    ----------
    output : Path
        The folder; made when missing. Results of an earlier run are replaced.
    """
    refuse_without_matplotlib("the contact sheet")
    if output.exists() and not output.is_dir():
        raise CliError(f"{output} is a file; a folder is needed. Type -o out")
    refuse_unwritable(output, [STACK, SHEET])

    import skimage

    from skimage_tvflow import ChambolleTVFlow, geometric_times, total_variation

    image = skimage.util.img_as_float32(skimage.data.camera())
    solver = ChambolleTVFlow(tol=TOLERANCE)
    with spoken_warnings("camera"), progress("camera") as show:
        # What is compiled, once after an installation, is not what the table is to show.
        solver.transform(image[:16, :16], 0.01)
        times = [0.0, *map(float, geometric_times(image, N_TIMES))]
        clock = Clock(times, show)
        u = np.asarray(solver.solve(image, times, certify=False, callback=clock).u)
        seconds = clock.stop()
    with whole_file(output / STACK, force=True) as partial:
        write_tiff(partial, u, "YX", TiffTags(), times)
    with whole_file(output / SHEET, force=True) as partial:
        _draw_sheet(partial, u, times)
    variation = [total_variation(frame) for frame in u]
    size = " x ".join(str(n) for n in image.shape)
    title = (
        f"total variation flow of skimage.data.camera(), {size} pixels in [0, 1], "
        f"computed in {u.dtype} to tol={TOLERANCE}"
    )
    print_table(title, time_column(times) | mean_column("TV", variation) | seconds_column(seconds))
    typer.echo(f"wrote {output / STACK} ({len(times)} frames) and {output / SHEET}")


def _draw_sheet(path: Path, frames: Array, times: Sequence[float]) -> None:
    from matplotlib.figure import Figure

    from skimage_tvflow import plot_scale_space

    # Not by way of pyplot, which looks for a screen.
    figure = Figure(figsize=(10.4, 8.4), layout="constrained")
    plot_scale_space(frames, times, figure.subplots(3, 4))
    figure.savefig(path, dpi=110)
