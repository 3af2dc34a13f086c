"""The tables of the paper from what was measured: as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from skimage_tvflow.evaluation.methods import METHODS

__all__ = ["ABLATION", "Table", "as_csv", "as_markdown", "make_tables"]

# What the paper reports: PSNR and SSIM, seconds per image, and what the mixed activation gains.
_PAPER_LIKENESS = {"paper-2d": "37.43 dB, .9787", "joint": "38.59 dB, .9834"}
_PAPER_SECONDS = {
    "paper-2d": "0.138 on a GPU",
    "joint": "17.98 on a GPU",
    "projection": "3.34 on a CPU, 2.491 on a GPU",
}
ABLATION = {"mixed": "", "relu": "mixed gains 9.76 dB", "softplus": "mixed gains 4.93 dB"}

Table = tuple[str, list[str], list[list[str]]]  # title, headings, rows


def make_tables(
    records: Sequence[Mapping[str, Any]], ablation: Mapping[str, Sequence[float]], device: str
) -> list[Table]:
    """
    Make all tables.

    Parameters
    ----------
    records : sequence of dict
        Of `measure`, one for each image.
    ablation : mapping
        For each activation the PSNR of its networks; empty if none were trained.
    device : str
        Where was computed.

    Returns
    -------
    list of tuples
        Title, headings and rows.
    """
    names = list(records[0]["methods"])
    tables = [_likeness(records, names)]
    pairs = list(records[0]["pairs"])
    if pairs:
        tables.append(_pairs(records, pairs))
    tables += [_seconds(records, names, device), _bounds(records, names)]
    if ablation:
        tables.append(_ablation(ablation))
    return tables


def _likeness(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    values = _reader(records, "methods")
    rows = [
        [
            METHODS[name].title,
            _spread(values(name, "psnr"), 2),
            _spread(values(name, "ssim"), 4),
            _PAPER_LIKENESS.get(name, ""),
        ]
        for name in names
    ]
    title = "Table 1: every method against the model-driven flow, fifty implicit Euler steps"
    return title, ["method", "PSNR, dB", "SSIM", "the paper"], rows


def _pairs(records: Sequence[Mapping[str, Any]], pairs: Sequence[str]) -> Table:
    values = _reader(records, "pairs")
    rows = [[p, _spread(values(p, "psnr"), 2), _spread(values(p, "ssim"), 4)] for p in pairs]
    return "Table 1, continued: networks against the joint flow", ["pair", "PSNR, dB", "SSIM"], rows


def _seconds(records: Sequence[Mapping[str, Any]], names: Sequence[str], device: str) -> Table:
    values = _reader(records, "methods")
    # On a busy machine the CPU's own clock is steadier; of a GPU it says nothing.
    clock = "cpu_seconds" if device == "cpu" else "seconds"
    rows = [
        [METHODS[name].title, f"{np.median(values(name, clock)):.4f}", _PAPER_SECONDS.get(name, "")]
        for name in names
    ]
    what = "CPU seconds, one thread" if device == "cpu" else f"seconds on {device}"
    title = f"Table 2: median time for one image, all fifty frames, in {what}"
    return title, ["method", "seconds", "the paper"], rows


def _bounds(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    values = _reader(records, "methods")
    rows = [
        [
            METHODS[name].title,
            f"{values(name, 'error').mean():.2e}",
            f"{values(name, 'bound').mean():.2e}",
            f"{values(name, 'violations').sum():.0f}",
        ]
        for name in names
    ]
    title = "Error at the last time against the flow converged in time, and its rigorous bound"
    return title, ["method", "RMS error", "bound", "frames beyond the bound"], rows


def _ablation(ablation: Mapping[str, Sequence[float]]) -> Table:
    best = np.mean(ablation["mixed"])
    rows = [
        [name, _spread(np.array(psnr), 2), f"{best - np.mean(psnr):+.2f}", ABLATION[name]]
        for name, psnr in ablation.items()
    ]
    headings = ["activation", "PSNR, dB", "mixed gains, dB", "the paper"]
    return "Ablation: activations of the semi-ResNet at an equal budget", headings, rows


def _reader(records: Sequence[Mapping[str, Any]], part: str) -> Callable[[str, str], np.ndarray]:
    return lambda name, what: np.array([record[part][name][what] for record in records])


def _spread(values: np.ndarray, digits: int) -> str:
    """Mean and standard deviation."""
    if np.isinf(values).any():
        return "inf"
    return f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"


def as_markdown(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """
    Write tables as Markdown.

    Parameters
    ----------
    tables : sequence of tuples
        Of `make_tables`.
    notes : sequence of str
        Lines above them.

    Returns
    -------
    str
        The page.
    """
    lines = ["# The flow by every method", "", *notes]
    for title, headings, rows in tables:
        lines += ["", f"## {title}", "", _row(headings), _row(["---"] * len(headings))]
        lines += [_row(row) for row in rows]
    return "\n".join(lines) + "\n"


def as_csv(tables: Sequence[Table]) -> str:
    """
    Write tables as one CSV table.

    Parameters
    ----------
    tables : sequence of tuples
        Of `make_tables`.

    Returns
    -------
    str
        Every row begins with the title of its table; headings are rows too.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for title, headings, rows in tables:
        writer.writerows([title, *row] for row in [headings, *rows])
    return out.getvalue()


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
