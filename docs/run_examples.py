"""Make the pictures of README.md again: ``python docs/run_examples.py``.

The gallery of the documentation makes its own.
"""

import runpy
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
IN_README = ("basics/plot_spectrum", "applications/plot_scales")


def main() -> None:
    """Run the examples and save their figures."""
    for name in IN_README:
        path = HERE / "examples" / f"{name}.py"
        runpy.run_path(str(path))
        plt.savefig(HERE / "images" / f"{path.stem.removeprefix('plot_')}.png", dpi=144)
        plt.close("all")


if __name__ == "__main__":
    main()
