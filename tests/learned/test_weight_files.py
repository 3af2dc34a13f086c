"""Files of weights: what goes in comes out, and nothing else is taken for one."""

import dataclasses
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
from safetensors.torch import save as to_bytes

from skimage_tvflow import TVFlowNet
from skimage_tvflow.core.networks.semi_resnet import SemiResNet, SemiResNetDesign
from skimage_tvflow.core.networks.unrolled import NetworkDesign, UnrolledNet
from skimage_tvflow.learned import tensor_files, weight_files
from skimage_tvflow.learned.architectures import ARCHITECTURES

SMALL = NetworkDesign(2, features=2, width=3, first=(1,), shared=(1, 2))
RECIPE = {"epochs": 3, "images": "made up"}


@pytest.fixture
def net():
    return UnrolledNet.untrained(SMALL, 0)


@pytest.fixture
def path(net, tmp_path):
    weight_files.save(tmp_path / "small.safetensors", net, RECIPE)
    return tmp_path / "small.safetensors"


def facts(**changes):
    usual = {
        "format": ARCHITECTURES["unrolled"].file_format,
        "design": {"n_spatial": 2, "features": 2, "width": 3, "first": [1], "shared": [1, 2]},
        "recipe": {},
    }
    return {**usual, **changes}


def design(**changes):
    return {"design": {**facts()["design"], **changes}}


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


@pytest.mark.parametrize("step", ["to_bytes", "os.fsync", "os.replace"])
def test_what_fails_leaves_the_old_file_and_no_other(net, path, monkeypatch, step):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"skimage_tvflow.learned.tensor_files.{step}", full)
    with pytest.raises(OSError, match="No space left"):
        weight_files.save(path, net, {"epochs": 4})
    assert weight_files.load(path).recipe == RECIPE
    assert list(path.parent.iterdir()) == [path]


def test_shipped_models():
    models = {"natural-2d": 2, "natural-3d": 3, "paper-2d": 2}
    assert weight_files.shipped() == list(models)
    for name, n_spatial in models.items():
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
def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "pipe.safetensors")
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
        "no metadata": to_bytes({"momentum": torch.ones(())}),
        "metadata that are a number": struct.pack("<Q", 18) + b'{"__metadata__":1}',
    }


@pytest.mark.parametrize("kind", foreign(Path()))
def test_foreign_files(tmp_path, kind):
    file = tmp_path / "given.safetensors"
    file.write_bytes(foreign(tmp_path)[kind])
    with pytest.raises(ValueError, match=r"cannot be used as weights: .*Copy it again, or pass"):
        TVFlowNet.from_pretrained(file)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        ({}, {"format": "other"}, "its format is 'other', not"),
        ({}, {"format": None}, "its format is None, not"),
        ({}, {"recipe": None}, r"its facts are \['design', 'format'\], not"),
        ({}, {"author": "me"}, r"its facts are \['author', 'design', 'format', 'recipe'\], not"),
        ({}, {"recipe": []}, "its recipe is not a table"),
        ({}, {"design": 3}, "its design is not a table"),
        ({}, {"design": []}, "its design is not a table"),
        ({}, {"design": {}}, "its design has the fields"),
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
        ({"momentum": torch.tensor(1e38)}, {}, "momentum has .*weights beyond 10000"),
    ],
    ids=str,
)
def test_files_that_do_not_fit(net, tmp_path, tensors, metadata, words):
    content = {k: v for k, v in {**net.state_dict(), **tensors}.items() if v is not None}
    file = tmp_path / "given.safetensors"
    written = {k: v for k, v in facts(**metadata).items() if v is not None}
    file.write_bytes(tensor_files.encode(content, written))
    with pytest.raises(
        ValueError, match=rf"given\.safetensors cannot be used .*{words}.*Copy it again"
    ):
        weight_files.load(file)


