"""Compare the answers of this version with those of another one, on forty cases.

``python tests/benchmarks/same_results.py OTHER`` where OTHER is the folder ``src`` of another
checkout. Prints, for every case, the largest difference relative to the standard deviation of the
image, and the iterations of both. For a change that is meant to change nothing.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

OWN = Path(__file__).parents[2] / "src"


def images() -> dict[str, np.ndarray]:
    """Photographs, cells, noise, a disc, a signal, colour and a volume."""
    from skimage import data

    rng = np.random.default_rng(0)
    y, x = np.indices((64, 64))
    return {
        "camera": data.camera()[100:196, 200:296] / 255,
        "coins": (data.coins()[40:104, 40:120] / 255).astype(np.float32),
        "brick": data.brick()[:64, :64] / 255,
        "noise": rng.random((40, 48)),
        "disc": (np.hypot(y - 30, x - 33) < 14).astype(float),
        "signal": np.repeat(rng.random(20), 5),
        "colour": data.astronaut()[60:124, 180:244] / 255,
        "volume": rng.random((10, 14, 12)),
    }


def cases() -> list[tuple[str, str, str, dict]]:
    """The name of an image, the estimator, the method, and parameters."""
    colour = {"channel_axis": -1}
    given = {"n_steps": 20, "tol": None, "max_num_iter": 6}
    found = []
    for name in images():
        own = colour if name == "colour" else {}
        found += [
            (name, "ChambolleTVFlow", "solve", own),
            (name, "ChambolleTVFlow", "solve", {**own, "n_steps": 10, "order": 1}),
            (name, "ChambolleTVFlow", "transform", {**own, **given, "order": 1}),
            (name, "ChambolleTVFlow", "solve", {**own, **given, "order": 2}),
        ]
    found += [
        ("colour", "ChambolleTVFlow", "solve", {**colour, "coupled_channels": True}),
        ("volume", "ChambolleTVFlow", "solve", {"spacing": (3.0, 1.0, 1.0)}),
        ("brick", "ChambolleTVFlow", "solve", {"algorithm": "projection", "tol": 1e-2}),
        ("camera", "JointSpaceTimeTVFlow", "solve", {"n_times": 20}),
        ("noise", "JointSpaceTimeTVFlow", "solve", {"objective": "residual", "max_num_iter": 300}),
        ("brick", "RegularizedTVFlow", "solve", {"eps": 1e-2}),
        ("camera", "TVFlowNet", "solve", {}),
        ("colour", "TVFlowNet", "solve", {**colour, "n_steps": 24}),
    ]
    return found


def compute(path: str) -> None:
    """Write the answers of the version that is imported."""
    import skimage_tvflow

    shown, answers = images(), []
    for name, estimator, method, params in cases():
        make = getattr(skimage_tvflow, estimator)
        flow = make.from_pretrained(**params) if estimator == "TVFlowNet" else make(**params)
        answer = getattr(flow, method)(shown[name], [0.0, 0.02, 0.2, 1.0])
        if method == "transform":
            answers.append((answer, None, 0))
        else:
            answers.append((answer.u, answer.error_bound, int(answer.n_iter)))
    Path(path).write_bytes(pickle.dumps(answers))


def main(other: str) -> None:
    """Run both versions, each in a process of its own, and compare."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for source in (OWN, Path(other).resolve()):
            path = Path(folder) / "answers"
            subprocess.run(
                [sys.executable, "-W", "ignore", __file__, "--compute", path],
                env={**os.environ, "PYTHONPATH": str(source)},
                check=True,
            )
            results.append(pickle.loads(path.read_bytes()))
    shown, worst = images(), 0.0
    for case, (u, bound, n_iter), (v, other_bound, other_n_iter) in zip(cases(), *results):
        name, estimator, method, params = case
        apart = np.abs(np.asarray(u, float) - v).max() / shown[name].std()
        worst = max(worst, apart)
        ratio = "" if bound is None else f", bounds {np.max(bound[1:] / other_bound[1:]):.4f}"
        print(f"{apart:8.1e}  {n_iter} {other_n_iter}{ratio}  {name} {estimator}.{method} {params}")
    print(f"{worst:8.1e}  the largest of {len(cases())}")


if __name__ == "__main__":
    if sys.argv[1] == "--compute":
        compute(sys.argv[2])
    else:
        main(sys.argv[1])
