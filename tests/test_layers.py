"""The architecture: who imports whom, how large the files are, what CONTRIBUTING says of them."""

import ast
import io
import itertools
import re
import statistics
import sys
import threading
import tokenize
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

import skimage_tvflow

PACKAGE = "skimage_tvflow"
ROOT = Path(skimage_tvflow.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PLUGIN_FILES = sorted((Path(__file__).parents[1] / "napari_plugin").rglob("*.py"))
CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"

# From the top down. A module may import its own folder and what stands on a lower line; two names
# on one line do not know each other.
ORDER = [
    "cli",
    "evaluation",
    "applications plots",
    "spectral baselines",
    "estimators",
    "learned",
    "inputs",
    "core",
    "atomic_write number_format",
]
# The same inside core.
CORE_ORDER = [
    "integrate",
    "integrators extinction_time certificate published_network",
    "recorder time_grid tracker",
    "error_bound",
    "extinction",
    "step_control networks",
    "problem",
    "scaling",
    "backends",
    "frames losses momentum parallel",
    "operators progress",
    "domain",
    "decay_rate pieces",
]
# llvmlite is how numba is given instructions that it has no word for; scipy solves linear systems.
CORE_IMPORTS = {"torch", "numpy", "numba", "llvmlite", "scipy", *sys.stdlib_module_names}

# Files of the package on the way of a default `transform` to its first compiled iteration: on the
# stack at that moment, and entered at all.
FILES_ABOVE_THE_KERNEL, FILES_BEFORE_THE_KERNEL = 12, 25
# Ratchets: lower them. Only a new capability raises them: the network of the paper, its competitors
# and their evaluation; then masks, weights, complex images and noise of any kind; then times that
# are solved together.
SOURCE_LINES = 12_700
LONGEST_FILE = 300
MEDIAN_FILE = 140


def name_of(path):
    """Return the module's name without that of the package: ``core.operators``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Yield the absolute name of everything that a file imports, also inside functions."""
    package = [PACKAGE, *path.relative_to(ROOT).parts[:-1]] if path.is_relative_to(ROOT) else []
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


def own_imports(path):
    """Yield the names of the package's own modules that a file imports."""
    for name in imports(path):
        if name.split(".")[0] == PACKAGE:
            yield name.partition(".")[2]


GRAPH = {name_of(path): set(own_imports(path)) for path in FILES}
# The public names are loaded from where the stub says.
GRAPH[""] = set(own_imports(ROOT / "__init__.pyi"))


def level(name, order):
    """Return the line of ``order`` that names a module or its folder, counted from the bottom."""
    for height, line in enumerate(reversed(order)):
        if name in line.split():
            return height
    raise AssertionError(f"{name} is in no layer: name it in ORDER or CORE_ORDER of this file")


def offences(modules, order, part):
    """Return "A imports B" where B is not below A; ``part`` picks the layer's name from a module's.

    Modules of the same layer may import each other if they are in one folder.
    """
    return [
        f"{module} imports {other}"
        for module in modules
        for other in sorted(GRAPH[module])
        if part(other) not in (None, part(module))
        and level(part(other), order) >= level(part(module), order)
    ]


def top(module):
    return module.split(".")[0] or None


def top_in_core(module):
    return module.split(".")[1] if module.startswith("core.") else None


def listing(problems):
    return "\n" + "\n".join(map(str, problems))


class TestWhoImportsWhom:
    def test_the_reader_sees_imports_of_every_form(self):
        found = set().union(*GRAPH.values())
        assert {"core.integrate", "estimators.base"} <= found
        assert "core.backends.torch.sweep" in found  # imported inside a function
        everything = {name for path in FILES for name in imports(path)}
        assert {"torch", "numba", "sklearn.base"} <= everything

    def test_no_layer_imports_a_higher_one(self):
        problems = offences([module for module in GRAPH if module], ORDER, top)
        assert not problems, listing(problems)

    def test_the_core_imports_only_downwards(self):
        core = [module for module in GRAPH if module.startswith("core.")]
        problems = offences(core, CORE_ORDER, top_in_core)
        assert not problems, listing(problems)

    def test_the_layers_name_only_what_exists(self):
        for order, folder in [(ORDER, ROOT), (CORE_ORDER, ROOT / "core")]:
            names = " ".join(order).split()
            gone = [n for n in names if not any((folder / f).exists() for f in (n, f"{n}.py"))]
            assert not gone, listing(gone)

    @pytest.mark.parametrize(
        "path", [p for p in FILES if "core" in p.relative_to(ROOT).parts], ids=name_of
    )
    def test_core_imports_only_numerical_packages(self, path):
        foreign = {
            name
            for name in imports(path)
            if name.split(".")[0] not in CORE_IMPORTS and not name.startswith(f"{PACKAGE}.core")
        }
        assert not foreign

    def test_inputs_do_not_know_the_core(self):
        problems = [
            f"{module} imports {other}"
            for module, others in GRAPH.items()
            for other in others
            if top(module) == "inputs" and top(other) == "core"
        ]
        assert not problems, listing(problems)

    def test_no_circle(self):
        """Imports inside functions count, and so do the public names, which stand above all."""
        graph = {module or PACKAGE: {other or PACKAGE for other in others - {module}}
                 for module, others in GRAPH.items()}  # fmt: skip
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail(" <- ".join(error.args[1]))


class TestThePlugin:
    """The napari plugin stands above everything; its files are not among those counted below."""

    def test_it_uses_only_public_names_of_the_library(self):
        nodes = [node for path in PLUGIN_FILES for node in ast.walk(ast.parse(path.read_text()))]
        taken = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        modules = {node.module for node in taken if node.module.split(".")[0] == PACKAGE}
        assert modules == {PACKAGE, f"{PACKAGE}.applications"}
        used = {alias.name for node in taken if node.module == PACKAGE for alias in node.names}
        assert used <= {*skimage_tvflow.__all__, "__version__"}
        assert "scale_space" in used

    def test_the_library_does_not_know_it(self):
        problems = [
            f"{name_of(path)} imports {name}"
            for path in FILES
            for name in imports(path)
            if name.split(".")[0] in {"napari", "napari_tvflow", "qtpy", "superqt"}
        ]
        assert not problems, listing(problems)

    def test_its_model_knows_no_widgets(self):
        model = [path for path in PLUGIN_FILES if path.parent.name == "model"]
        assert len(model) > 10
        problems = [
            f"{path.name} imports {name}"
            for path in model
            for name in imports(path)
            if name.startswith(("qtpy", "superqt", "napari_tvflow.widgets", "napari.qt"))
        ]
        assert not problems, listing(problems)

    def test_its_files_are_short(self):
        lengths = {path.name: len(source_lines(path)) for path in PLUGIN_FILES}
        problems = [f"{name}: {n} lines" for name, n in lengths.items() if n > 160]
        assert not problems, listing(problems)

    def test_it_is_listed(self):
        text = CONTRIBUTING.read_text("utf-8")
        missing = [
            path.name
            for path in PLUGIN_FILES
            if path.name != "__init__.py" and not re.search(rf"^ +{path.name} ", text, re.M)
        ]
        assert not missing, listing(missing)


class TestNames:
    def test_no_two_classes_have_one_name(self):
        homes = defaultdict(list)
        for path in FILES:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(name_of(path))
        problems = [f"{name}: {', '.join(where)}" for name, where in homes.items() if where[1:]]
        assert not problems, listing(problems)

    def test_contributing_lists_exactly_the_modules_of_two_levels(self):
        assert listed_in_contributing() == on_disk()

    def test_every_entry_of_the_listing_says_what_it_is(self):
        silent = [line for line in listing_lines() if len(line.split(maxsplit=1)) < 2]
        assert not silent, listing(silent)

    def test_paths_in_contributing_exist(self):
        """What looks like a path, in backticks: `core/integrate.py`."""
        text = CONTRIBUTING.read_text("utf-8")
        paths = re.findall(r"`([\w./-]+(?:/|\.py))`", text)
        assert len(paths) > 10
        bases = [ROOT, CONTRIBUTING.parent, CONTRIBUTING.parent / "tests"]
        missing = [p for p in paths if not any((base / p).exists() for base in bases)]
        assert not missing, listing(missing)


def listing_lines():
    """Return the lines of the listing in CONTRIBUTING: the code block that begins with src/."""
    blocks = re.findall(r"^```(?:text)?\n(.*?)^```", CONTRIBUTING.read_text("utf-8"), re.M | re.S)
    (block,) = [block for block in blocks if block.startswith(f"src/{PACKAGE}/")]
    return block.splitlines()[1:]


def listed_in_contributing():
    """Return the paths of the listing, two blanks of indent a level; folders end in a slash."""
    paths, folder = set(), ""
    for line in listing_lines():
        entry = line.split()[0]
        inside = line.startswith("    ")
        paths.add(folder + entry if inside else entry)
        if not inside:
            folder = entry
    return paths


def on_disk():
    """Return the modules and folders of the package at two levels."""
    paths = itertools.chain(ROOT.glob("*"), ROOT.glob("*/*"))
    return {
        path.relative_to(ROOT).as_posix() + "/" * path.is_dir()
        for path in paths
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py")
    }


class TestSize:
    def test_no_file_is_too_long(self):
        lengths = {name_of(path): len(lines_without_docstrings(path)) for path in FILES}
        problems = [f"{name}: {n} lines" for name, n in lengths.items() if n > LONGEST_FILE]
        assert not problems, listing(problems)

    def test_the_median_file_is_short(self):
        assert (
            statistics.median(len(p.read_text("utf-8").splitlines()) for p in FILES) < MEDIAN_FILE
        )

    def test_there_are_not_too_many_source_lines(self):
        counts = {name_of(path): len(source_lines(path)) for path in FILES}
        by_folder = defaultdict(int)
        for name, count in counts.items():
            by_folder[name.split(".")[0]] += count
        assert sum(counts.values()) <= SOURCE_LINES, listing(sorted(by_folder.items()))

    def test_the_counter_of_source_lines(self, tmp_path):
        path = tmp_path / "sample.py"
        path.write_text('"""Docstring."""\n\n# Comment\nx = """a\nb"""  # comment\n\n\ndef f():\n'
                        '    """Docstring\n    of f."""\n    return x\n')  # fmt: skip
        assert source_lines(path) == {4, 5, 8, 11}
        assert lines_without_docstrings(path) == {2, 3, 4, 5, 6, 7, 8, 11}


def docstring_lines(path):
    """Return the numbers of the lines that docstrings take."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    numbers = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            numbers.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return numbers


def lines_without_docstrings(path):
    """Return the numbers of all lines but those of docstrings."""
    return set(range(1, len(path.read_text("utf-8").splitlines()) + 1)) - docstring_lines(path)


def source_lines(path):
    """Return the numbers of the lines that hold code: no docstrings, comments or blank lines."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
              tokenize.ENDMARKER}  # fmt: skip
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    numbers = {
        number
        for token in tokens
        if token.type not in layout
        for number in range(token.start[0], token.end[0] + 1)
    }
    return numbers - docstring_lines(path)


