"""README and CONTRIBUTING: what they import, link to and type exists."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md")}
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def code_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def test_what_the_readme_imports_exists():
    imported = []
    for block in code_blocks(TEXTS["README.md"], "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                imported += [getattr(module, alias.name) for alias in node.names]
    assert len(imported) > 6


@pytest.mark.parametrize("name", TEXTS)
def test_links_to_files_lead_somewhere(name):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXTS[name]) if "://" not in link]
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", TEXTS)
def test_targets_of_make_exist(name):
    typed = re.findall(r"(?:`|^)make (?:[A-Z_]+=\S+ )*([a-z-]+)", TEXTS[name], re.M)
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    assert {"demo", "test"} & set(typed)
    assert set(typed) <= targets
