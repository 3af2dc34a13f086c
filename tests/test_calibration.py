"""Every constant of the core is explained, and found again by a script or excused with a reason."""

import ast
import importlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import skimage_tvflow

CORE = Path(skimage_tvflow.__file__).parent / "core"
SCRIPTS = Path(__file__).parent / "calibration"

# Constants that no experiment can improve, and why.
NOT_TUNED = {
    "backends.coarse_grids.LEAST_LENGTH": "a limit of the arithmetic",
    "backends.numba.duality_gap_kernel.N_SUMS": "the number of sums that the kernel returns",
    "backends.numba.duality_gap_kernel.SEGMENT": "compiled into the kernel: bounds its rounding",
    "backends.numba.energy_kernel.N_SUMS": "the number of sums that the kernel returns",
    "backends.numba.simd.VECTOR_BYTES": "the widest vectors that processors have",
    "backends.numba.space_time_kernel.SEGMENT": "compiled into the kernel: fits any first cache",
    "backends.numba.sweep._LONG": "how soon Ctrl-C is heard, not speed",
    "backends.protocol.ROUNDING": "a bound of rounding errors, derived beside it",
    "backends.select._LEAST_NUMBERS_ELSEWHERE": "from the counts beside it, for other devices",
    "backends.select._LEAST_SIDE_ELSEWHERE": "from the counts beside it, for other devices",
    "backends.torch.space_time.BETAS": "protocol of the paper",
    "backends.torch.space_time.EPSILON": "protocol of the paper",
    "integrators.euler_steps._LOOKS": "how soon an end is seen, not where it is",
    "extinction_time._FINEST": "bounds the work of tolerances that nobody needs",
    "extinction_time._SLACK": "how long to search before giving up",
    "integrators.linear_diffusion._RTOL": "far below any tolerance that can be asked for",
    "integrators.regularized._MOST_STEPS": "a limit of the arithmetic",
    "published_network.LAST_TIME": "protocol of the paper",
    "published_network.PUBLISHED_SCALE": "protocol of the paper",
    "published_network._PIECES": "as many as the paper has times; counts for the bound alone",
    "published_network._PIXELS_ELSEWHERE": "only for other devices, whose memory it limits",
    "integrators.space_time._DEVIATION": "protocol of the paper",
    "momentum._MOST_SEVERAL": "the range in which the formula above it was fitted",
    "networks.operators._SQUARED_LENGTH_FLOOR": "a limit of the arithmetic",
    "networks.unrolled.LARGEST_WEIGHT": "a limit of the arithmetic",
    "networks.unrolled._DETAIL_WIDTHS": "part of the design that the weights were trained for",
    "networks.unrolled._KEEP": "where training starts: it ends elsewhere",
    "networks.unrolled._LEARNED_PART": "where training starts: it ends elsewhere",
    "networks.unrolled._LARGEST_FEATURE": "a limit of the arithmetic",
    "networks.unrolled._MOMENTUM": "where training starts: it ends elsewhere",
    "networks.unrolled._SIGMA_TIMES_2N": "where training starts: it ends elsewhere",
    "operators._FIRST_SPATIAL": "the layout of all tensors",
    "operators._SLAB_ELSEWHERE": "only for other devices, whose memory it limits",
    "parallel._IMPORTED_IN": "the number of a process",
    "problem._LONGEST": "a limit of the arithmetic, derived beside it",
    "progress.REPORT_SECONDS": "what people notice, not speed",
    "tracker._TOL": "the unit of the effort, as documented",
    "tracker._TRAJECTORIES": "the unit of the effort, as documented",
    "step_control._LONGEST": "a limit of the arithmetic",
    "step_control._MOST_PLANNED_ITERATIONS": "a limit of the arithmetic",
    "step_control._CYCLED_AXIS": "the unit of length of _CYCLED_ITERATIONS, with which it is one",
    "step_control.ITERATIONS_OF_A_STEP": "one is the least; the other only serves a comparison",
    "step_control.MOST_STEPS": "how long to try before giving up",
    "step_control.MOST_STEPS_IN_VAIN": "how long to try where no work is enough",
}


