"""`skimage-tvflow filter`: what vanishes at some times of the flow, kept or taken away."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from skimage_tvflow.number_format import plain

from ._bands import decompose
from ._check import Task, refuse_constant
from ._command import common_record, run_jobs
from ._errors import CliError, say
from ._images import TIFF_SUFFIXES
from ._jobs import FILTER, plan_jobs
from ._options import FlowOptions
from ._output import whole_file, write_frame

if TYPE_CHECKING:
    from skimage_tvflow import SpectralDecomposition


@dataclass(frozen=True)
class Kept:
    """What a filter keeps.

    Attributes
    ----------
    first, last : float
        From which time on and before which time.
    stop : bool
        Keep all but that.
    """

    first: float
    last: float
    stop: bool

    @classmethod
    def from_command_line(
        cls,
        *,
        low: float | None,
        high: float | None,
        band: tuple[str, str] | None,
        stop: bool,
    ) -> Kept:
        """Check the options as they were typed."""
        given = {"--band": band, "--low": low, "--high": high}
        names = [name for name, value in given.items() if value is not None]
        if len(names) != 1:
            raise CliError(
                f"{' and '.join(names) or 'none of --band, --low and --high'} were given; just one "
                "of them is needed. Type, for example, --band 0.5 2"
            )
        if stop and band is None:
            other = "--high" if low is not None else "--low"
            raise CliError(
                f"--stop was given with {names[0]}; it needs --band. Type {other} instead."
            )
        if band is not None:
            return cls(*_parse_band(band), stop)
        cut = low if low is not None else high
        if cut is None or not 0 < cut < math.inf:
            raise CliError(
                f"{names[0]} must be a finite time > 0, got {cut}. "
                f"Type, for example, {names[0]} 0.5"
            )
        # What is late is all but what is early, so that the residual stays with it.
        return cls(0.0, cut, stop=low is not None)

    def of(self, parts: SpectralDecomposition) -> Any:
        """Return what is kept of an image."""
        way = parts.band_stop if self.stop else parts.band_pass
        return way(self.first, self.last)

    def bands(self, times: Sequence[float]) -> int:
        """Return how many bands are kept."""
        within = sum(self.first <= t < self.last for t in times)
        return len(times) - within if self.stop else within


def _parse_band(band: tuple[str, str]) -> tuple[float, float]:
    try:
        first, last = (float(text) for text in band)
    except ValueError:
        first = last = math.nan
    if not 0 <= first < last < math.inf:
        raise CliError(
            f"--band must be two increasing times, got {' '.join(band)}. "
            "Type, for example, --band 0.5 2"
        )
    return first, last


def run(
    images: Sequence[Path],
    output: str,
    options: FlowOptions,
    kept: Kept,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Filter every image.

    Parameters
    ----------
    images : sequence of Path
        Files and folders.
    output : str
        A file for one input file, otherwise a folder; a slash at its end says folder.
    options : FlowOptions
        What the user set.
    kept : Kept
        What to keep.
    force : bool
        Overwrite existing outputs.
    as_json : bool
        Report for machines.
    """
    run_jobs(
        plan_jobs(images, output, FILTER, force=force),
        options,
        refuse=lambda task: _refuse(task, options, kept),
        compute=lambda task: _compute(task, options, kept, force=force),
        show=_show,
        as_json=as_json,
    )


def _refuse(task: Task, options: FlowOptions, kept: Kept) -> None:
    refuse_constant(task, options)
    target = task.job.target
    if target.suffix.lower() not in TIFF_SUFFIXES and not kept.stop:
        raise CliError(
            f"without the residual many values are negative, and {target.suffix} files "
            "hold none: a format for 32-bit floating-point numbers is needed. "
            f"Type a name that ends in .tif: -o {target.with_suffix('.tif')}"
        )


def _compute(task: Task, options: FlowOptions, kept: Kept, *, force: bool) -> dict[str, Any]:
    start = time.perf_counter()
    parts = decompose(task, options)
    filtered = np.asarray(kept.of(parts))
    seconds = time.perf_counter() - start
    times = parts.times.tolist()
    n_kept = kept.bands(times)
    if n_kept in (0, len(times)):
        _warn_idle(task, times, "none" if n_kept == 0 else "all")
    with whole_file(task.job.target, force=force) as partial:
        write_frame(partial, filtered, task.picture, unit_range=options.unit_range)
    return {
        **common_record(task),
        "dtype": filtered.dtype.name,
        "times": times,
        "bands_kept": n_kept,
        "seconds": seconds,
    }


def _warn_idle(task: Task, times: Sequence[float], which: str) -> None:
    say(
        f"warning: {task.job.source}: {which} of the {len(times)} bands are kept; they vanish "
        f"between t = {plain(times[0])} and t = {plain(times[-1])}. Try a time between these, or "
        "more of them with --times"
    )


def _show(record: Mapping[str, Any]) -> None:
    typer.echo(
        f"{record['input']} -> {record['output']}: {record['bands_kept']} of "
        f"{len(record['times'])} bands kept, {record['seconds']:.3f} seconds"
    )
