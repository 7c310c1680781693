"""Where it is measured: a broker, a receiver, a service with every shipped protocol, and who watches the journal."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final

import asyncpg
import yaml

from benchmarks import deliveries
from benchmarks.endtoend.receiver import Receiver
from benchmarks.endtoend.traffic import HELD, HELD_MARK, seconds
from benchmarks.stage import POLICY, PROBE, write_config
from core.clock import SystemClock, stopwatch
from tests import servers

DOORS: Final = 200
LOOK_S: Final = 0.005
"""How often the journal is looked at; a time of the journal is late by no more than that."""


@dataclass
class Scene:
    """What stands around the service, and the service."""

    folder: Path
    broker: servers.Mosquitto
    receiver: Receiver
    service: servers.Service
    database_url: str

    @property
    def pid(self) -> int:
        """The number of the service's process."""
        assert self.service.process is not None
        return self.service.process.pid


@contextlib.contextmanager
def scene(
    folder: Path,
    *,
    database_url: str | None = None,
    doors: int = DOORS,
    endpoints: int = 1,
    rules: Sequence[dict[str, Any]] = (),
    broker: servers.Mosquitto | None = None,
    receiver: Receiver | None = None,
) -> Iterator[Scene]:
    """Start what is not given, and prepare the service; it is started by the caller and ended here.

    A visit that is given an escort is pushed to the one endpoint, or to one of several; `rules` are more rules.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        broker = broker or stack.enter_context(servers.mosquitto(folder / "mosquitto"))
        if receiver is None:
            receiver = Receiver(folder)
            stack.callback(receiver.stop)
            receiver.start()
        url = database_url or f"sqlite:///{folder}/hallwatch.db"
        settings = {
            "HALLWATCH_DATABASE_URL": url,
            "HALLWATCH_MQTT_URL": broker.url(),
            "HALLWATCH_CONFIG_DIR": str(_config(folder, receiver.port, doors, endpoints, rules)),
        }
        service = servers.Service(folder, settings)
        stack.callback(service.stop)
        yield Scene(folder, broker, receiver, service, url)


def _config(folder: Path, port: int, doors: int, endpoints: int, rules: Sequence[dict[str, Any]]) -> Path:
    if endpoints > 1:
        more = [*deliveries.rules(endpoints), *rules]
        config = write_config(folder, port, more, deliveries.policies(endpoints), deliveries.people(endpoints))
    else:
        config = write_config(folder, port, [PROBE, *rules], [POLICY])
    campus = yaml.safe_load((config / "campus.yaml").read_text())
    # Rooms: at whatever hour it is measured, no shipped rule has a word to say about an inner door in ordinary use.
    campus["doors"] += [{"id": f"room-{each}", "name": f"Room {each}", "zone": "lobby"} for each in range(doors)]
    campus["doors"].append({"id": HELD.rpartition("/")[2], "name": HELD_MARK, "zone": "lobby"})
    campus["devices"] += [{"id": f"room-{each}-contact", "door": f"room-{each}"} for each in range(doors)]
    (config / "campus.yaml").write_text(yaml.safe_dump(campus, sort_keys=False))
    return config


def ask(database_url: str, sql: str) -> list[Any]:
    """Return the rows of a query, whichever database it is."""
    with _asking(database_url) as asked:
        return asked(sql)


@contextlib.contextmanager
def _asking(database_url: str) -> Iterator[Callable[[str], list[Any]]]:
    if database_url.startswith("sqlite:///"):
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
            yield lambda sql: connection.execute(sql).fetchall()
        return
    loop = asyncio.new_event_loop()
    try:
        postgres = loop.run_until_complete(asyncpg.connect(database_url))
        yield lambda sql: [tuple(row) for row in loop.run_until_complete(postgres.fetch(sql))]
        loop.run_until_complete(postgres.close())
    finally:
        loop.close()


@dataclass
class Watch:
    """Looks into a database again and again, and remembers when which row could first be read there: was committed."""

    database_url: str
    tables: tuple[str, ...] = ("messages", "deliveries")
    _seen: list[tuple[float, ...]] = field(default_factory=list)
    """Seconds since 1970, and the highest number of each table."""
    _stop: Event = field(default_factory=Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(10, lambda: self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        clock = SystemClock()
        query = f"SELECT {', '.join(f'(SELECT coalesce(max(id), 0) FROM {table})' for table in self.tables)}"
        with _asking(self.database_url) as asked:
            while not self._stop.is_set():
                found = asked(query)[0]
                if not self._seen or self._seen[-1][1:] != found:
                    self._seen.append((seconds(clock.now()), *found))
                self._stop.wait(LOOK_S)

    def highest(self, table: str = "messages") -> int:
        """Return the highest number of a table by now."""
        return int(self._seen[-1][1 + self.tables.index(table)])

    def when(self, table: str, numbers: Sequence[int]) -> list[float]:
        """Return when rows of a table could first be read, by their numbers; in seconds since 1970."""
        place = 1 + self.tables.index(table)
        seen = list(self._seen)
        reached = [each[place] for each in seen]
        return [seen[bisect_left(reached, number)][0] for number in numbers]

    @property
    def idle(self) -> float:
        """For how many seconds nothing has come in."""
        return seconds(SystemClock().now()) - self._seen[-1][0]


def until(patience: float, true: Callable[[], object]) -> bool:
    """Wait until something is true, no longer than so many seconds; return whether it is."""
    began, pause = stopwatch(), Event()
    while not (holds := bool(true())) and stopwatch() - began < patience:
        pause.wait(0.02)
    return holds
