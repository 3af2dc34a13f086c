"""What a fresh process pays: the import, the first call, and where compiled code is kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skimage_tvflow

PACKAGE = Path(skimage_tvflow.__file__).parent
ANNOUNCEMENT = "Compiling for this processor"
FLOW = """
import time
{before}
start = time.process_time()
import numpy as np
from skimage_tvflow import ChambolleTVFlow
imported = time.process_time()
image = np.random.default_rng(0).uniform(size=(64, 64)).astype("float32")
u = ChambolleTVFlow(n_steps=10, order=1).transform(image, 0.1)
done = time.process_time()
print(imported - start, done - imported, float(np.abs(u - image).max()))
"""


def run(code, source=PACKAGE.parent, **environment):
    """Run code in a fresh interpreter: what it printed and what it wrote to stderr."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))
    }
    variables |= {"PYTHONPATH": str(source)} | environment
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def flow(before="", **options):
    numbers, stderr = run(FLOW.format(before=before), **options)
    imported, first_call, change = map(float, numbers)
    assert 0.01 < change < 1  # it did compute a flow
    return imported, first_call, stderr


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def source(tmp_path):
    """Copy the package, without compiled code."""
    path = tmp_path / "source"
    shutil.copytree(PACKAGE, path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    return path


def compiled(folder):
    return [path for path in folder.rglob("*.nbc") if path.stat().st_size > 0]


def test_import_costs_little_beyond_torch_and_scikit_learn():
    before = "import torch, sklearn.base, sklearn.utils._param_validation"
    assert any(flow(before)[0] <= 1.5 for _ in range(3))


def test_import_alone_does_not_load_what_only_some_need():
    heavy = "{'numba', 'skimage', 'matplotlib', 'typer', 'rich', 'napari', 'tifffile', 'imageio'}"
    loaded, _ = run(f"import sys, skimage_tvflow; print(*{heavy} & {{*sys.modules}})")
    assert loaded == []


def test_first_call_with_compiled_code_at_hand_takes_less_than_a_second():
    def call():
        _, first_call, stderr = flow()
        assert ANNOUNCEMENT not in stderr
        return first_call

    flow()  # now it is at hand
    assert any(call() < 1 for _ in range(3))


def test_first_call_after_an_install_compiles_and_says_so_once(source, home):
    code = FLOW.format(before="") + (
        "ChambolleTVFlow(n_steps=2, order=1).transform(image.astype(float), 0.1)\n"
        "ChambolleTVFlow(n_steps=2, order=1).transform(image[0], 0.1)"
    )
    printed, stderr = run(code, source=source, HOME=str(home))
    assert float(printed[1]) < 20
    assert stderr.count(ANNOUNCEMENT) == 1
    assert stderr.count("\n") == 1
    assert compiled(source)
    assert not compiled(home)
    assert ANNOUNCEMENT not in flow(source=source, HOME=str(home))[2]


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache has another place")
def test_an_install_that_cannot_be_written_caches_in_the_folder_of_the_user(source, home):
    # A file in the place of the folder stops even an administrator, whom permissions do not.
    backends = source / PACKAGE.name / "core" / "backends" / "numba"
    (backends / "__pycache__").write_text("not a folder")
    for path in [*backends.rglob("*"), backends]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    options = {"source": source, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    assert ANNOUNCEMENT in flow(**options)[2]
    assert compiled(home)
    assert not compiled(source)
    _, first_call, stderr = flow(**options)
    assert ANNOUNCEMENT not in stderr
    assert first_call < 5
    backends.chmod(0o755)  # so that it can be removed


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache has another place")
def test_where_no_folder_can_be_written_it_compiles_and_says_what_to_do(source, tmp_path):
    (source / PACKAGE.name / "core" / "backends" / "numba" / "__pycache__").write_text(
        "not a folder"
    )
    no_home = tmp_path / "home"
    no_home.write_text("not a folder")
    stderr = flow(source=source, HOME=str(no_home), PYTHONDONTWRITEBYTECODE="1")[2]
    assert stderr.count("Set NUMBA_CACHE_DIR to a folder") == 1
    assert ANNOUNCEMENT in stderr


def test_the_import_needs_no_fork():
    code = """
import numba, numpy as np, os, torch, sklearn.base
del os.register_at_fork  # as on Windows
from skimage_tvflow import ChambolleTVFlow
image = np.random.default_rng(0).uniform(size=(20, 20))
print(float(np.ptp(ChambolleTVFlow().transform(image, 0.1))) < np.ptp(image))
"""
    assert run(code)[0] == ["True"]


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="only Unix forks")
# What the parent does starts torch's threads, which do not live in the child.
IN_A_FORK = """
import multiprocessing, os, signal, sys, warnings
import numpy as np, torch
from skimage_tvflow import ChambolleTVFlow, TVFlowNet
torch.set_num_threads(2)
images = np.random.default_rng(0).uniform(size=(4, 200, 300))

def flow():
    result = ChambolleTVFlow(batch_axis=0, n_steps=10, order=1).solve(images, 0.1)
    return result.u, result.error_bound

def network():
    return TVFlowNet.from_pretrained(batch_axis=0, n_steps=4).transform(images[:2], 0.1)

def training():
    options = {"max_epochs": 1, "patch_size": 24, "train_batch_size": 2}
    net = TVFlowNet(n_steps=2, random_state=0, **options)
    return net.fit(images[0, :48, :48]).transform(images[0, :40, :40], 0.1)

def state():
    return (torch.get_num_threads(), torch.get_rng_state().tolist(), warnings.filters[:],
            str(np.random.get_state()))

work = {work}
before = work()

def child():
    signal.alarm(60)  # a child that waits for ever is ended
    untouched = state()
    after = work()
    assert state() == untouched
    for a, b in zip(after, before):  # one thread rounds otherwise than two
        np.testing.assert_allclose(a, b, atol=1e-4)
"""


@forks
@pytest.mark.parametrize("work", ["flow", "network", "training"])
def test_a_forked_child_computes_the_same_and_leaves_its_threads_alone(work):
    code = (
        IN_A_FORK.replace("{work}", work)
        + """
pid = os.fork()
if pid == 0:
    try:
        child()
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
worker = multiprocessing.get_context("fork").Process(target=child)
worker.start()
worker.join()
print(worker.exitcode)
"""
    )
    assert run(code)[0] == ["0", "0"]


@forks
def test_a_forked_child_keeps_the_threads_of_the_user(home):
    code = """
import os, torch
torch.set_num_threads(3)
import skimage_tvflow
from skimage_tvflow import ChambolleTVFlow
pid = os.fork()
if pid == 0:
    os._exit(torch.get_num_threads())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run(code)[0] == ["3"]


def test_threads_follow_torch(home):
    code = """
import numpy as np, threading, torch
from skimage_tvflow import ChambolleTVFlow
images = np.random.default_rng(0).uniform(size=(9, 128, 128))
flow = ChambolleTVFlow(batch_axis=0, n_steps=10, order=1, tol=None, max_num_iter=100)
flow.transform(images[:1], 0.1)
for n_threads in (1, 3):
    torch.set_num_threads(n_threads)
    before = threading.active_count()
    flow.transform(images, 0.1)
    print(threading.active_count() - before)
"""
    assert run(code)[0] == ["0", "3"]
