"""Compare the time of flows to their extinction with that of another version, image by image.

``python tests/benchmarks/whole_flow.py OTHER`` where OTHER is the folder ``src`` of another
checkout prints, for every image, the CPU seconds of both on one thread, and the largest error of
this version at any time, in units of tol. The truth is the other version with a tenth of tol,
unless ``--no-truth``: that takes about ten times as long as all the rest.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

OWN = Path(__file__).parents[2] / "src"
NAMES = ("camera", "coins", "cell", "moon", "astronaut", "brick", "noise", "disc")


def image(name: str, size: int) -> np.ndarray:
    """A photograph reduced to ``size`` pixels a side, a disc or noise; float32 in [0, 1]."""
    from images import disc, noise, photograph
    from skimage import transform

    if name in ("disc", "noise"):
        return {"disc": disc, "noise": noise}[name](size)
    whole = photograph(name)
    side = min(whole.shape)
    square = whole[:side, :side]
    return transform.resize(square, (size, size), anti_aliasing=True).astype(np.float32)


def compute(given: str, path: str) -> None:
    """Write the flow and its CPU seconds, as found by the version that is imported."""
    import time
    import warnings

    from skimage_tvflow import ChambolleTVFlow

    shown, times, tol = pickle.loads(Path(given).read_bytes())
    flow = ChambolleTVFlow(tol=tol)
    flow.transform(shown[:64, :64], times)  # compiles
    begin = time.process_time()
    with warnings.catch_warnings(record=True) as raised:
        u = flow.transform(shown, times)
    seconds = time.process_time() - begin
    Path(path).write_bytes(pickle.dumps((seconds, u, not raised)))


def run(source: Path, shown: np.ndarray, times: np.ndarray, tol: float) -> tuple:
    """What ``compute`` writes, in a process that imports the version in ``source``."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with tempfile.TemporaryDirectory() as folder:
        given, path = Path(folder, "given"), Path(folder, "answer")
        given.write_bytes(pickle.dumps((shown, times, tol)))
        environment = {**os.environ, **threads, "PYTHONPATH": str(source)}
        command = [sys.executable, __file__, "--compute", str(given), str(path)]
        subprocess.run(command, check=True, env=environment)
        return pickle.loads(path.read_bytes())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("--images", nargs="*", default=NAMES)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--n-times", type=int, default=12)
    parser.add_argument("--tol", type=float, default=1e-3)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--no-truth", action="store_true")
    options = parser.parse_args()
    from skimage_tvflow import extinction_time

    print("image | seconds, other | seconds, own | ratio | worst error / tol | converged")
    print("---|---|---|---|---|---")
    ratios = []
    for name in options.images:
        shown = image(name, options.size).astype(options.dtype)
        last = extinction_time(shown)
        times = np.geomspace(last / 1000, last, options.n_times)
        other, _, _ = run(options.other, shown, times, options.tol)
        own, u, converged = run(OWN, shown, times, options.tol)
        ratios.append(other / own)
        error = ""
        if not options.no_truth:
            _, truth, sure = run(options.other, shown, times, options.tol / 10)
            distance = np.sqrt(((u - truth) ** 2).mean((1, 2), dtype=float)) / shown.std()
            error = f"{distance.max() / options.tol:.2f}" + ("" if sure else " (truth uncertain)")
        row = f"{name} | {other:.1f} | {own:.2f} | {other / own:.1f} | {error} | {converged}"
        print(row, flush=True)
    print(f"geometric mean of the ratios: {np.exp(np.mean(np.log(ratios))):.1f}")


if __name__ == "__main__":
    if sys.argv[1] == "--compute":
        compute(*sys.argv[2:])
    else:
        main()
