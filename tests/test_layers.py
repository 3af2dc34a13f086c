"""Who imports whom: every layer only those below it, the core only torch and numbers."""

import ast
import sys
from pathlib import Path

import pytest

import skimage_tvflow

PACKAGE = "skimage_tvflow"
ROOT = Path(skimage_tvflow.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# From the bottom up. A module may import its own layer and the ones below; a name that is not
# listed is an estimator or something built on estimators.
LAYERS = [
    {"core"},
    {
        "_axes",
        "_arrays",
        "_devices",
        "_times",
        "_job",
        "_progress",
        "_result",
        "atomic_write",
        "number_format",
    },
    {"estimators"},
    {""},  # the public names
    {"cli"},
]


def layer(module):
    package, _, inside = module.partition(".")
    if package != PACKAGE:
        return None
    top = inside.split(".")[0]
    for level, names in enumerate(LAYERS):
        if top in names:
            return level
    return 2


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Absolute names of all that a file imports, inside functions as well."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                inside = ROOT.parent.joinpath(*base.split("."), alias.name)
                is_module = inside.is_dir() or inside.with_suffix(".py").is_file()
                yield f"{base}.{alias.name}" if is_module else base


def test_the_reader_sees_imports_of_every_form():
    found = {name for path in FILES for name in imports(path)}
    assert {"torch", "numba", "sklearn.base", f"{PACKAGE}.core.march", f"{PACKAGE}._base"} <= found
    assert f"{PACKAGE}.core.backends.numba_cpu" in found  # imported inside a function
    assert f"{PACKAGE}.cli.program" in found


@pytest.mark.parametrize(
    "path", [p for p in FILES if "core" in p.relative_to(ROOT).parts], ids=name_of
)
def test_core_imports_torch_numpy_numba_the_standard_library_and_itself(path):
    # llvmlite is how numba is told of instructions that it has no word for.
    allowed = {"torch", "numpy", "numba", "llvmlite", *sys.stdlib_module_names}
    if path.stem.startswith("scipy_"):
        allowed.add("scipy")
    foreign = {
        name
        for name in imports(path)
        if name.split(".")[0] not in allowed and not f"{name}.".startswith(f"{PACKAGE}.core.")
    }
    assert not foreign


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_imports_upwards(path):
    own = layer(name_of(path))
    above = {name for name in imports(path) if layer(name) is not None and layer(name) > own}
    assert not above


@pytest.mark.parametrize("name", ["_axes", "_arrays", "_times", "_devices"])
def test_axes_arrays_times_and_devices_do_not_know_the_core(name):
    assert not {module for module in imports(ROOT / f"{name}.py") if layer(module) == 0}