def test_a_small_file_builds_no_large_network(net, tmp_path, monkeypatch):
    made = []

    def watched(design):
        made.append(UnrolledNet(design))
        return made[-1]

    unrolled = dataclasses.replace(ARCHITECTURES["unrolled"], network=watched)
    monkeypatch.setitem(ARCHITECTURES, "unrolled", unrolled)
    file = tmp_path / "given.safetensors"
    large = design(n_spatial=3, features=256, width=256, first=[], shared=[1] * 32)
    file.write_bytes(tensor_files.encode(net.state_dict(), facts(**large)))
    with pytest.raises(ValueError, match="missing or too many"):
        weight_files.load(file)
    (large_net,) = made
    assert sum(parameter.numel() for parameter in large_net.parameters()) > 5 * 10**7
    assert {parameter.device.type for parameter in large_net.parameters()} == {"meta"}


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
        file.write_bytes(tensor_files.encode(content, metadata))
        with pytest.raises(ValueError, match="cannot be used as weights") as caught:
            weight_files.load(file)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 2000


@settings(max_examples=300)
@given(data=st.data())
def test_damage_is_an_error(tmp_path_factory, data):
    """Every changed byte and every cut is noticed."""
    net = UnrolledNet.untrained(SMALL, 0)
    file = tmp_path_factory.mktemp("damaged") / "small.safetensors"
    weight_files.save(file, net, RECIPE)
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        found = weight_files.load(file)
    except ValueError:
        return
    # Only white space in the header means the same when it changes.
    assert found.recipe == RECIPE
    for name, value in net.state_dict().items():
        assert torch.equal(found.net.state_dict()[name], value)


@pytest.fixture
def published(tmp_path):
    net = SemiResNet.untrained(SemiResNetDesign(width=2, n_layers=3), 0)
    weight_files.save(tmp_path / "published.safetensors", net, RECIPE)
    return tmp_path / "published.safetensors"


@pytest.mark.parametrize(
    ("tensors", "changes", "words"),
    [
        ({}, {"n_spatial": 4}, "its design is absurd"),
        ({}, {"n_spatial": 2.0}, "its design is absurd"),
        ({}, {"n_layers": 1}, "its design is absurd"),
        ({}, {"n_layers": 1000}, "its design is absurd"),
        ({}, {"width": 10**9}, "its design is absurd"),
        ({}, {"width": True}, "its design is absurd"),
        ({}, {"activation": "tanh"}, "its design is absurd"),
        ({}, {"activation": []}, "its design is absurd"),
        ({}, {"depth": 1}, "its design has the fields"),
        ({}, {"n_layers": 4}, "missing or too many"),
        ({"layers.1.bias": torch.ones(3)}, {}, "layers.1.bias is torch.float32 of shape"),
        ({"layers.1.bias": torch.full((2,), float("nan"))}, {}, "layers.1.bias has NaN"),
        ({"layers.1.bias": torch.full((2,), 1e5)}, {}, "weights beyond 10000"),
    ],
    ids=str,
)
def test_files_that_are_no_semi_resnet(published, tensors, changes, words):
    content, written = tensor_files.read_tensors(published)
    written["design"] |= changes
    published.write_bytes(tensor_files.encode({**content, **tensors}, written))
    with pytest.raises(ValueError, match=rf"cannot be used .*{words}.*Copy it again"):
        weight_files.load(published)


def test_a_file_of_one_kind_is_not_taken_for_the_other(published):
    content, written = tensor_files.read_tensors(published)
    written["format"] = ARCHITECTURES["unrolled"].file_format
    published.write_bytes(tensor_files.encode(content, written))
    with pytest.raises(ValueError, match="its design has the fields"):
        weight_files.load(published)


