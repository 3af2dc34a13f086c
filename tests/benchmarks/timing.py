"""Contenders against each other: in turn, in one process, CPU time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any


def interleave(
    benchmark: Any,
    calls: Mapping[Any, Callable[[], object]],
    *,
    rounds: int = 5,
    budget: float = 6.0,
    turn_seconds: float = 0.05,
    clock: Callable[[], float] = time.process_time,
) -> dict[Any, float]:
    """The least time of each of ``calls``: every round runs all of them, one after the other.

    Parameters
    ----------
    benchmark : the fixture of pytest-benchmark, which runs the rounds
    calls : the contenders, by whatever names them
    rounds : how often each has its turn
    budget : seconds after which a slow one has no further turns
    turn_seconds : for so long a fast one is repeated in its turn, and its best time counts
    clock : CPU time by default, of all threads together
    """
    best = dict.fromkeys(calls, math.inf)
    spent = dict.fromkeys(calls, 0.0)

    def one_round() -> None:
        for name, call in calls.items():
            turn = 0.0
            while spent[name] < budget and turn < turn_seconds:
                begin = clock()
                call()
                taken = clock() - begin
                best[name] = min(best[name], taken)
                turn += taken
                spent[name] += taken

    benchmark.pedantic(one_round, rounds=rounds)
    benchmark.extra_info.update({str(name): best[name] for name in calls})
    return best
