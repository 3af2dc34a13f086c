"""Files of weights: what goes in comes out, and nothing else is taken for one."""

import io
import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_bytes

from skimage_tvflow import TVFlowNet
from skimage_tvflow.core.networks.unrolled import Design, UnrolledNet
from skimage_tvflow.learned import weight_files

SMALL = Design(2, features=2, width=3, first=(1,), shared=(1, 2))
RECIPE = {"epochs": 3, "images": "made up"}


@pytest.fixture
def net():
    torch.manual_seed(0)
    return UnrolledNet(SMALL)


@pytest.fixture
def path(net, tmp_path):
    weight_files.save(tmp_path / "small.safetensors", net, RECIPE)
    return tmp_path / "small.safetensors"


def facts(**changes):
    usual = {
        "format": weight_files.FORMAT,
        "design": json.dumps(
            {"n_spatial": 2, "features": 2, "width": 3, "first": [1], "shared": [1, 2]}
        ),
        "recipe": "{}",
    }
    return {**usual, **changes}


def design(**changes):
    return {"design": json.dumps({**json.loads(facts()["design"]), **changes})}


def test_round_trip(net, path):
    found = weight_files.load(path)
    assert found.recipe == RECIPE
    assert found.net.design == SMALL
    assert found.net.state_dict().keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        assert torch.equal(found.net.state_dict()[name].view(torch.int32), value.view(torch.int32))


def test_nothing_of_the_caller_counts_or_changes(path):
    expected = weight_files.load(path).net.state_dict()
    state = torch.random.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            net = weight_files.load(path).net
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not net.training
    for name, value in net.state_dict().items():
        assert (value.dtype, value.device.type) == (torch.float32, "cpu")
        assert torch.equal(value, expected[name])


def test_an_existing_file_is_replaced(net, path):
    weight_files.save(path, net, {"epochs": 4})
    assert weight_files.load(path).recipe == {"epochs": 4}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["save_bytes", "os.fsync", "os.replace"])
def test_what_fails_leaves_the_old_file_and_no_other(net, path, monkeypatch, step):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"skimage_tvflow.learned.weight_files.{step}", full)
    with pytest.raises(OSError, match="No space left"):
        weight_files.save(path, net, {"epochs": 4})
    assert weight_files.load(path).recipe == RECIPE
    assert list(path.parent.iterdir()) == [path]


def test_shipped_models():
    assert weight_files.shipped() == ["natural-2d", "natural-3d"]
    for name, n_spatial in (("natural-2d", 2), ("natural-3d", 3)):
        found = weight_files.load(name)
        assert found.net.design.n_spatial == n_spatial
        file = Path(weight_files.__file__).parent / "weights" / f"{name}.safetensors"
        assert file.stat().st_size < 10**6
        assert file.with_suffix(".md").is_file()


def test_unknown_name():
    with pytest.raises(
        ValueError, match=r"no weights named 'cats'; shipped are .*Pass one of them"
    ):
        weight_files.load("cats")


@pytest.mark.parametrize("suffix", ["", ".pt", ".SAFETENSORS"])
def test_other_endings(net, tmp_path, suffix):
    with pytest.raises(ValueError, match=r"does not end in \.safetensors.*Pass path="):
        weight_files.save(tmp_path / f"mine{suffix}", net, {})
    assert not list(tmp_path.iterdir())


def test_no_path_at_all(net):
    with pytest.raises(ValueError, match=r"path='' does not .* Pass path='weights\.safetensors'"):
        weight_files.save("", net, {})


def test_weights_that_are_no_numbers(net, tmp_path):
    with torch.no_grad():
        net.momentum.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"momentum has NaN .*Train again"):
        weight_files.save(tmp_path / "mine.safetensors", net, {})
    assert not list(tmp_path.iterdir())


def test_missing_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot be read .*is needed. Pass the name"):
        weight_files.load(tmp_path / "missing.safetensors")
    with pytest.raises(IsADirectoryError, match=r"cannot be read .*is needed. Pass the name"):
        weight_files.load(tmp_path)


def test_unreadable(path, monkeypatch):
    def denied(*arguments):  # root may read whatever the mode says
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(
        PermissionError, match=r"small.* cannot be read \(Permission denied\).*Pass"
    ):
        weight_files.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(20)
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zeros.safetensors").symlink_to("/dev/zero")
    for file in list(tmp_path.iterdir()):
        with pytest.raises(ValueError, match=r"it is a pipe or a device\. .*Copy it again"):
            weight_files.load(file)


