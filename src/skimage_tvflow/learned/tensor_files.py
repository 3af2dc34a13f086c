"""Safetensors files with a checksum; nothing in a file that is read is executed.

Everything beside the tensors is one JSON object under one metadata key. (safetensors writes several
keys in random order, and then the same network would give a different file each time.)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from skimage_tvflow.atomic_write import atomic_write

__all__ = ["UnusableFileError", "encode", "read_tensors", "write_bytes"]

_METADATA_KEY = "skimage-tvflow"
_CHECKSUM = "sha256"
# Checked before anything of that size is read. The largest shipped model has 154 kB.
_LARGEST_FILE = 64 * 2**20
_LARGEST_HEADER = 2**20
_DAMAGE = (SafetensorError, ValueError, KeyError, RuntimeError, TypeError, OverflowError)


class UnusableFileError(ValueError):
    """Why a file cannot be used, in words that follow a colon."""


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """
    Read the tensors and the facts of a file that `encode` made.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of two dicts
        Tensors on the CPU, and facts.

    Raises
    ------
    UnusableFileError
        If it is damaged, too large, no regular file, or was not made by `encode`.
    OSError
        If it cannot be read.
    """
    # Opening a pipe would wait for a writer, and a device may have no end.
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UnusableFileError("it is a pipe or a device")
    with path.open("rb") as file:
        _refuse_sizes(os.fstat(file.fileno()).st_size, file.read(8))
    try:
        # The caller may have another default device.
        with torch.device("cpu"), safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            # Tensors of safe_open change when the file does, so they are copied.
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
    except _DAMAGE as error:
        raise UnusableFileError(f"it is damaged: {error}") from error
    if _METADATA_KEY not in metadata:
        raise UnusableFileError(f"its metadata have no entry {_METADATA_KEY!r}")
    facts = _from_json(metadata[_METADATA_KEY])
    if facts.pop(_CHECKSUM, None) != _checksum(tensors, facts):
        raise UnusableFileError("it has changed since it was written: its checksum does not match")
    return tensors, facts


def encode(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> bytes:
    """
    Make the content of a file, the same for the same tensors and facts.

    Parameters
    ----------
    tensors : mapping
        On the CPU.
    facts : mapping
        Of strings, finite numbers, lists and dicts.

    Returns
    -------
    bytes
        For `write_bytes`.

    Raises
    ------
    UnusableFileError
        If `read_tensors` would refuse the file for its size.
    TypeError, ValueError
        If a fact is something else.
    """
    # As they will be read: JSON makes lists of tuples and strings of keys.
    facts = json.loads(json.dumps(dict(facts), allow_nan=False))
    signed = {**facts, _CHECKSUM: _checksum(tensors, facts)}
    text = json.dumps(signed, sort_keys=True)
    content = to_bytes({k: v.contiguous() for k, v in tensors.items()}, {_METADATA_KEY: text})
    _refuse_sizes(len(content), content[:8])
    return content


def write_bytes(path: Path, content: bytes) -> None:
    """
    Write a file, whole or not at all.

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    content : bytes
        Of `encode`.

    Raises
    ------
    OSError
        If it cannot be written; it names the path.
    """
    try:
        with atomic_write(path) as partial, partial.open("xb") as file:
            file.write(content)
            file.flush()
            # Before the new file takes the name: after a power cut there is the old one or the new.
            os.fsync(file.fileno())
    except OSError as error:
        # A full disk is reported without a name, or with that of the temporary file.
        if error.errno is not None:
            error.filename, error.filename2 = os.fspath(path), None
        raise


def _refuse_sizes(size: int, first_bytes: bytes) -> None:
    """Refuse files that are too large; the first 8 bytes are the length of the header."""
    if size > _LARGEST_FILE:
        raise UnusableFileError(f"it has more than {_LARGEST_FILE} bytes")
    if int.from_bytes(first_bytes, "little") > _LARGEST_HEADER:
        raise UnusableFileError(
            f"its header would have more than {_LARGEST_HEADER} bytes, and safetensors files of "
            "networks have less"
        )


def _checksum(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> str:
    """SHA-256 of the facts, then of the name, dtype, shape and bytes of every tensor, by name."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        values = tensors[name]
        digest.update(json.dumps([name, str(values.dtype), list(values.shape)]).encode())
        digest.update(values.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _from_json(text: str) -> dict[str, Any]:
    try:
        facts = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnusableFileError(f"its metadata cannot be read: {error}") from error
    if not isinstance(facts, dict):
        raise UnusableFileError("its metadata are not a JSON object")
    return facts


def _refuse_constant(name: str) -> None:
    raise UnusableFileError(f"its metadata contain {name}")
