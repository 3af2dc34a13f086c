"""Independent pieces of work on a few threads, watched while they run."""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

import torch

from skimage_tvflow.core.progress import REPORT_SECONDS


@functools.cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="skimage_tvflow")


def _after_fork() -> None:
    # The threads of a pool do not survive a fork; the child makes its own. Those of torch do not
    # either, and torch would wait for them for ever.
    _pool.cache_clear()
    torch.set_num_threads(1)


os.register_at_fork(after_in_child=_after_fork)


class _Shares:
    """Ranges of tasks, one for every worker; who is done helps the others, from their ends.

    Neighbours in a range write to neighbouring memory. If two threads did, they would wait for each
    other whenever the system has to give them a new page of it.
    """

    def __init__(self, tasks: Sequence[Callable[[], None]], n_workers: int) -> None:
        ends = [len(tasks) * k // n_workers for k in range(n_workers + 1)]
        self._left = [deque(tasks[a:b]) for a, b in itertools.pairwise(ends)]

    def drop(self) -> None:
        """Begin no further task."""
        for left in self._left:
            left.clear()

    def work(self, worker: int) -> None:
        """Do what there is to do for a worker."""
        own, *others = self._left[worker:] + self._left[:worker]
        for take in (own.popleft, *(other.pop for other in others)):
            while (task := _taken(take)) is not None:
                task()


def _taken(take: Callable[[], Callable[[], None]]) -> Callable[[], None] | None:
    # Another thread may take the last one between a question and the taking.
    try:
        return take()
    except IndexError:
        return None


def run_all(
    tasks: Sequence[Callable[[], None]],
    n_threads: int,
    report: Callable[[], None] | None = None,
    cancel: Callable[[], None] | None = None,
) -> None:
    """Run ``tasks``, at most ``n_threads`` at a time, and wait for all of them.

    Parameters
    ----------
    tasks : functions without arguments that release the GIL
    n_threads : int
    report : called in this thread every 20 ms; it may raise
    cancel : asks the running tasks to come to an end, called when ``report`` or a task raises
    """
    if not tasks or (report is None and (n_threads == 1 or len(tasks) == 1)):
        for task in tasks:
            task()
        return
    # A thread takes one task after the other: to wake it for each can take longer than the task.
    n_workers = min(n_threads, len(tasks))
    shares = _Shares(tasks, n_workers)
    futures: list[Future[None]] = []
    try:
        for k in range(n_workers):
            futures.append(_pool(n_threads).submit(shares.work, k))
        while True:
            timeout = None if report is None else REPORT_SECONDS
            finished, running = wait(futures, timeout, return_when=FIRST_EXCEPTION)
            for future in finished:
                future.result()
            if not running:
                return
            if report is not None:
                report()
    except BaseException:
        shares.drop()
        if cancel is not None:
            cancel()
        wait(futures)
        raise
