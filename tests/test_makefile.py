"""Which torch ``make`` installs: tried with a pip that only writes down what it is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTED = next(
    line
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line.startswith("torch==")
)
# Stands for python3 and for .venv/bin/python: has a torch or not, has an index with +cpu or not.
STUB = """#!{python}
import os, shutil, sys
from pathlib import Path
arguments = sys.argv[1:]
if arguments[:2] == ["-m", "venv"]:
    Path(arguments[2], "bin").mkdir(parents=True)
    shutil.copy(__file__, Path(arguments[2], "bin", "python"))
elif "find_spec" in " ".join(arguments):
    sys.exit("HAS_TORCH" not in os.environ)
elif "install" in arguments:
    with open("pip.log", "a") as log:
        print(*arguments[arguments.index("install") + 1:], file=log)
    if "+cpu" in arguments[-1] and "CPU_FAILS" in os.environ:
        sys.exit("ERROR: " + os.environ["CPU_FAILS"])
elif "list" in arguments:
    print("torch==9.9")
"""

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or sys.platform == "win32", reason="needs make"
)


@pytest.fixture
def make(tmp_path):
    """Return a function that runs make there and returns its output and pip's commands."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    stub = tmp_path / "stub-python"
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(0o755)

    def run(*variables, status=0, **environment):
        command = ["make", f"PYTHON={stub}", *variables, ".venv/.torch"]
        # what a make that runs these tests was given is not for this one
        ours = ("MAKE", "TORCH", "NVIDIA", "PLATFORM", "OUT", "PYTHON")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        done = subprocess.run(
            command, cwd=tmp_path, env=clean | environment, capture_output=True, text=True
        )
        assert done.returncode == status, done.stdout + done.stderr
        log = tmp_path / "pip.log"
        return done.stdout + done.stderr, log.read_text().splitlines() if log.exists() else []

    return run


X86 = ("PLATFORM=Linux x86_64", "NVIDIA=")


def test_without_a_driver_it_is_the_cpu_build(make):
    said, commands = make(*X86)
    assert "CPU build" in said
    assert [line.split()[-1] for line in commands] == [f"{TESTED}+cpu"]
    assert "--quiet" not in commands[0]


def test_an_index_without_the_cpu_build_is_told_before_the_large_download(make):
    missing = f"No matching distribution found for {TESTED}+cpu"
    said, commands = make(*X86, CPU_FAILS=missing)
    assert [line.split()[-1] for line in commands] == [f"{TESTED}+cpu", TESTED]
    assert "2 to 3 GB" in said
    assert "TORCH_INDEX=" in said
    assert missing not in said


def test_another_failure_of_the_cpu_build_is_an_error(make):
    said, commands = make(*X86, status=2, CPU_FAILS="No space left on device")
    assert len(commands) == 1
    assert "No space left on device" in said


def test_the_index_that_the_user_names_is_searched_too(make):
    _, commands = make(*X86, "TORCH_INDEX=file:///somewhere")
    assert "--extra-index-url file:///somewhere" in commands[0]


@pytest.mark.parametrize("variables", [
    ("PLATFORM=Linux x86_64", "NVIDIA=yes"),
    ("PLATFORM=Darwin arm64", "NVIDIA="),
    ("PLATFORM=Linux aarch64", "NVIDIA="),
])  # fmt: skip
def test_elsewhere_it_is_the_tested_version(make, variables):
    said, commands = make(*variables)
    assert [line.split()[-1] for line in commands] == [TESTED]
    assert ("CUDA" in said) == ("NVIDIA=yes" in variables)


def test_a_driver_is_seen(make, tmp_path):
    driver = tmp_path / "bin"
    driver.mkdir()
    (driver / "nvidia-smi").touch(mode=0o755)
    path = f"{driver}:{os.environ['PATH']}"
    assert make("PLATFORM=Linux x86_64", PATH=path)[1][0].endswith(TESTED)


def test_another_torch_is_what_was_asked_for(make, tmp_path):
    _, commands = make(*X86, "TORCH=torch==2.7.1")
    assert [line.split()[-1] for line in commands] == ["torch==2.7.1"]
    assert (tmp_path / ".venv" / ".torch").read_text() == "torch==9.9\n"


def test_a_torch_that_is_there_is_kept(make, tmp_path):
    said, commands = make(*X86, HAS_TORCH="1")
    assert "keeping" in said
    assert not commands
    assert (tmp_path / ".venv" / ".torch").read_text() == "torch==9.9\n"
