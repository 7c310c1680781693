"""Threads that send, and that nobody waits for at the end: a provider that hangs must not keep the service from ending.

Those of `concurrent.futures` are waited for when the process ends, whatever they are doing. What these leave undone is
due again by its lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")
Task = tuple[Future[Any], Callable[[], Any]]


class Threads(Executor):
    """Up to `size` threads, started when there is work for them; they end with the process."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, work: Callable[Given, Found], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Found]:
        """Have something done by the next free thread; RuntimeError after the end."""
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{self._name} takes no more work")
            future: Future[Found] = Future()
            self._tasks.put((future, partial(work, *args, **kwargs)))
            if not self._idle.acquire(blocking=False) and self._started < self._size:
                threading.Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
                self._started += 1
            return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Take no more, and give up what waits for a thread; what is being done is left to itself, never waited for."""
        with self._lock:
            self._closed = True
            with suppress(Empty):
                while (task := self._tasks.get_nowait()) is not None:
                    task[0].cancel()
            for _ in range(self._started):
                self._tasks.put(None)

    def _serve(self) -> None:
        while (task := self._next()) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the result
                future.set_exception(error)
            del task, future, work

    def _next(self) -> Task | None:
        try:
            return self._tasks.get_nowait()
        except Empty:
            self._idle.release()
            return self._tasks.get()
