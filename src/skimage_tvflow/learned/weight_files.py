"""Trained networks in files: the shipped ones, and those that a user saves and loads."""

from __future__ import annotations

import importlib.resources
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from skimage_tvflow.core.networks.semi_resnet import ACTIVATIONS, SemiResNetDesign
from skimage_tvflow.core.networks.unrolled import (
    LARGEST_WEIGHT,
    NetworkDesign,
    find_unusable_weight,
)
from skimage_tvflow.learned.architectures import ARCHITECTURES, Network, architecture_of
from skimage_tvflow.learned.tensor_files import (
    UnusableFileError,
    encode,
    read_tensors,
    write_bytes,
)

__all__ = ["SUFFIX", "PretrainedNetwork", "load", "save", "shipped"]

SUFFIX = ".safetensors"

_FACTS = {"format", "design", "recipe"}
# Designs beyond these are refused before a network of their size is made.
_WIDEST, _MOST_LAYERS, _WIDEST_DILATION = 256, 32, 64
# Messages quote what a file contains up to this length.
_LONGEST_REASON = 300


@dataclass(frozen=True)
class PretrainedNetwork:
    """
    A network and how it was trained.

    Attributes
    ----------
    net : Network
        In float32 on the CPU, in eval mode.
    recipe : dict
        How it was trained.
    """

    net: Network
    recipe: dict[str, Any]


def shipped() -> list[str]:
    """
    Return the names of the models inside the package.

    Returns
    -------
    list of str
        For `load`.
    """
    folder = importlib.resources.files("skimage_tvflow.learned") / "weights"
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def load(name_or_path: str | os.PathLike[str]) -> PretrainedNetwork:
    """
    Read a model; every call reads the file and returns a network of its own.

    Parameters
    ----------
    name_or_path : str or path
        A name of `shipped`, or a file.

    Returns
    -------
    PretrainedNetwork
        The model.

    Raises
    ------
    TypeError
        If it is neither a name nor a path.
    ValueError
        If there is no such name, or the file is not one that `save` writes.
    OSError
        If the file cannot be read.
    """
    path = _path_of(name_or_path)
    try:
        return _network_of(*read_tensors(path))
    except UnusableFileError as error:
        raise ValueError(
            f"{os.fspath(path)} cannot be used as weights: {_printable(str(error))}. A file "
            f"that TVFlowNet.save_pretrained wrote is needed. Copy it again, or pass one of "
            f"{shipped()}."
        ) from error
    except OSError as error:
        raise type(error)(
            f"{os.fspath(path)} cannot be read ({error.strerror or error}), and a file of weights "
            f"is needed. Pass the name of one that ends in {SUFFIX}, or one of {shipped()}."
        ) from error


def save(path: str | os.PathLike[str], net: Network, recipe: Mapping[str, Any]) -> None:
    """
    Write a model to one file, whole or not at all; nothing is written that `load` would refuse.

    Parameters
    ----------
    path : str or path
        Ending in ``.safetensors``; an existing file is replaced.
    net : Network
        The network.
    recipe : mapping
        How it was trained: strings, finite numbers, lists and dicts.

    Raises
    ------
    ValueError
        If the path ends otherwise, or the network or its recipe cannot be loaded again.
    OSError
        If its folder does not exist, or the file cannot be written.
    """
    target = _checked_target(path)
    tensors = {name: value.detach().cpu().float() for name, value in net.state_dict().items()}
    unusable = find_unusable_weight(tensors)
    if unusable is not None:
        raise ValueError(
            f"{unusable} has NaN or infinite weights, or weights beyond {LARGEST_WEIGHT:g}, and "
            "the network could not be used. Train again with a smaller lr, such as lr=1e-3."
        )
    file_format = ARCHITECTURES[architecture_of(net)].file_format
    facts = {"format": file_format, "design": asdict(net.design), "recipe": dict(recipe)}
    try:
        content = encode(tensors, facts)
        _network_of(tensors, json.loads(json.dumps(facts)))
    except UnusableFileError as error:
        raise ValueError(
            f"The network cannot be saved, as its file could not be loaded again: {error}. A "
            f"smaller network or a shorter recipe is needed. For the latter type recipe_ = {{}}."
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"The recipe of the network cannot be written as JSON ({error}). Strings, finite "
            "numbers, lists and dicts are needed. Without a recipe: type recipe_ = {}."
        ) from error
    write_bytes(target, content)


