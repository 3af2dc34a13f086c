"""Independent pieces of work on a few threads, watched while they run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import torch

from skimage_tvflow.core.clock import POLL_SECONDS


@functools.cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="skimage_tvflow")


def _after_fork() -> None:
    # The threads of a pool do not survive a fork; the child makes its own. Those of torch do not
    # either, and torch would wait for them for ever.
    _pool.cache_clear()
    torch.set_num_threads(1)


os.register_at_fork(after_in_child=_after_fork)


def _work_through(tasks: Iterator[Callable[[], None]]) -> None:
    for task in tasks:
        task()


def run_all(
    tasks: Sequence[Callable[[], None]],
    n_threads: int,
    poll: Callable[[], None] | None = None,
    cancel: Callable[[], None] | None = None,
) -> None:
    """Run ``tasks``, at most ``n_threads`` at a time, and wait for all of them.

    Parameters
    ----------
    tasks : functions without arguments that release the GIL
    n_threads : int
    poll : called in this thread every 20 ms; it may raise
    cancel : asks the running tasks to come to an end, called when ``poll`` or a task raises
    """
    if poll is None and (n_threads == 1 or len(tasks) == 1):
        for task in tasks:
            task()
        return
    # A thread takes one task after the other: to wake it for each can take longer than the task.
    left = iter(tasks)
    workers = min(n_threads, len(tasks))
    futures = [_pool(n_threads).submit(_work_through, left) for _ in range(workers)]
    try:
        while True:
            timeout = None if poll is None else POLL_SECONDS
            finished, running = wait(futures, timeout, return_when=FIRST_EXCEPTION)
            for future in finished:
                future.result()
            if not running:
                return
            if poll is not None:
                poll()
    except BaseException:
        if cancel is not None:
            cancel()
        wait(futures)
        raise
