from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from skimage_tvflow import TVFlowNet
from skimage_tvflow.atomic_write import atomic_write


def names(path):
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_half_written_stays(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")

    def spoil():
        with atomic_write(tmp_path / "a.txt") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        spoil()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_an_error_of_the_disk_names_the_target(tmp_path):
    with pytest.raises(OSError, match="No space left") as error, atomic_write(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")
    assert error.value.filename == str(tmp_path / "a.txt")


def test_the_first_error_is_told_even_if_the_rest_cannot_be_removed(tmp_path, monkeypatch):
    def no(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", no)
    with pytest.raises(OSError, match="No space left"), atomic_write(tmp_path / "a"):
        raise OSError(28, "No space left on device")


def test_links_and_permissions_are_those_of_other_files(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with atomic_write(tmp_path / "link.txt") as partial:
        partial.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    (tmp_path / "plain.txt").write_text("")
    mode = os.stat(tmp_path / "plain.txt").st_mode
    assert os.stat(tmp_path / "real.txt").st_mode == mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
@pytest.mark.parametrize("linked", [False, True])
def test_weights_do_not_replace_a_pipe(tmp_path, linked):
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    target = tmp_path / "link.safetensors" if linked else pipe
    if linked:
        target.symlink_to(pipe)
    with pytest.raises(OSError, match="is a folder, a pipe or a device, and a regular file"):
        TVFlowNet.from_pretrained("natural-2d").save_pretrained(target)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


KILLED = """
import os, pathlib, sys
from skimage_tvflow.atomic_write import atomic_write
with atomic_write(pathlib.Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os._exit(9)
"""


@pytest.mark.skipif(os.name != "posix", reason="processes cannot be asked for safely")
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    target = tmp_path / "a.txt"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, target])
        assert done.returncode == 9
        assert len(names(tmp_path)) == 1  # the second removed what the first had left
    with atomic_write(tmp_path / "other.txt") as partial:
        partial.write_text("")
    assert len(names(tmp_path)) == 2  # it might belong to somebody
    with atomic_write(target) as partial:
        partial.write_text("whole")
    assert names(tmp_path) == ["a.txt", "other.txt"]


def test_partial_files_of_living_writers_are_left_alone(tmp_path):
    with atomic_write(tmp_path / "a.txt") as first:
        first.write_text("first")
        with atomic_write(tmp_path / "a.txt") as second:
            second.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first"
    parent = first.name.replace(f".{os.getpid()}.", f".{os.getppid()}.")
    (tmp_path / parent).write_text("in progress")
    with atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("third")
    assert names(tmp_path) == sorted([parent, "a.txt"])
