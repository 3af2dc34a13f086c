"""Independent pieces of work on a few threads, watched while they run; forks are no danger."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

from skimage_tvflow.core.progress import REPORT_SECONDS

_T = TypeVar("_T")
_IMPORTED_IN = os.getpid()  # another process number means a fork


@functools.cache
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:
    """The threads of a ``process``: those of a parent do not survive a fork."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="skimage_tvflow")


@contextlib.contextmanager
def fork_safe() -> Iterator[None]:
    """Limit torch to one thread within this block, but only in a forked child of the importer.

    OpenMP's threads do not survive a fork either, and torch in the child would wait for them for
    ever. The number of threads is the user's, so it is put back at the end of the block.
    """
    n_threads = torch.get_num_threads()
    if n_threads == 1 or os.getpid() == _IMPORTED_IN:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def fork_safe_items(items: Iterator[_T]) -> Iterator[_T]:
    """Compute every item of an iterator within :func:`fork_safe`, but not what is done between."""
    done = object()
    while True:
        with fork_safe():
            item = next(items, done)
        if item is done:
            return
        yield item  # type: ignore[misc]


class _TaskQueues:
    """A range of tasks for every worker; who is done takes over tasks from the ends of the others.

    Neighbours in a range write to neighbouring memory. If two threads did, they would wait for each
    other whenever the system has to give them a new page of it.
    """

    def __init__(self, tasks: Sequence[Callable[[], None]], n_workers: int) -> None:
        ends = [len(tasks) * k // n_workers for k in range(n_workers + 1)]
        self._queues = [deque(tasks[a:b]) for a, b in itertools.pairwise(ends)]

    def clear(self) -> None:
        """Begin no further task."""
        for queue in self._queues:
            queue.clear()

    def work(self, worker: int) -> None:
        """Run the tasks of a worker, then those that the others have not begun."""
        own, *others = self._queues[worker:] + self._queues[:worker]
        for take in (own.popleft, *(other.pop for other in others)):
            for task in iter(functools.partial(_task_or_none, take), None):
                task()


def _task_or_none(take: Callable[[], Callable[[], None]]) -> Callable[[], None] | None:
    # To ask first whether a task is left is no use: another thread may take it in between.
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
    queues = _TaskQueues(tasks, n_workers)
    futures: list[Future[None]] = []
    try:
        for k in range(n_workers):
            futures.append(_pool(n_threads, os.getpid()).submit(queues.work, k))
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
        queues.clear()
        if cancel is not None:
            cancel()
        wait(futures)
        raise


def run_pieces(work: Callable[[int, int], None], size: int, piece: int, n_threads: int) -> None:
    """Call ``work(begin, end)`` for all pieces of ``range(size)`` of length ``piece``, on threads.

    The last piece may be shorter. ``work`` releases the GIL.
    """
    ends = [(begin, min(begin + piece, size)) for begin in range(0, size, piece)]
    run_all([functools.partial(work, *part) for part in ends], n_threads)