class TestThePathToTheKernel:
    def test_transform_passes_few_files(self):
        flow = skimage_tvflow.ChambolleTVFlow()
        image = np.random.default_rng(0).random((12, 12))
        flow.transform(image)  # compiles, imports, starts threads
        entered, above = files_until_the_first_kernel(lambda: flow.transform(image))
        assert len(above) <= FILES_ABOVE_THE_KERNEL, listing([f"{len(above)} files:", *above])
        assert len(entered) <= FILES_BEFORE_THE_KERNEL, listing(
            [f"{len(entered)} files:", *entered]
        )


def files_until_the_first_kernel(call):
    """Return the files that run code until a backend's first ``advance``, and those that call it.

    Compiled kernels are not seen by a profiler, but the method that calls them is.
    """
    entered, above = [], []

    def profile(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if above or event != "call" or not path.is_relative_to(ROOT):
            return
        name = name_of(path)
        if name not in entered:
            entered.append(name)
        if frame.f_code.co_name == "advance" and name.startswith("core.backends."):
            while frame is not None:
                path = Path(frame.f_code.co_filename)
                if path.is_relative_to(ROOT) and name_of(path) not in above:
                    above.append(name_of(path))
                frame = frame.f_back

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert above, "no backend's advance was called"
    return entered, above
