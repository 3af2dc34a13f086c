"""Names of the shipped weights, and safetensors files in and out; nothing that is read is run."""

from __future__ import annotations

import importlib.resources
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes

from skimage_tvflow.atomic_write import atomic_write
from skimage_tvflow.core.network import Design, UnrolledNet

__all__ = ["FORMAT", "Weights", "load", "read_tensors", "save", "shipped", "write_tensors"]

FORMAT = "skimage-tvflow unrolled 1"
SUFFIX = ".safetensors"

_FACTS = {"format", "design", "recipe"}
_LARGEST_FILE = 64 * 2**20
_LARGEST_HEADER = 2**20
_WIDEST, _MOST_LAYERS, _WIDEST_DILATION = 256, 32, 64
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Weights:
    """
    A network and what is known about it.

    Attributes
    ----------
    net : UnrolledNet
        In float32 on the CPU, in eval mode.
    recipe : dict
        How it was trained.
    """

    net: UnrolledNet
    recipe: dict[str, Any]


def shipped() -> list[str]:
    """
    Name the models inside the package.

    Returns
    -------
    list of str
        For `load`.
    """
    folder = importlib.resources.files("skimage_tvflow") / "weights"
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def load(name_or_path: str | os.PathLike[str]) -> Weights:
    """
    Read a model.

    Parameters
    ----------
    name_or_path : str or path
        A name of `shipped`, or a file.

    Returns
    -------
    Weights
        The model.

    Raises
    ------
    ValueError
        If there is no such name, or the file is not what `save` writes.
    OSError
        If the file cannot be read.
    """
    path = _path_of(name_or_path)
    tensors, facts = read_tensors(path)
    if facts.get("format") != FORMAT:
        raise _refusal(path, f"its format is {facts.get('format')!r}, not {FORMAT!r}")
    if facts.keys() != _FACTS:
        raise _refusal(path, f"its metadata are {sorted(facts)}, not {sorted(_FACTS)}")
    design = _design(path, facts["design"])
    recipe = _from_json(path, facts["recipe"])
    _refuse_misfits(path, tensors, design)
    # the weights drawn here are replaced at once: the caller's random numbers stay as they are
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        net = UnrolledNet(design).float()
    net.load_state_dict(tensors, strict=True)
    return Weights(net.eval(), recipe)


def save(path: str | os.PathLike[str], net: UnrolledNet, recipe: Mapping[str, Any]) -> None:
    """
    Write a model to one file, whole or not at all.

    Parameters
    ----------
    path : str or path
        Ending in ``.safetensors``; an existing file is replaced.
    net : UnrolledNet
        The network.
    recipe : mapping
        How it was trained, of what JSON knows.

    Raises
    ------
    ValueError
        If the path ends otherwise, or a weight is not finite.
    FileNotFoundError
        If its folder is not there.
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        better = target.with_suffix(SUFFIX) if target.name else target / f"weights{SUFFIX}"
        raise ValueError(
            f"path={os.fspath(path)!r} does not end in {SUFFIX}, the format of weights. Pass "
            f"path={os.fspath(better)!r}."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {os.fspath(target.parent)!r} to write {target.name} to. Make it, "
            "or pass a path in one that is there."
        )
    tensors = {name: value.detach().cpu().float() for name, value in net.state_dict().items()}
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise ValueError(
                f"{name} has NaN or infinite weights, which would be of no use. Train again with a "
                "smaller lr, such as lr=1e-3."
            )
    facts = {
        "format": FORMAT,
        "design": json.dumps(asdict(net.design)),
        "recipe": json.dumps(dict(recipe)),
    }
    write_tensors(target, tensors, facts)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """
    Read the tensors and the metadata of a safetensors file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of two dicts
        Tensors and metadata.

    Raises
    ------
    ValueError
        If it is damaged, too large or something else.
    OSError
        If it cannot be read.
    """
    try:
        # opening a pipe would wait for a writer, and a device has no end
        if path.exists() and not path.is_file() and not path.is_dir():
            raise _refusal(path, "it is a pipe or a device")
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise type(error)(
            f"{os.fspath(path)} cannot be read ({error.strerror or error}), and a file of weights "
            f"is needed. Pass the name of one that ends in {SUFFIX}, or one of {shipped()}."
        ) from error
    if len(content) > _LARGEST_FILE:
        raise _refusal(path, f"it has more than {_LARGEST_FILE} bytes")
    if len(content) < 8:
        raise _refusal(path, f"it has only {len(content)} bytes")
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(_LARGEST_HEADER, len(content) - 8):
        raise _refusal(path, "it does not begin as a safetensors file does")
    header = _from_json(path, content[8 : 8 + length])
    facts = header.get("__metadata__", {})
    if not isinstance(facts, dict) or not all(isinstance(v, str) for v in facts.values()):
        raise _refusal(path, "its metadata are no strings")
    try:
        return load_bytes(content), facts
    except (SafetensorError, ValueError, KeyError, RuntimeError, TypeError, OverflowError) as error:
        raise _refusal(path, f"it is damaged: {error}") from error


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], facts: Mapping[str, str]) -> None:
    """
    Write a safetensors file, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to; an existing file is replaced.
    tensors : dict
        On the CPU.
    facts : mapping of str
        The metadata.
    """
    content = save_bytes({k: v.contiguous() for k, v in tensors.items()}, dict(facts))
    content = _in_order(content)
    with atomic_write(path) as partial, partial.open("xb") as file:
        file.write(content)
        file.flush()
        # Before the name is given away: a power cut must leave the old file or the new one.
        os.fsync(file.fileno())


def _in_order(content: bytes) -> bytes:
    """The same file with its header sorted: safetensors writes metadata in random order."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _path_of(name_or_path: str | os.PathLike[str]) -> Path:
    text = os.fspath(name_or_path)
    # pathlib knows the separators of the platform
    bare = isinstance(name_or_path, str) and Path(text).name == text
    if not bare or text.endswith(SUFFIX):
        return Path(text)
    if text not in shipped():
        raise ValueError(
            f"There are no weights named {text!r}; shipped are {shipped()}. Pass one of them, or a "
            f"file that ends in {SUFFIX}."
        )
    with importlib.resources.as_file(
        importlib.resources.files("skimage_tvflow") / "weights" / f"{text}{SUFFIX}"
    ) as path:
        return path