def constants(source: str) -> Iterator[tuple[str, int, ast.expr]]:
    """Names in capitals assigned at the top level of a module, with line and value."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        for target in targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and re.fullmatch(r"_?[A-Z][A-Z0-9_]*", name.id):
                    yield name.id, node.lineno, node.value


def unexplained(source: str, names: set[str]) -> list[str]:
    """Which of ``names`` have no comment beside them, above them, or above their group by name.

    A group is a block of lines without a blank one. Only its first constant is explained by a
    comment that does not name it.
    """
    lines, without = source.splitlines(), []
    for name, number, _ in constants(source):
        above = number - 2
        while above >= 0 and lines[above].strip():
            above -= 1
        comments = [line for line in lines[above + 1 : number - 1] if line.startswith("#")]
        explained = (
            re.search(r"#\s*\w", lines[number - 1])
            or lines[number - 2].startswith("#")
            or re.search(rf"\b{name}\b", " ".join(comments))
        )
        if name in names and not explained:
            without.append(name)
    return without


def is_numeric(value: object) -> bool:
    """A number, or a tuple or dictionary of numbers."""
    members = value.values() if isinstance(value, dict) else value
    if isinstance(value, tuple | dict):
        return all(isinstance(member, int | float) for member in members)
    return isinstance(value, int | float)


def numeric_constants(path: Path) -> set[str]:
    """The constants of a module of the core that hold numbers."""
    module = importlib.import_module(f"skimage_tvflow.core.{dotted(path)}")
    # What counts from 0 by a range are positions, not magnitudes.
    names = {
        name
        for name, _, value in constants(path.read_text(encoding="utf-8"))
        if not ast.unparse(value).startswith("range(")
    }
    return {name for name in names if is_numeric(getattr(module, name))}


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(CORE).with_suffix("").parts)


def named(source: str) -> Iterator[tuple[str, str]]:
    """Modules of the package that a script imports, each with all names that it mentions."""
    tree = list(ast.walk(ast.parse(source)))
    names = {node.attr for node in tree if isinstance(node, ast.Attribute)}
    names |= {node.value for node in tree if isinstance(node, ast.Constant)}
    for node in tree:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skimage_tvflow"):
            yield from itertools.product([f"{node.module}.{a.name}" for a in node.names], names)


def searched() -> set[str]:
    """The constants of the core that the scripts find again."""
    found = set()
    for script in SCRIPTS.glob("*.py"):
        for module, name in named(script.read_text(encoding="utf-8")):
            found.add(f"{module}.{name}".removeprefix("skimage_tvflow.core."))
    return found


MODULES = sorted(path for path in CORE.rglob("*.py") if path.name != "__init__.py")
EVERY = {f"{dotted(path)}.{name}" for path in MODULES for name in numeric_constants(path)}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_constant_is_explained(path: Path) -> None:
    assert unexplained(path.read_text(encoding="utf-8"), numeric_constants(path)) == []


def test_every_constant_is_found_again_or_excused() -> None:
    assert sorted(EVERY - searched() - set(NOT_TUNED)) == []


def test_nothing_is_excused_that_is_gone() -> None:
    assert sorted(set(NOT_TUNED) - EVERY) == []


def test_an_unexplained_constant_is_seen() -> None:
    source = (
        "import x\n\n# Why A.\nA = 1\nB = 2\n\nC, _D = 3, 4  # why both\n\nE = 5\n\nlower = 6\n"
    )
    assert unexplained(source, {"A", "B", "C", "_D", "E"}) == ["B", "E"]
    assert unexplained("# What _A and B are.\n_A = 1\nB = 2\n", {"_A", "B"}) == []


def test_what_a_script_names() -> None:
    source = (
        "from skimage_tvflow.core import a as b\n"
        "from elsewhere import c\n"
        "r.search(b, 'ONE', [b.TWO])\n"
    )
    pairs = set(named(source))
    assert {("skimage_tvflow.core.a", "ONE"), ("skimage_tvflow.core.a", "TWO")} <= pairs
    assert {module for module, _ in pairs} == {"skimage_tvflow.core.a"}
