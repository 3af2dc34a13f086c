"""Change one thing at random in ``core`` and see whether the tests notice.

``python tests/mutations.py 20 --seed 1`` takes an hour or two.

Every mutant is one operator, comparison, number, sign, `min` or `max` changed in a copy of the
project, in a temporary folder. The tests that should notice run until the first failure. What
survives is printed with its line: either a test is missing, or the line steers nothing but speed.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = "src/skimage_tvflow/core"
# Those that fail first come first. The tests of what stands on these layers take as long again.
TESTS = ["tests/core", "tests/estimators", "tests/spectral", "tests/learned"]
SWAPPED = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Pow: "*",
    ast.Lt: ">=", ast.LtE: "<", ast.Gt: "<=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.And: "or", ast.Or: "and",
}  # fmt: skip
OTHER_NAME = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
HOURS = 2  # for one run of the tests


def mutations(path):
    """Yield (start, end, new text) of every change that one file offers; offsets are in bytes."""
    source = path.read_bytes()
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def span(node):
        return (lines[node.lineno - 1] + node.col_offset,
                lines[node.end_lineno - 1] + node.end_col_offset)  # fmt: skip

    def between(left, right, operator):
        """Yield the change of the operator that stands between two expressions."""
        start, end = span(left)[1], span(right)[0]
        text = source[start:end].decode()
        token = re.search(r"\band\b|\bor\b|[<>=!]=|[<>]|\*\*|//|[-+*/]", text)
        if token is None or "#" in text:
            return
        yield start + token.start(), start + token.end(), SWAPPED[type(operator)]

    tree = ast.parse(source)
    silent = set(unmoved(tree))
    for node in ast.walk(tree):
        if node in silent:
            continue
        if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
            yield from between(node.left, node.right, node.op)
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
            yield from between(node.left, node.comparators[0], node.ops[0])
        elif isinstance(node, ast.BoolOp):
            yield from between(node.values[0], node.values[1], node.op)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            start, _ = span(node)
            yield start, start + 1, ""
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            new = node.value + 1 if type(node.value) is int else node.value * 1.5 or 0.1
            yield *span(node), repr(new)
        elif isinstance(node, ast.Name) and node.id in OTHER_NAME:
            yield *span(node), OTHER_NAME[node.id]


def unmoved(tree):
    """Yield the nodes that are not computed with: annotations, type aliases and messages."""
    for node in ast.walk(tree):
        parts = [getattr(node, name, None) for name in ("annotation", "returns")]
        parts += [node] if isinstance(node, (ast.JoinedStr, ast.Assert, ast.Raise)) else []
        for part in filter(None, parts):
            yield from ast.walk(part)


def noticed(copy, cache):
    """Return the first failing test of the copy, or None where all tests pass."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy / 'napari_plugin'}",
        "NUMBA_CACHE_DIR": str(cache),
        "OMP_NUM_THREADS": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(cache / "hypothesis"),
    }
    for folder in TESTS:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", folder],
            cwd=copy, env=environment, capture_output=True, text=True, timeout=3600 * HOURS,
        )  # fmt: skip
        if run.returncode:
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.M)
            return failed[1] if failed else (run.stdout + run.stderr)[-200:]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", type=int, nargs="?", default=20, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0, help="mutants of this seed to pass over")
    chosen = parser.parse_args()
    sites = [
        (path.relative_to(ROOT), change)
        for path in sorted((ROOT / CORE).rglob("*.py"))
        for change in mutations(path)
    ]
    picks = random.Random(chosen.seed).sample(sites, chosen.skip + chosen.number)[chosen.skip :]
    caught = 0
    with tempfile.TemporaryDirectory() as folder:
        copy, cache = Path(folder) / "copy", Path(folder) / "numba"
        ignored = shutil.ignore_patterns(".venv", ".git", "out", "__pycache__", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=ignored)
        if by := noticed(copy, cache):
            sys.exit(f"Nothing is changed yet, and this test fails: {by}. Mend it first.")
        for path, (start, end, new) in picks:
            source = (copy / path).read_bytes()
            mutant = source[:start] + new.encode() + source[end:]
            number = source[:start].count(b"\n")
            (copy / path).write_bytes(mutant)
            if "numba" in path.parts:  # a compiled kernel holds others, whose files did not change
                shutil.rmtree(cache, ignore_errors=True)
            begun = time.monotonic()
            by = noticed(copy, cache)
            (copy / path).write_bytes(source)
            if "numba" in path.parts:
                shutil.rmtree(cache, ignore_errors=True)
            caught += by is not None
            print(f"{path.relative_to('src/skimage_tvflow')}:{number + 1}"
                  f"  {time.monotonic() - begun:.0f} s\n"
                  f"  - {source.splitlines()[number].decode().strip()}\n"
                  f"  + {mutant.splitlines()[number].decode().strip()}\n"
                  f"  {by or 'SURVIVED'}", flush=True)  # fmt: skip
    print(f"{caught} of {len(picks)} noticed")


if __name__ == "__main__":
    main()
