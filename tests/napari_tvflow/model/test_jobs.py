"""Work in threads: one after the other, cancelled at once, and without late messages."""

import logging
import threading
import time

import pytest

from napari_tvflow.model.jobs import PREPARING, Cancelled, Job, Watch


def test_a_result():
    job = Job(lambda job: job.report(0.5) or 42, "a").start()
    assert job.wait(10)
    assert (job.result, job.fraction, job.error) == (42, 0.5, None)


def test_an_error_is_kept():
    def fail(job):
        raise ValueError("what to do")

    job = Job(fail, "a").start()
    assert job.wait(10)
    assert str(job.error) == "what to do"
    assert job.result is None


def test_cancel():
    begun = threading.Event()

    def work(job):
        begun.set()
        while not job.report(0.1):
            time.sleep(0.001)
        raise RuntimeError("stopped")

    job = Job(work, "a").start()
    assert begun.wait(10)
    job.cancel()
    assert job.wait(10)
    assert job.error is None
    assert job.is_cancelled


def test_one_after_the_other():
    order, free = [], threading.Event()
    first = Job(lambda job: free.wait(10) and order.append(1), "a").start()
    second = Job(lambda job: order.append(2), "b", after=first).start()
    third = Job(lambda job: order.append(3), "c", after=second).start()
    second.cancel()
    assert not third.wait(0.05)
    free.set()
    assert third.wait(10)
    assert order == [1, 3]


def test_no_thread_is_left():
    before = threading.active_count()
    jobs = [Job(lambda job: None, "a").start() for _ in range(5)]
    assert all(job.wait(10) for job in jobs)
    for _ in range(100):
        if threading.active_count() == before:
            break
        time.sleep(0.01)
    assert threading.active_count() == before


def test_the_user_is_told_of_compilation():
    logger = logging.getLogger("skimage_tvflow")

    def work(job):
        logger.warning("Compiling for this processor: this happens once and takes seconds.")
        return job.stage

    job = Job(work, "a").start()
    assert job.wait(10)
    assert job.result == PREPARING
    assert not any("Stage" in type(handler).__name__ for handler in logger.handlers)


def test_parts_of_the_work():
    seen = []
    watch = Watch(seen.append)
    report = watch.part(0.5, 0.75)
    assert not report(0.0)
    report(1.0)
    assert seen == [0.5, 0.75]
    watch.cancel()
    assert report(0.0)
    with pytest.raises(Cancelled):
        watch.check()
