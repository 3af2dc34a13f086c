"""What the library says of its parameters, in the words of the command line."""

from __future__ import annotations

import re

_OPTIONS = {
    "n_steps": "--steps",
    "order": "--order",
    "tol": "--tol",
    "max_num_iter": "--max-num-iter",
    "channel_axis": "--channel-axis",
    "batch_axis": "--batch-axis",
    "coupled_channels": "--coupled-channels",
    "spacing": "--spacing",
    "device": "--device",
    "weights": "--from",
    "checkpoint_dir": "--checkpoint",
}

_VALUE = r"'[^']*'|\([^)]*\)|-?[\w.+-]*\w"
_ASSIGNED = re.compile(rf"\b({'|'.join(_OPTIONS)})=({_VALUE})")
# Where no value follows, an order or a device may just as well be the English word.
_NAMED = re.compile(
    r"(?<!-)\b(channel_axis|batch_axis|coupled_channels|n_steps|max_num_iter|tol)\b"
)
_SUBJECT = re.compile(r"^(spacing|device)(?= must)")

_REWORDED = {
    r"(?<=\d), (?=--)": " ",  # options are typed with a space between them
    r"\bPass (?=-)": "Type ",
    r"\bpass (?=-)": "type ",
    r"\bPass ": "Try ",
    r"\bpass ": "try ",
    r"--from none to train": "no --from to train",
    # Advice that is Python.
    r"Reshape your data: .*": "Leave one of the two out, or name another axis.",
    r"the image in float32, e\.g\. image\.astype.*": "give a file of float32 values.",
}


def in_options(message: str) -> str:
    """Put options in the place of the parameters that a message of the library names.

    Parameters
    ----------
    message : str
        As written for Python: ``"... Pass channel_axis=-1."``

    Returns
    -------
    str
        As written for a shell: ``"... Type --channel-axis -1."``
    """
    message = _ASSIGNED.sub(_typed, message)
    message = _NAMED.sub(lambda found: _OPTIONS[found[1]], message)
    message = _SUBJECT.sub(lambda found: _OPTIONS[found[1]], message)
    for pattern, words in _REWORDED.items():
        message = re.sub(pattern, words, message)
    return message


def _typed(assigned: re.Match[str]) -> str:
    option, value = _OPTIONS[assigned[1]], assigned[2].strip("'(),")
    if value == "True":
        return option
    value = value.replace(", ", ",").replace("None", "none")
    return f"{option} {value}"
