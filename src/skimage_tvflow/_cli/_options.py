"""The options of the commands, checked as far as they can be without an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ._errors import CliError


class _Range(NamedTuple):
    """What an option accepts; checked here, as the library would speak of its own parameter."""

    option: str
    holds: Callable[[float], bool]
    needed: str
    example: str

    def refuse_others(self, value: float) -> None:
        if not self.holds(value):
            raise CliError(
                f"{self.option} must be {self.needed}, got {value}. "
                f"Type, for example, {self.option} {self.example}"
            )


N_TIMES, N_BANDED = 12, 32  # of a flow, of a decomposition

_TIME = _Range("-t", lambda t: 0 <= t < math.inf, "a finite number >= 0", "0.1")
_SOLVER = {
    "n_steps": _Range("--steps", lambda n: n >= 1, "a whole number >= 1", "50"),
    "order": _Range("--order", lambda k: k in (1, 2), "1 or 2", "2"),
    "tol": _Range("--tol", lambda x: 0 < x < math.inf, "a finite number > 0", "0.001"),
    "max_num_iter": _Range("--max-num-iter", lambda n: n >= 1, "a whole number >= 1", "2000"),
}
_BAND_TIME = _Range("-t", lambda t: 0 < t < math.inf, "a finite number > 0", "0.1")
_COUNT = _Range("--times", lambda n: n >= 2, "a whole number >= 2", "32")
_SPACING = _Range("--spacing", lambda h: 0 < h < math.inf, "finite and > 0", "0.5")


@dataclass(frozen=True)
class FlowOptions:
    """What the user set; whatever is left out is decided by the library.

    Attributes
    ----------
    times : tuple of float
        The times asked for, sorted and without repetitions; empty for those up to extinction.
    n_times : int
        How many there are up to extinction.
    solver : dict
        Keywords of the solver.
    shared : dict
        Keywords that the solver shares with the functions about times, but for the channels.
    channel_axis : int, "none" or None
        None leaves the channels to the format of the file.
    unit_range : bool
        Divide integer images by their type's maximum.
    """

    times: tuple[float, ...] = ()
    n_times: int = N_TIMES
    solver: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    channel_axis: int | str | None = None
    unit_range: bool = False

    @classmethod
    def from_command_line(
        cls,
        *,
        times: Sequence[float],
        solver: Mapping[str, Any],
        channel_axis: str | None,
        spacing: str | None,
        unit_range: bool,
        coupled_channels: bool,
        n_times: int = N_TIMES,
        **shared: Any,
    ) -> FlowOptions:
        """Check and sort out the options as they were typed."""
        for t in times:
            _TIME.refuse_others(t)
        solver = _given(solver)
        for name, value in solver.items():
            _SOLVER[name].refuse_others(value)
        shared = {**shared, "spacing": _parse_spacing(spacing)}
        if coupled_channels:
            shared["coupled_channels"] = True
        return cls(
            times=tuple(sorted(set(times))),
            n_times=n_times,
            solver=solver,
            shared=_given(shared),
            channel_axis=_parse_channel_axis(channel_axis),
            unit_range=unit_range,
        )


def decomposition_times(times: Sequence[float], count: int | None) -> dict[str, Any]:
    """Return the keywords about times of a command that takes images apart.

    Parameters
    ----------
    times : sequence of float
        Those asked for one by one.
    count : int or None
        How many are asked for.

    Returns
    -------
    dict
        For `FlowOptions.from_command_line`.
    """
    if times and count is not None:
        raise CliError(
            f"--times {count} and -t were both given; the number of the times or the times "
            "themselves are needed. Leave one of the two out."
        )
    for t in times:
        _BAND_TIME.refuse_others(t)
    if len(set(times)) == 1:
        raise CliError(
            f"a single time, {times[0]}, was given, and what vanishes between times needs at least "
            f"two. Type, for example, -t {times[0]} -t {2 * times[0]}"
        )
    if count is not None:
        _COUNT.refuse_others(count)
    return {"times": times, "n_times": N_BANDED if count is None else count}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _parse_channel_axis(text: str | None) -> int | str | None:
    if text is None or text == "none":
        return text
    try:
        return int(text)
    except ValueError:
        raise CliError(
            f"--channel-axis must be a whole number or 'none', got {text!r}. "
            "Type --channel-axis -1 for the last axis."
        ) from None


def _parse_spacing(text: str | None) -> float | tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CliError(
            f"--spacing must be numbers separated by commas, got {text!r}. "
            "Type --spacing 0.5, or --spacing 2,0.5,0.5 for one per spatial axis."
        ) from None
    for number in numbers:
        _SPACING.refuse_others(number)
    return numbers if len(numbers) > 1 else numbers[0]
