from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.cli.commands import N_BANDS, N_TIMES
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
        ("order 1|2", "order"),
        ("tol X", "tol"),
        ("max-num-iter N", "max_num_iter"),
    ]:
        about = words.split(f" --{option} ")[1].split(" --")[0]
        assert f"[default: {defaults[name].default}]" in about
    assert defaults["n_steps"].default == "auto"
    assert "Without it: as many as --tol needs." in words
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
        (["flow", "a.tif", "-o", "b.tif", "-t", "abc"], ["-t", "number is needed", "'abc'"]),
        (["flow", "a.tif", "-o", "b.tif", "--n-steps", "2.5"], ["--n-steps", "whole number", "'2.5'"]),
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
