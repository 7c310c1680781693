"""The floor: what any program pays that hears at QoS 1 and stores before it acknowledges. It does nothing else.

`consume` hears with paho and acknowledges; `both` hears, inserts the rows of a batch into the journal's own table,
commits, and then acknowledges. Neither decides anything, knows repeats of other rows, or tells anybody.

    python -m benchmarks.endtoend.floor consume|both --port PORT --database URL

It makes a file `floor.ready` in its folder once it hears.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import signal
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, Final

import asyncpg
import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.endtoend.programs import Program
from benchmarks.endtoend.scene import until
from core.clock import SystemClock, stopwatch
from tests import servers

MODULE: Final = "benchmarks.endtoend.floor"
BATCH: Final = 1000
READY: Final = Path("floor.ready")
COLUMNS: Final = ("campus", "kind", "key", "at", "received_at", "dedupe", "data")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
Row = tuple[Any, ...]
Insert = Callable[[Sequence[Row]], None]


@contextlib.contextmanager
def journal(database_url: str) -> Iterator[Insert]:
    """Yield what inserts rows and commits, with the driver alone and as safe as the service does it."""
    if database_url.startswith("sqlite:///"):
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as base:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
                base.execute(f"PRAGMA {pragma}")
            yield _sqlite(base)
        return
    loop = asyncio.new_event_loop()
    try:
        postgres = loop.run_until_complete(asyncpg.connect(database_url))
        yield lambda rows: loop.run_until_complete(_postgres(postgres, rows))
        loop.run_until_complete(postgres.close())
    finally:
        loop.close()


def _sqlite(base: sqlite3.Connection) -> Insert:
    marks = ", ".join("?" * len(COLUMNS))
    statement = f"INSERT OR IGNORE INTO messages ({', '.join(COLUMNS)}) VALUES ({marks})"

    def insert(rows: Sequence[Row]) -> None:
        base.execute("BEGIN IMMEDIATE")
        base.executemany(statement, [(*row[:3], _micros(row[3]), _micros(row[4]), *row[5:]) for row in rows])
        base.execute("COMMIT")

    return insert


async def _postgres(base: Any, rows: Sequence[Row]) -> None:
    types = ("text", "text", "text", "timestamptz", "timestamptz", "bytea", "text")
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(types, 1))
    statement = f"INSERT INTO messages ({', '.join(COLUMNS)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
    await base.execute(statement, *zip(*rows, strict=True))


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def listen(port: int, handle: Callable[[Client, MQTTMessage], None]) -> Client:
    """Hear everything of the campus at QoS 1 in a kept session, as paho's own examples do, acknowledging by hand."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="floor", clean_session=False, manual_ack=True)
    client.username_pw_set("hallwatch", servers.PASSWORD)
    client.on_connect = _subscribe
    client.on_subscribe = lambda *_: READY.touch()
    client.on_message = lambda _client, _data, message: handle(client, message)
    client.connect("127.0.0.1", port)
    return client


def _subscribe(client: Client, *_: object) -> None:
    client.subscribe("campus/#", 1)


def consume(port: int, stop: Event) -> dict[str, Any]:
    """Hear and acknowledge until told to stop; return how much, and how fast from the first to the last."""
    times = [0.0, 0.0]
    count = 0

    def handle(client: Client, message: MQTTMessage) -> None:
        nonlocal count
        client.ack(message.mid, message.qos)
        times[min(count, 1)] = stopwatch()
        count += 1

    client = listen(port, handle)
    client.loop_start()
    stop.wait()
    client.disconnect()
    client.loop_stop()
    return {"count": count, "seconds": times[1] - times[0]}


def both(port: int, stop: Event, insert: Insert) -> dict[str, Any]:
    """Hear, store a batch, acknowledge it, until told to stop."""
    waiting: deque[MQTTMessage] = deque()
    arrived = Event()

    def handle(_client: Client, message: MQTTMessage) -> None:
        waiting.append(message)
        arrived.set()

    client = listen(port, handle)
    client.loop_start()
    count = batches = 0
    while not stop.is_set():
        arrived.wait(0.1)
        arrived.clear()
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), BATCH))]
            now = SystemClock().now()
            insert([row(message.topic, bytes(message.payload), now) for message in batch])
            for message in batch:
                client.ack(message.mid, message.qos)
            count, batches = count + len(batch), batches + 1
    client.disconnect()
    client.loop_stop()
    return {"count": count, "batches": batches}


def row(topic: str, payload: bytes, now: datetime) -> Row:
    """Return the journal's row of a message, as long as the service's."""
    said = msgspec.json.decode(payload)
    _, campus, family, key = topic.split("/")
    mark = hashlib.blake2b(f"{topic}\0{said['id']}".encode(), digest_size=16).digest()
    # What the service adds: source, receipt and the rest of the envelope.
    data = {"campus": campus, "source": f"{family}/{key}", "received_at": now, **said}
    text = msgspec.json.encode(data).decode()
    return campus, f"{family}.said", key, datetime.fromisoformat(said["at"]), now, mark, text


def program(folder: Path, what: str, port: int, database_url: str = "") -> Program:
    """Return a floor as a process that hears already."""
    started = Program(folder, MODULE, [what, "--port", str(port), "--database", database_url])
    (folder / READY).unlink(missing_ok=True)
    started.start()
    until(20, (folder / READY).exists)
    return started


def main() -> int:
    """Work until SIGTERM and print what was done, as JSON."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=("consume", "both"))
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--database", default="", help="of a migrated database; only for `both`")
    said = words.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if said.what == "consume":
        done = consume(said.port, stop)
    else:
        with journal(said.database) as insert:
            done = both(said.port, stop, insert)
    print(msgspec.json.encode(done).decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
