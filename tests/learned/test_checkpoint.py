"""Checkpoints: an interrupted training ends with the same weights, and damage is noticed."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from skimage_tvflow import TVFlowNet
from skimage_tvflow.learned import tensor_files
from skimage_tvflow.learned.checkpoint import CHECKPOINT


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [rng.random(shape) for shape in ((20, 24), (31, 17), (16, 16))]


def quick(**params):
    return TVFlowNet(**{"max_epochs": 2, "random_state": 0, "patch_size": 12, **params})


def test_an_interrupted_training_ends_with_the_same_weights(images, tmp_path):
    whole = quick(max_epochs=5).fit(images)
    calls = []

    def stop(progress):
        calls.append(progress.fraction)
        if progress.fraction > 0.5:
            raise KeyboardInterrupt

    flow = quick(max_epochs=5, checkpoint_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        flow.fit(images, callback=stop)
    resumed = quick(max_epochs=5, checkpoint_dir=tmp_path)
    resumed.fit(images, callback=lambda progress: calls.append(progress.fraction) and None)
    assert resumed.loss_curve_ == whole.loss_curve_
    assert resumed.validation_loss_curve_ == whole.validation_loss_curve_
    for a, b in zip(whole.net_.parameters(), resumed.net_.parameters()):
        assert torch.equal(a, b)


def test_a_killed_process_leaves_a_whole_checkpoint(images, tmp_path):
    code = f"""
        import numpy as np, os
        from skimage_tvflow import TVFlowNet
        images = [np.random.default_rng(0).random((20, 24))]
        flow = TVFlowNet(max_epochs=4, random_state=0, patch_size=12)
        flow.set_params(checkpoint_dir={str(tmp_path)!r})
        flow.fit(images, callback=lambda p: p.fraction > 0.6 and os.kill(os.getpid(), 9))
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    shown = [np.random.default_rng(0).random((20, 24))]
    resumed = quick(max_epochs=4, checkpoint_dir=tmp_path).fit(shown)
    assert resumed.loss_curve_ == quick(max_epochs=4).fit(shown).loss_curve_


def test_of_another_training(images, tmp_path):
    quick(checkpoint_dir=tmp_path).fit(images)
    for flow, shown in (
        (quick(checkpoint_dir=tmp_path, lr=1e-3), images),
        (quick(checkpoint_dir=tmp_path), images[:2]),
    ):
        with pytest.raises(
            ValueError, match=r"belongs to another training: .*Pass the same images"
        ):
            flow.fit(shown)


def test_a_warm_start_is_another_training(images, tmp_path):
    flow = quick(warm_start=True, checkpoint_dir=tmp_path).fit(images)
    with pytest.raises(ValueError, match=r"another training: its start is .*Pass the same"):
        flow.fit(images)


def test_without_a_seed_there_is_no_going_on(images, tmp_path):
    with pytest.raises(ValueError, match=r"random_state=None, .*Pass random_state=0"):
        quick(random_state=None, checkpoint_dir=tmp_path).fit(images)
    assert not list(tmp_path.iterdir())


def test_a_damaged_one(images, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"not a whole checkpoint .*Remove the file, or pass"):
        quick(checkpoint_dir=tmp_path).fit(images)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda tensors, facts: tensors.pop("net.momentum"), "not a whole.*Remove the file"),
        (lambda tensors, facts: tensors.pop("best.momentum"), "not a whole.*momentum"),
        (lambda tensors, facts: tensors.pop("adam.0.exp_avg"), "not a whole.*exp_avg"),
        (lambda tensors, facts: tensors.pop("adam.0.step"), "not a whole.*step"),
        (lambda tensors, facts: tensors.update({"adam.0.step": torch.ones(2)}), "another shape"),
        (lambda tensors, facts: tensors.pop("losses"), "not a whole.*losses"),
        (lambda tensors, facts: tensors["net.momentum"].fill_(np.nan), "NaN or infinite"),
        (lambda tensors, facts: facts.pop("state"), r"\('state'\)"),
        (lambda tensors, facts: facts.update(state=[3]), "not a whole checkpoint"),
        (lambda tensors, facts: facts.update(state={}), "not a whole checkpoint"),
        (lambda tensors, facts: facts.pop("images"), "belongs to another training: its images is"),
    ],
)
def test_one_with_something_amiss(images, tmp_path, harm, words):
    quick(checkpoint_dir=tmp_path).fit(images)
    tensors, facts = tensor_files.read_tensors(tmp_path / CHECKPOINT)
    harm(tensors, facts)
    (tmp_path / CHECKPOINT).write_bytes(tensor_files.encode(tensors, facts))
    with pytest.raises(ValueError, match=words):
        quick(checkpoint_dir=tmp_path).fit(images)


@pytest.mark.parametrize("place", [-5, -5000, 900])
def test_a_flipped_bit_is_noticed(images, tmp_path, place):
    quick(checkpoint_dir=tmp_path, max_epochs=1).fit(images)
    content = bytearray((tmp_path / CHECKPOINT).read_bytes())
    content[place] ^= 1
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(ValueError, match=r"not a whole checkpoint .*Remove the file"):
        quick(checkpoint_dir=tmp_path, max_epochs=1).fit(images)


def test_a_full_disk_names_the_checkpoint(images, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skimage_tvflow.learned.tensor_files.os.fsync", full)
    with pytest.raises(OSError, match=f"No space left on device: .*{CHECKPOINT}") as caught:
        quick(checkpoint_dir=tmp_path).fit(images)
    assert caught.value.filename == str(tmp_path / CHECKPOINT)
    assert not list(tmp_path.iterdir())


def test_many_epochs_fit_into_the_file(images, tmp_path):
    """The losses of 100,000 epochs would not fit into the header."""
    flow = quick(checkpoint_dir=tmp_path, max_epochs=10**6, early_stopping=False)
    flow.fit(images, callback=lambda progress: progress.fraction > 1.5e-6)
    path = tmp_path / CHECKPOINT
    tensors, facts = tensor_files.read_tensors(path)
    rng = np.random.default_rng(0)
    for name in ("losses", "validation_losses"):
        tensors[name] = torch.from_numpy(rng.random(10**5))
    path.write_bytes(tensor_files.encode(tensors, facts))
    flow.fit(images, callback=lambda progress: progress.fraction > 0.1000015)
    assert len(flow.loss_curve_) == 10**5 + 1
    assert flow.loss_curve_[:-1] == tensors["losses"].tolist()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(60)
def test_a_pipe_is_refused(images, tmp_path):
    os.mkfifo(tmp_path / CHECKPOINT)
    with pytest.raises(ValueError, match=r"it is a pipe or a device.*Remove the file"):
        quick(checkpoint_dir=tmp_path).fit(images)


def test_a_file_is_no_folder(images, tmp_path):
    (tmp_path / "kept.d").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"kept\.d' is a file.*Pass checkpoint_dir="):
        quick(checkpoint_dir=tmp_path / "kept.d").fit(images)
