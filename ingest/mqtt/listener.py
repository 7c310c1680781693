"""Hears: takes what has arrived, has it handled, and only then lets the broker forget it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from core.clock import Clock
from core.errors import Unavailable
from core.messages import Heard
from ingest.mqtt.address import Address
from ingest.mqtt.connection import Connection
from ingest.mqtt.status import Status
from ingest.mqtt.waiting import Delivery, Waiting

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
QUIET: Final = 0.5
"""Seconds without a message after which the backlog counts as heard."""
LOOKS: Final = 10
"""So many looks in a row must find it quiet. Seconds alone prove nothing: our own work may have taken them."""
LONGEST_BACKLOG: Final = 600.0
"""Seconds after connecting from which on we no longer wait for the backlog to end."""
_FIRST_RETRY: Final = 0.1
_LONGEST_RETRY: Final = 5.0
log = structlog.get_logger()

Handle = Callable[[list[Heard]], Awaitable[None]]
OnPoison = Callable[[Heard, Exception], Awaitable[None]]


class Listener:
    """The one listener. `handle` gets batches in order and must have stored their effects when it returns.

    If `handle` raises Unavailable the batch is kept and tried again, for as long as it takes. On any other error
    the batch is halved until the one message that cannot be handled is found; `on_poison` gets that one, to keep it.
    Waiting between attempts takes real seconds, whatever the clock: broker and database live in them. A listener runs
    once.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        prefix: str,
        topics: Sequence[str] = (),
        handle: Handle,
        clock: Clock,
        on_poison: OnPoison | None = None,
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
        max_batch: int = 1000,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        address = Address.parse(url, ca_file=ca_file, cert_file=cert_file, key_file=key_file)
        self.caught_up = asyncio.Event()
        """Set while connected, once what came while we were away has been handled."""
        self.on_backlog: Callable[[datetime | None], None] = lambda _since: None
        """Told on connecting, before the first message of it, since when we could not hear; None: never before."""
        self.on_caught_up: Callable[[], None] = lambda: None
        """Told when there is nothing more of what was kept for us, or the broker is away again."""
        self._handle = handle
        self._on_poison = on_poison
        self._clock = clock
        self._max_batch = max_batch
        self._waiting = Waiting(max_waiting_bytes)
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own_topics = (f"{prefix}/#", f"trial/{prefix}/#")
        self._connection = Connection(
            address,
            client_id=client_id,
            topics=[*self._own_topics, *topics],
            waiting=self._waiting,
            clock=clock,
            on_change=self._note_change,
        )

    def subscribe(self, topics: Sequence[str]) -> None:
        """Hear these topics beside our own, from now on and in place of those named before."""
        self._connection.subscribe([*self._own_topics, *topics])

    @property
    def status(self) -> Status:
        """How the connection is, and what went through."""
        return self._connection.status

    async def run(self) -> None:
        """Listen until cancelled; then disconnect and leave what is not acknowledged to the broker."""
        self._loop = asyncio.get_running_loop()
        self._waiting.attach(self._loop)
        self._connection.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._consume())
                group.create_task(self._watch_backlog())
        finally:
            self.caught_up.clear()
            await asyncio.shield(asyncio.to_thread(self._connection.close))

    async def _consume(self) -> None:
        while True:
            batch = await self._waiting.take(self._max_batch)
            await self._deliver(batch)

    async def _deliver(self, batch: list[Delivery]) -> None:
        try:
            await self._handle_patiently([delivery.heard for delivery in batch])
        except Exception as error:  # noqa: BLE001 - one message that breaks the handling must not stop the others
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._deliver(batch[:middle])
                await self._deliver(batch[middle:])
                return
            await self._give_up(batch[0].heard, error)
        self._waiting.done(batch)
        self._connection.acknowledge(batch)

    async def _handle_patiently(self, heard: list[Heard]) -> None:
        pause = 0.0
        while True:
            try:
                await self._handle(heard)
            except Unavailable as error:
                if not pause:
                    log.warning("handling_waits", reason=str(error), messages=len(heard))
            else:
                if pause:
                    log.info("handling_goes_on", messages=len(heard))
                return
            pause = min(pause * 2 or _FIRST_RETRY, _LONGEST_RETRY)
            await asyncio.sleep(pause)
            # The attempt may have been stored although we were not told: from here on it may be a repeat.
            heard = [replace(each, redelivered=True) if each.packet else each for each in heard]

    async def _give_up(self, heard: Heard, error: Exception) -> None:
        log.error("message_cannot_be_handled", topic=heard.topic, error=repr(error))
        if self._on_poison is None:
            return
        try:
            await self._on_poison(heard, error)
        except Exception as second:  # noqa: BLE001 - there is nobody left to tell but the log
            log.error("message_cannot_be_kept", topic=heard.topic, error=repr(second))

    async def _watch_backlog(self) -> None:
        since: datetime | None = None
        while True:
            await self._until(connected=True)
            self.on_backlog(since)
            await self._until_quiet()
            self.on_caught_up()
            if self.status.connected:
                self.caught_up.set()
            await self._until(connected=False)
            since = self._clock.now()
            self.caught_up.clear()

    async def _until(self, *, connected: bool) -> None:
        while self.status.connected != connected:
            self._changed.clear()
            if self.status.connected != connected:
                await self._changed.wait()

    async def _until_quiet(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_BACKLOG):
                seen, quiet = -1, 0
                while quiet < LOOKS and self.status.connected:
                    await asyncio.sleep(QUIET / LOOKS)
                    status = self.status
                    quiet = 0 if status.received != seen or status.waiting else quiet + 1
                    seen = status.received

    def _note_change(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)
