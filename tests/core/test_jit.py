"""Compiled code on disk: it is found again, and damaged files are replaced."""

import importlib.util

import numba
import pytest
from numba.core.caching import FunctionCache

from skimage_tvflow.core.backends.numba import jit

# The function lives in a file, as numba keeps nothing for code that has none.
CODE = """
from skimage_tvflow.core.backends.numba.jit import compiled

@compiled()
def double(x):
    return x + x
"""
DAMAGES = {
    "empty": lambda data: b"",
    "cut after a few bytes": lambda data: data[:5],
    "cut in half": lambda data: data[: len(data) // 2],
    "the last byte is missing": lambda data: data[:-1],
    "garbage": lambda data: b"\xff garbage \x00" * 50,
    "text": lambda data: b"garbage\n.",
    "a pickle of nothing": lambda data: b"N.",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Compile two overloads as a new process would: how many came from the disk, how many not."""
    script = tmp_path / "script.py"
    script.write_text(CODE)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))

    def run():
        spec = importlib.util.spec_from_file_location("script", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert (module.double(4), module.double(1.5)) == (8, 3.0)
        stats = module.double.stats
        return sum(stats.cache_hits.values()), sum(stats.cache_misses.values())

    return run


def test_what_was_compiled_is_found_again(run):
    assert run() == (0, 2)
    assert run() == (2, 0)


def test_a_change_in_any_kernel_compiles_anew(run, monkeypatch):
    """The function may call one of another file, which numba does not look at."""
    run()
    monkeypatch.setattr(jit, "_digest_of_sources", lambda: "other sources")
    assert run() == (0, 2)
    assert run() == (2, 0)


def test_the_digest_is_that_of_all_files(tmp_path, monkeypatch):
    digests = []
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    for name, text in [("a.py", "x = 1"), ("b.py", "x = 1"), ("b.py", "x = 2"), ("b.py", "x = 1")]:
        (tmp_path / name).write_text(text)
        digests.append(jit._digest_of_sources.__wrapped__())
    assert digests[1] == digests[3]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_compiled_anew(run, tmp_path, kind, damage):
    run()
    files = sorted((tmp_path / "cache").rglob(f"*.{kind}"))
    assert files
    for path in files:
        path.write_bytes(damage(path.read_bytes()))
    assert run()[1] > 0
    assert run() == (2, 0)


def test_a_full_disk_does_not_matter(run, monkeypatch, caplog):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(FunctionCache, "save_overload", full)
    assert run() == (0, 2)
    assert "NUMBA_CACHE_DIR" in caplog.text