def _checked_target(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix != SUFFIX:
        better = target.with_suffix(SUFFIX) if target.name else target / f"weights{SUFFIX}"
        raise ValueError(
            f"path={os.fspath(path)!r} does not end in {SUFFIX}, the format of weights. Pass "
            f"path={os.fspath(better)!r}."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {os.fspath(target.parent)!r} to write {target.name} to. Make the "
            "folder, or pass a path in an existing one."
        )
    return target


def _path_of(name_or_path: str | os.PathLike[str]) -> Path:
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            "weights must be the name of a shipped model or of a file, got "
            f"{name_or_path!r}. Pass 'natural-2d', say."
        )
    text = os.fspath(name_or_path)
    # pathlib knows the separators of the platform.
    bare = isinstance(name_or_path, str) and Path(text).name == text
    if not bare or text.endswith(SUFFIX):
        return Path(text)
    if text not in shipped():
        raise ValueError(
            f"There are no weights named {text!r}; shipped are {shipped()}. Pass one of them, or a "
            f"file that ends in {SUFFIX}."
        )
    with importlib.resources.as_file(
        importlib.resources.files("skimage_tvflow.learned") / "weights" / f"{text}{SUFFIX}"
    ) as path:
        return path


def _network_of(tensors: dict[str, torch.Tensor], facts: Mapping[str, Any]) -> PretrainedNetwork:
    """Make the network of a file, or raise UnusableFileError."""
    kinds = {kind.file_format: kind for kind in ARCHITECTURES.values()}
    kind = kinds.get(str(facts.get("format")))
    if kind is None:
        raise UnusableFileError(f"its format is {facts.get('format')!r}, not one of {list(kinds)}")
    if facts.keys() != _FACTS:
        raise UnusableFileError(f"its facts are {sorted(facts)}, not {sorted(_FACTS)}")
    for name in ("design", "recipe"):
        if not isinstance(facts[name], dict):
            raise UnusableFileError(f"its {name} is not a table")
    # Until its weights are assigned, the network takes no memory, however large it claims to be.
    net = kind.network(_design_of(facts["design"], kind.design))
    _refuse_misfits(tensors, net)
    net.load_state_dict(tensors, strict=True, assign=True)
    return PretrainedNetwork(net.eval(), facts["recipe"])


def _design_of(table: Mapping[str, Any], design: type[Any]) -> Any:
    names = {field.name for field in fields(design)}
    if table.keys() != names:
        raise UnusableFileError(f"its design has the fields {sorted(table)}, not {sorted(names)}")
    is_sound = {NetworkDesign: _is_sound, SemiResNetDesign: _is_sound_semi_resnet}[design]
    if table["n_spatial"] not in (2, 3) or not is_sound(table):
        raise UnusableFileError(f"its design is absurd: {dict(table)}")
    return design(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def _is_sound(table: Mapping[str, Any]) -> bool:
    """Whether a file may claim this design of an unrolled network."""
    lists = [table["first"], table["shared"]]
    if not all(isinstance(entry, list) for entry in lists):
        return False
    dilations = [d for entry in lists for d in entry]
    return (
        _are_counts([table["n_spatial"], table["features"], table["width"]], _WIDEST)
        and _are_counts(dilations, _WIDEST_DILATION)
        and 1 <= len(table["shared"]) <= len(dilations) <= _MOST_LAYERS
    )


def _is_sound_semi_resnet(table: Mapping[str, Any]) -> bool:
    """Whether a file may claim this design of a semi-resnet."""
    return (
        _are_counts([table["n_spatial"], table["width"]], _WIDEST)
        and _are_counts([table["n_layers"]], _MOST_LAYERS)
        and table["n_layers"] >= 2
        and isinstance(table["activation"], str)
        and table["activation"] in ACTIVATIONS
    )


def _are_counts(values: list[Any], largest: int) -> bool:
    return all(type(n) is int and 1 <= n <= largest for n in values)


def _refuse_misfits(tensors: Mapping[str, torch.Tensor], net: Network) -> None:
    expected = net.state_dict()
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())
        raise UnusableFileError(f"tensors are missing or too many: {', '.join(odd[:5])}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape or tensor.dtype != torch.float32:
            raise UnusableFileError(
                f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}, not torch.float32 of "
                f"shape {tuple(expected[name].shape)}"
            )
    unusable = find_unusable_weight(tensors)
    if unusable is not None:
        raise UnusableFileError(
            f"{unusable} has NaN or infinite weights, or weights beyond {LARGEST_WEIGHT:g}"
        )


def _printable(reason: str) -> str:
    """Shorten a reason and escape control characters, which a foreign file may contain."""
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[:_LONGEST_REASON]}..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in reason)
