"""The threads that send: as many as allowed, started when needed, and never waited for at the end."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import wait

import pytest

from alerts.threads import Threads
from core.clock import stopwatch
from tests.servers import ROOT

HANGS = """
import threading
from alerts.threads import Threads
threads = Threads(2, "send")
hung = threading.Event()
started = threading.Event()
threads.submit(lambda: (started.set(), hung.wait(60)))
started.wait()
threads.shutdown()
print("ends")
"""


def test_work_is_done_and_its_result_or_its_error_comes_back() -> None:
    threads = Threads(2, "send")
    assert threads.submit(divmod, 7, 2).result(5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result(5)
    assert threads.submit(str, 1).result(5) == "1", "an error ends no thread"
    threads.shutdown()


def test_no_more_work_at_once_than_there_are_threads() -> None:
    threads, free, busy = Threads(3, "send"), threading.Event(), threading.Semaphore(0)

    def work() -> None:
        busy.release()
        free.wait(5)

    tasks = [threads.submit(work) for _ in range(5)]
    assert [busy.acquire(timeout=5) for _ in range(3)] == [True] * 3
    assert not busy.acquire(timeout=0.05), "the fourth waits"
    free.set()
    assert not wait(tasks, timeout=5).not_done
    threads.shutdown()


def test_a_thread_that_is_free_is_used_again() -> None:
    threads = Threads(8, "send")
    names = set()
    for _ in range(20):
        names.add(threads.submit(lambda: threading.current_thread().name).result(5))
    assert len(names) <= 2
    threads.shutdown()


def test_at_the_end_what_waits_is_given_up_and_nothing_more_is_taken() -> None:
    threads, free, busy = Threads(1, "send"), threading.Event(), threading.Event()
    held = threads.submit(lambda: (busy.set(), free.wait(5)))
    busy.wait(5)
    waiting = threads.submit(str, 1)
    threads.shutdown()
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="takes no more work"):
        threads.submit(str, 1)
    free.set()
    assert held.result(5), "what was being done is done"


def test_a_process_ends_though_a_thread_hangs() -> None:
    began = stopwatch()
    ended = subprocess.run([sys.executable, "-c", HANGS], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (0, "ends\n"), ended.stderr
    assert stopwatch() - began < 20
