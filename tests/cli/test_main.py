from __future__ import annotations

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.cli.bands import N_BANDS
from skimage_tvflow.cli.flows import N_TIMES
from skimage_tvflow.cli.run import TIGHT


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["flow", "--help"],
        ["spectrum", "--help"],
        ["filter", "--help"],
        ["denoise", "--help"],
        ["info", "-h"],
        [],
    ],
)
def test_help_needs_no_torch(arguments):
    program = (
        "import sys; from skimage_tvflow.cli import main; "
        f"status = main({arguments!r}); "
        "heavy = {'torch', 'numba', 'sklearn', 'skimage', 'numpy'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: skimage-tvflow" in done.stdout


def test_help_of_flow_names_the_defaults_of_the_library(tvflow):
    words = " ".join(tvflow("flow", "--help").out.split())
    defaults = inspect.signature(ChambolleTVFlow).parameters
    for option, name in [
        ("order N", "order"),
        ("tol X", "tol"),
        ("max-num-iter N", "max_num_iter"),
    ]:
        about = words.split(f" --{option} ")[1].split(" --")[0]
        assert f"[default: {defaults[name].default}]" in about
    assert defaults["n_steps"].default == "auto"
    assert "Without: as many as --tol needs." in words
    assert "below 1e-5" in words
    assert float("1e-5") == TIGHT


def test_help_names_the_number_of_times(tvflow):
    for command in "spectrum", "filter":
        words = " ".join(tvflow(command, "--help").out.split())
        assert f"up to extinction. [default: {N_BANDS}]" in words
    assert "twelve times" in " ".join(tvflow("flow", "--help").out.split())
    assert N_TIMES == 12


def test_help_is_whole_and_speaks_no_python(tvflow):
    overview = tvflow("--help").out
    assert "..." not in overview.split("Commands:")[1]
    assert "list[" not in tvflow("flow", "--help").out
    assert "IMAGE...}" not in tvflow("flow", "--help").out
    for command in "spectrum", "filter", "denoise":
        assert "<" not in tvflow(command, "--help").out


def test_a_slip_is_answered_with_a_question(tvflow):
    assert "'flwo'. Did you mean 'flow'? Type 'skimage-tvflow --help'" in tvflow("flwo").err


def test_runs_as_a_module_and_sets_the_exit_status(tmp_path):
    command = [
        sys.executable,
        "-m",
        "skimage_tvflow.cli",
        "flow",
        "no.tif",
        "-o",
        tmp_path / "out.tif",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no file or folder no.tif")
    assert list(tmp_path.iterdir()) == []


def test_version(tvflow):
    import skimage_tvflow

    assert tvflow("--version").out == f"skimage-tvflow {skimage_tvflow.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["flow", "a.tif", "-o", "b.tif", "-t", "abc"],
            ["-t", "a number, for several -t 0.1 -t 0.2, is needed", "'abc'"],
        ),
        (
            ["flow", "a.tif", "-o", "b.tif", "--n-steps", "2.5"],
            ["--n-steps", "whole number", "'2.5'"],
        ),
        (["flow", "a.tif", "-o", "b.tif", "--tol", "x"], ["--tol", "number is needed", "'x'"]),
        (["flow", "a.tif", "-o", "b.tif", "--batch-axis", "z"], ["--batch-axis", "'z'"]),
        (["flow", "a.tif"], ["--output"]),
        (["flow", "-o", "b.tif"], ["IMAGE"]),
        (["flow", "a.tif", "-o", "b.tif", "--bogus"], ["--bogus"]),
        (["flwo"], ["flwo"]),
    ],
)
def test_usage_errors_say_what_was_given_and_what_to_type(tvflow, arguments, words):
    outcome = tvflow(*arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert "--help' for what is accepted." in outcome.err
    assert all(word in outcome.err for word in words), outcome.err


def test_an_internal_fault_is_not_blamed_on_the_input(tvflow, step_tif, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        return np.zeros(3) + np.zeros(4)  # a ValueError, but not one of the library's messages

    monkeypatch.setattr(ChambolleTVFlow, "solve", broken)
    arguments = ("flow", step_tif, "-t", 1, "-o", tmp_path / "a.tif")
    outcome = tvflow(*arguments)
    assert outcome.status == 1
    assert outcome.err.startswith("error: internal fault: ValueError: operands could not be broad")
    assert "a fault of the program, not of your files" in outcome.err
    assert "--debug" in outcome.err
    assert outcome.err.count("\n") == 1
    outcome = tvflow(*arguments, "--debug")
    assert outcome.status == 1
    assert "Traceback (most recent call last)" in outcome.err
    assert "in broken" in outcome.err


def test_debug_shows_where_a_message_comes_from(tvflow, step_tif, tmp_path):
    outcome = tvflow("flow", step_tif, "--tol", -1, "-o", tmp_path / "a.tif", "--debug")
    assert outcome.status == 2
    assert "Traceback (most recent call last)" in outcome.err
    assert "error: The 'tol' parameter" in outcome.err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 TiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 3 TiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 TiB"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_names_the_size_needed(refused, step_tif, tmp_path, monkeypatch, error):
    def full(*args, **kwargs):
        raise error

    monkeypatch.setattr(ChambolleTVFlow, "solve", full)
    message = refused(step_tif, "-o", tmp_path / "a.tif")
    assert f"{step_tif}: out of memory (" in message
    assert "3 TiB" in message
    assert "12 frames of 6 x 8 float32 values take 2.3e-06 GB" in message
    assert "Type fewer times, or cut the image." in message


PROGRAM = (sys.executable, "-m", "skimage_tvflow.cli")
# A module that stands for a library whose import takes long, and is stopped while it does.
SLOW = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)
except BaseException:
    raise ImportError("the library is broken")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("module", ["typer", "torch"])
def test_a_signal_while_importing(step_tif, tmp_path, module, name, status):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / f"{module}.py").write_text(SLOW.format(name=name))
    path = os.pathsep.join([str(folder), *sys.path])
    command = [*PROGRAM, "flow", step_tif, "-t", "1", "-o", tmp_path / "a.tif"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, timeout=60
    )
    assert done.returncode == status
    assert done.stderr == "interrupted; no file was left half-written\n"


# Stops itself in the middle of writing the output.
WRITING = """
import os, signal, sys, time
import tifffile
from skimage_tvflow.cli import main

def stopped(path, *args, **kwargs):
    path.write_bytes(b"half a TIFF")
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)

tifffile.imwrite = stopped
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_a_signal_while_writing(tvflow, step_tif, tmp_path, name, status):
    target = tmp_path / "out" / "a.tif"
    arguments = ["flow", step_tif, "-t", "1", "-o", target]
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", WRITING.format(name=name), *arguments],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, timeout=60,
    )  # fmt: skip
    assert done.returncode == status
    if name != "SIGKILL":
        assert done.stderr == "interrupted; no file was left half-written\n"
        assert list(target.parent.iterdir()) == []
    else:  # nothing can be done then, but the next run of the same command cleans up
        assert len(list(target.parent.iterdir())) == 1
    assert tvflow(*arguments).status == 0
    assert list(target.parent.iterdir()) == [target]