def _design(path: Path, text: str) -> Design:
    found = _from_json(path, text)
    names = {field.name for field in fields(Design)}
    if found.keys() != names:
        raise _refusal(path, f"its design has the fields {sorted(found)}, not {sorted(names)}")
    numbers: dict[str, Any] = {name: found[name] for name in ("n_spatial", "features", "width")}
    layers: dict[str, Any] = {name: found[name] for name in ("first", "shared")}
    lists = all(isinstance(entry, list) for entry in layers.values())
    dilations = [d for entry in layers.values() for d in entry] if lists else []
    whole = all(type(n) is int for n in (*numbers.values(), *dilations))
    sound = (
        lists
        and whole
        and numbers["n_spatial"] in (2, 3)
        and all(1 <= numbers[name] <= _WIDEST for name in ("features", "width"))
        and all(1 <= d <= _WIDEST_DILATION for d in dilations)
        and 1 <= len(layers["shared"]) <= len(dilations) <= _MOST_LAYERS
    )
    if not sound:
        raise _refusal(path, f"its design is absurd: {text}")
    return Design(first=tuple(layers["first"]), shared=tuple(layers["shared"]), **numbers)


def _refuse_misfits(path: Path, tensors: Mapping[str, torch.Tensor], design: Design) -> None:
    # a small file may claim a large design, which takes no memory on this device
    with torch.device("meta"):
        expected = UnrolledNet(design).state_dict()
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())
        raise _refusal(path, f"tensors are missing or too many: {', '.join(odd[:5])}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape or tensor.dtype != torch.float32:
            raise _refusal(
                path,
                f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}, not torch.float32 of "
                f"shape {tuple(expected[name].shape)}",
            )
        if not tensor.isfinite().all():
            raise _refusal(path, f"{name} has NaN or infinite weights")


def _from_json(path: Path, text: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, f"its header cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise _refusal(path, "its header is no table")
    return found


def _refusal(path: Path, reason: str) -> ValueError:
    # names in a foreign file may be long, or hold what a terminal obeys
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[:_LONGEST_REASON]}..."
    reason = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in reason)
    return ValueError(
        f"{os.fspath(path)} is not a whole file of weights: {reason}. A file that "
        f"TVFlowNet.save_pretrained wrote is needed. Copy it again, or pass one of {shipped()}."
    )
