"""Run every example and save its figure: ``python docs/run_examples.py [NAME...]``."""

import runpy
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent


def main(names: list[str]) -> None:
    """Run the examples of these names, or all."""
    for path in sorted((HERE / "examples").glob("plot_*.py")):
        name = path.stem.removeprefix("plot_")
        if names and name not in names:
            continue
        runpy.run_path(str(path))
        plt.savefig(HERE / "images" / f"{name}.png", dpi=90)
        plt.close("all")


if __name__ == "__main__":
    main(sys.argv[1:])