def test_a_file_with_a_separator_is_no_name(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    path.rename("natural-2d")
    assert weight_files.load("./natural-2d").recipe == RECIPE
    assert weight_files.load(Path("natural-2d")).recipe == RECIPE
    assert weight_files.load("natural-2d").recipe != RECIPE


def test_too_large(tmp_path):
    file = tmp_path / "large.safetensors"
    with file.open("wb") as opened:
        opened.truncate(64 * 2**20 + 1)  # takes no room on the disk
    with pytest.raises(ValueError, match=r"it has more than 67108864 bytes\. .*Copy it again"):
        weight_files.load(file)


class Bomb:
    """Makes a file when a pickle of it is opened."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def foreign(tmp_path):
    saved = io.BytesIO()
    torch.save({"momentum": torch.ones(())}, saved)
    huge = struct.pack("<Q", 2**62) + b"{}"
    return {
        "nothing": b"",
        "three bytes": b"abc",
        "text": b"these are no weights at all, but some words",
        "pickle": pickle.dumps(Bomb(tmp_path / "exploded")),
        "torch.save": saved.getvalue(),
        "a header larger than the file": huge,
        "a header of 2 MiB": struct.pack("<Q", 2**21) + b" " * 2**21,
        "a header that is a list": struct.pack("<Q", 2) + b"[]",
        "deep": struct.pack("<Q", 10**5) + b"[" * 10**5,
        "no metadata": save_bytes({"momentum": torch.ones(())}),
        "metadata that are a number": struct.pack("<Q", 18) + b'{"__metadata__":1}',
    }


@pytest.mark.parametrize("kind", foreign(Path()))
def test_foreign_files(tmp_path, kind):
    file = tmp_path / "given.safetensors"
    file.write_bytes(foreign(tmp_path)[kind])
    with pytest.raises(ValueError, match=r"not a whole file of weights: .*Copy it again, or pass"):
        TVFlowNet.from_pretrained(file)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        ({}, {"format": "other"}, "its format is 'other', not"),
        ({}, {"format": None}, "its format is None, not"),
        ({}, {"recipe": None}, r"its metadata are \['design', 'format'\], not"),
        ({}, {"author": "me"}, r"its metadata are \['author', 'design', 'format', 'recipe'\], not"),
        ({}, {"recipe": "no JSON"}, "header cannot be read"),
        ({}, {"recipe": "[]"}, "header is no table"),
        ({}, {"design": "no JSON"}, "header cannot be read"),
        ({}, {"design": "[]"}, "header is no table"),
        ({}, {"design": "{}"}, "its design has the fields"),
        ({}, design(depth=1), "its design has the fields"),
        ({}, design(n_spatial=1), "its design is absurd"),
        ({}, design(n_spatial=2.0), "its design is absurd"),
        ({}, design(features=True), "its design is absurd"),
        ({}, design(features=0), "its design is absurd"),
        ({}, design(width=-1), "its design is absurd"),
        ({}, design(width=257), "its design is absurd"),
        ({}, design(width=None), "its design is absurd"),
        ({}, design(first=[0]), "its design is absurd"),
        ({}, design(first=[[1]]), "its design is absurd"),
        ({}, design(n_spatial=4), "its design is absurd"),
        ({}, design(width=10**9), "its design is absurd"),
        ({}, design(features="many"), "its design is absurd"),
        ({}, design(shared=[]), "its design is absurd"),
        ({}, design(first=[1] * 100), "its design is absurd"),
        ({}, design(first=1), "its design is absurd"),
        ({}, design(first=[1000]), "its design is absurd"),
        ({}, design(width=4), r"is torch.float32 of shape .*not torch.float32"),
        ({"more": torch.ones(1)}, {}, "missing or too many: more"),
        ({"momentum": None}, {}, "missing or too many: momentum"),
        ({"momentum": torch.ones(2)}, {}, r"momentum is torch.float32 of shape \(2,\)"),
        ({"momentum": torch.ones((), dtype=torch.float64)}, {}, "momentum is torch.float64"),
        ({"momentum": torch.ones((), dtype=torch.float16)}, {}, "momentum is torch.float16"),
        ({"momentum": torch.ones((), dtype=torch.int32)}, {}, "momentum is torch.int32"),
        ({"momentum": torch.tensor(float("nan"))}, {}, "momentum has NaN"),
        ({"momentum": torch.tensor(float("inf"))}, {}, "momentum has NaN or infinite"),
    ],
    ids=str,
)
def test_files_that_do_not_fit(net, tmp_path, tensors, metadata, words):
    content = {k: v for k, v in {**net.state_dict(), **tensors}.items() if v is not None}
    file = tmp_path / "given.safetensors"
    written = {k: v for k, v in facts(**metadata).items() if v is not None}
    file.write_bytes(save_bytes(content, written))
    with pytest.raises(ValueError, match=rf"given\.safetensors is not .*{words}.*Copy it again"):
        weight_files.load(file)


def test_a_small_file_builds_no_large_network(net, tmp_path, monkeypatch):
    devices = []

    def watched(design):
        built = UnrolledNet(design)
        devices.append(built.momentum.device.type)
        return built

    monkeypatch.setattr(weight_files, "UnrolledNet", watched)
    file = tmp_path / "given.safetensors"
    large = design(n_spatial=3, features=256, width=256, first=[], shared=[1] * 32)
    file.write_bytes(save_bytes(net.state_dict(), facts(**large)))
    with pytest.raises(ValueError, match="missing or too many"):
        weight_files.load(file)
    assert devices == ["meta"]


@pytest.mark.parametrize(
    "odd",
    ["\x1b[31mred", "\u202eback", "x" * 10**5, "\n" * 10**5],
    ids=["escape", "bidi", "long", "lines"],
)
def test_messages_are_short_and_obeyed_by_no_terminal(net, tmp_path, odd):
    file = tmp_path / "given.safetensors"
    for content, metadata in [
        ({**net.state_dict(), odd: torch.ones(1)}, facts()),
        (net.state_dict(), facts(format=odd)),
        (net.state_dict(), facts(**{odd: ""})),
        (net.state_dict(), facts(**design(**{odd: 1}))),
        (net.state_dict(), facts(**design(first=odd))),
    ]:
        file.write_bytes(save_bytes(content, metadata))
        with pytest.raises(ValueError, match="not a whole file of weights") as caught:
            weight_files.load(file)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 2000


@settings(max_examples=300)
@given(data=st.data())
def test_damage_is_an_error_or_harmless(tmp_path_factory, data):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("damaged")
    file = folder / "small.safetensors"
    weight_files.save(file, UnrolledNet(SMALL), RECIPE)
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        found = weight_files.load(file)
    except ValueError:
        return
    assert all(value.isfinite().all() for value in found.net.state_dict().values())