@pytest.mark.parametrize("bit", [0, 7, 12, 22, 31])
def test_a_flipped_bit_of_a_semi_resnet_is_noticed(published, bit):
    content = bytearray(published.read_bytes())
    content[-4 + bit // 8] ^= 1 << bit % 8
    published.write_bytes(content)
    with pytest.raises(ValueError, match=r"its checksum does not match\. .*Copy it again"):
        weight_files.load(published)


@pytest.mark.parametrize("bit", [0, 7, 12, 22, 31])
def test_a_flipped_bit_in_the_numbers_is_noticed(path, bit):
    content = bytearray(path.read_bytes())
    content[-4 + bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"its checksum does not match\. .*Copy it again"):
        weight_files.load(path)


def test_files_of_before_the_checksum_are_refused(net, tmp_path):
    old = {
        "format": "skimage-tvflow unrolled 1",
        "design": json.dumps(facts()["design"]),
        "recipe": "{}",
    }
    file = tmp_path / "old.safetensors"
    file.write_bytes(to_bytes(net.state_dict(), old))
    with pytest.raises(ValueError, match=r"its metadata have no entry 'skimage-tvflow'\. "):
        weight_files.load(file)


def test_every_load_gives_a_network_of_its_own():
    first, second = (weight_files.load("natural-2d") for _ in range(2))
    before = second.net.momentum.item()
    with torch.no_grad():
        first.net.momentum.mul_(2)
    first.recipe["epochs"] = 0
    assert second.net.momentum.item() == before
    assert weight_files.load("natural-2d").net.momentum.item() == before
    assert second.recipe["epochs"] == 65


def test_a_replaced_file_is_never_served_stale(net, path):
    """Neither its size nor its times tell the two files apart."""
    for value in (0.25, 0.75):
        stamp = path.stat().st_mtime_ns
        with torch.no_grad():
            net.momentum.fill_(value)
        weight_files.save(path, net, RECIPE)
        os.utime(path, ns=(stamp, stamp))
        assert weight_files.load(path).net.momentum.item() == value


def test_a_file_that_changes_later_does_not_change_the_network(path):
    found = weight_files.load(path)
    before = found.net.momentum.item()
    with path.open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.write(b"\x7f" * 200)
    assert found.net.momentum.item() == before
    assert all(value.abs().max() < 10 for value in found.net.state_dict().values())


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"loss": float("nan")}, r"cannot be written as JSON .*type recipe_ = \{\}"),
        ({"loss": float("inf")}, r"cannot be written as JSON .*type recipe_ = \{\}"),
        ({"net": object()}, r"cannot be written as JSON .*type recipe_ = \{\}"),
        ({"notes": "x" * 2**20}, r"could not be loaded again: its header .*type recipe_ = \{\}"),
    ],
    ids=["nan", "inf", "object", "long"],
)
def test_recipes_that_could_not_be_read(net, path, recipe, words):
    with pytest.raises(ValueError, match=words):
        weight_files.save(path, net, recipe)
    assert weight_files.load(path).recipe == RECIPE


def test_a_recipe_is_what_json_makes_of_it(net, path):
    weight_files.save(path, net, {"rates": (1, 2), 10: "ten", 9: "nine"})
    assert weight_files.load(path).recipe == {"rates": [1, 2], "10": "ten", "9": "nine"}


def test_a_design_that_could_not_be_loaded(path):
    wide = UnrolledNet.untrained(NetworkDesign(2, 1, 257, (), (1,)), 0)
    with pytest.raises(ValueError, match=r"could not be loaded again: its design is absurd"):
        weight_files.save(path, wide, {})
    assert weight_files.load(path).recipe == RECIPE


def test_weights_that_would_overflow_are_not_saved(net, path):
    with torch.no_grad():
        net.encode.bias.fill_(1e38)
    with pytest.raises(ValueError, match=r"encode\.bias has .*weights beyond 10000.*smaller lr"):
        weight_files.save(path, net, {})


def test_a_full_disk_names_the_file(net, path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skimage_tvflow.learned.tensor_files.os.fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        weight_files.save(path, net, RECIPE)
    assert caught.value.filename == str(path)
    assert str(path) in str(caught.value)


def test_the_same_network_gives_the_same_bytes(net, tmp_path):
    for number in range(8):
        weight_files.save(tmp_path / f"{number}.safetensors", net, RECIPE)
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1
