"""What the benchmarks found, kept part by part, and the page made of it.

``python tests/benchmarks/report.py`` writes docs/benchmarks.md from all parts that have been run.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ROOT / ".benchmarks" / "parts"
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"

_SECTIONS = {
    "speed": (
        "Speed at 60 dB",
        "Everybody takes the same implicit Euler steps and solves them in his own way. The number "
        "of iterations per step is the least with which the frames are 60 dB, in the mean (values "
        "in [0, 1]), from the same steps solved tight in float64; the CPU time is that of the "
        "whole flow with so many.",
    ),
    "kernel": (
        "The kernel",
        "One iteration of the dual solve in CPU time per pixel, float32, ten iterations in a step.",
    ),
    "batches": ("Batches and threads", ""),
    "gpu": (
        "On a GPU",
        "The same numbers by plain torch on the device, which the compiled CPU backend is set "
        "beside.",
    ),
    "memory": (
        "Memory",
        "What a process grows by at most, beside the frames asked for, in copies of the image: "
        "`ChambolleTVFlow(order=...)` with the default `tol`, float32, five frames up to t = 0.02, "
        "one thread. The process is a new one that has solved a tiny image before.",
    ),
    "tolerance": (
        "What `tol` gives",
        "`ChambolleTVFlow(tol=1e-3).solve(image, T)` against 400 extrapolated steps of 100 "
        "iterations in float64; errors are root mean squares over the pixels. The cheapest fixed "
        "setting is what one would choose who knew the truth: of a grid of orders, steps and "
        "iterations, the one with the fewest iterations in all that is as accurate. Where the flow "
        "has come to its end the truth is the mean.",
    ),
    "network": (
        "The network",
        '`TVFlowNet.from_pretrained("natural-2d")` at several accuracies, on images that it was '
        "not trained on.",
    ),
    "joint": (
        "All times at once, and the regularised flows",
        "`JointSpaceTimeTVFlow` against fifty implicit Euler steps solved tight, and "
        "`RegularizedTVFlow` against the flow.",
    ),
    "certificate": (
        "What `certify` gives",
        "The bound of fifty implicit Euler steps of 200 iterations at the last time, over the true "
        "distance from the flow (400 extrapolated steps of 100 iterations), with `refine` steps "
        "between two frames. The price is that of `certify` alone, in CPU times of fifty steps at "
        "60 dB.",
    ),
}


@dataclass(frozen=True)
class Fragment:
    """One table: of a part (a section of the page), with a key that orders the tables in it."""

    part: str
    key: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: str = ""
    machine: str = ""
    date: str = ""

    def save(self) -> None:
        """Keep it for the page, with the machine and the date."""
        PARTS.mkdir(parents=True, exist_ok=True)
        values = asdict(self) | {"machine": machine(), "date": datetime.date.today().isoformat()}
        path = PARTS / f"{self.part}-{self.key}.json"
        path.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")

    def markdown(self) -> str:
        """The table with its title and notes."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        table = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
        return "\n\n".join(filter(None, [f"### {self.title}", table, self.notes]))


def machine() -> str:
    """The processor, Python, and the versions that matter."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    names = ("skimage-tvflow", "numpy", "torch", "numba", "scikit-image")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    where = f"{model}, {os.cpu_count()} cores, {platform.system()}"
    return f"{where}; Python {platform.python_version()}, {versions}"


def number(value: float, digits: int = 3) -> str:
    """Three significant digits, without an exponent where that is readable."""
    if value >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def page(fragments: Sequence[Fragment]) -> str:
    """The page of everything that was measured."""
    blocks = [
        "# Benchmarks",
        "Written by `make bench`; `make bench PART=speed` repeats one part. All run in one process "
        "and take turns, one thread each, and the best of several rounds counts: CPU time unless "
        "said otherwise. The times are this machine's; what carries over to others are the ratios.",
    ]
    machines = sorted({(f.machine, f.date) for f in fragments})
    blocks.append("\n".join(f"- {date}: {text}" for text, date in machines))
    for part, (title, text) in _SECTIONS.items():
        chosen = [f for f in fragments if f.part == part]
        if chosen:
            summary = _ratios(chosen) if part == "speed" else ""
            blocks += [f"## {title}", text, summary, *(f.markdown() for f in chosen)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _ratios(fragments: Sequence[Fragment]) -> str:
    """How many times ours everybody takes, all tables in one."""
    names = list(dict.fromkeys(row[0] for f in fragments for row in f.rows))
    ratio = {(f.key, row[0]): row[-2] or row[-1] for f in fragments for row in f.rows}
    rows = [[name, *(ratio.get((f.key, name), "") for f in fragments)] for name in names]
    columns = ["", *(f.title for f in fragments)]
    return Fragment("", "", "CPU time in multiples of ours", columns, rows).markdown()


def main() -> None:
    """Write the page."""
    paths = sorted(PARTS.glob("*.json"))
    fragments = [Fragment(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    PAGE.write_text(page(fragments), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(fragments)} tables")


if __name__ == "__main__":
    main()
