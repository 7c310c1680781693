"""What the benchmarks share: a service with its own broker, database and a receiver of pushes, in one folder."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import yaml

from core import registry
from core.clock import SystemClock
from tests import campuses, servers

PROBE: dict[str, Any] = {
    "id": "probe",
    "title": "A probe of the benchmark",
    "why": "measures the way from a message to a push",
    "key": "visit.id",
    "match": {"of": "escort.assigned"},
    "severity": "severe",
    "alert": {"text": "probe {visit.id}", "policy": "probe"},
}
POLICY: dict[str, Any] = {
    "id": "probe",
    "steps": [{"after": 0, "notify": ["person:reyes"], "via": ["push"]}],
}


def keep_log_quiet() -> None:
    """Let the parts of the service that run in this process say only what is wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@dataclass
class Stage:
    """A service that can be killed and started again, with what it stands on."""

    folder: Path
    broker: servers.Mosquitto
    receiver: servers.Receiver
    service: servers.Service
    database_url: str

    def journalled(self) -> list[tuple[str, str]]:
        """Return (kind, data) of every journalled message."""
        return self.query("SELECT kind, data FROM messages ORDER BY id")

    def query(self, sql: str) -> list[Any]:
        """Return the rows of a query, whichever database it is."""
        if self.database_url.startswith("sqlite:///"):
            with contextlib.closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"))) as connection:
                return connection.execute(sql).fetchall()
        return _postgres(self.database_url, sql)


def _postgres(url: str, sql: str) -> list[Any]:
    import asyncio

    from sqlalchemy import text

    from core.database import Database

    async def ask() -> list[Any]:
        database = Database(url)
        try:
            async with database.reading() as session:
                return [tuple(row) for row in (await session.execute(text(sql))).all()]
        finally:
            await database.close()

    # A loop of our own: the caller's may be running.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


def write_config(
    folder: Path,
    port: int,
    rules: Sequence[dict[str, Any]] = (),
    policies: Sequence[dict[str, Any]] = (),
    people: Sequence[dict[str, Any]] | None = None,
) -> Path:
    """Write the campus whose endpoints lead to the receiver, and the rules, as an operator would lay them out.

    It is mid-morning there, whenever it is: a nightly check or the start of a shift would be one more push.
    """
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    plain = registry.to_plain(campuses.with_phones(port, people=people))
    plain["campus"]["timezone"] = campuses.calm_zone(SystemClock().now())
    plain["policies"] = list(policies)
    (config / "campus.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    for rule in rules:
        (config / f"{rule['id']}.yaml").write_text(yaml.safe_dump(rule, sort_keys=False))
    return config


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    *,
    database_url: str | None = None,
    rules: Sequence[dict[str, Any]] = (PROBE,),
    policies: Sequence[dict[str, Any]] = (POLICY,),
    people: Sequence[dict[str, Any]] | None = None,
    settings: dict[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Start broker and receiver and prepare the service; it is started by the caller and ended here."""
    folder.mkdir(parents=True, exist_ok=True)
    url = database_url or f"sqlite:///{folder}/hallwatch.db"
    with servers.mosquitto(folder / "mosquitto") as broker:
        async with servers.receiver() as receiver:
            config = write_config(folder, receiver.port, rules, policies, people)
            service = servers.Service(
                folder,
                {
                    "HALLWATCH_DATABASE_URL": url,
                    "HALLWATCH_MQTT_URL": broker.url(),
                    "HALLWATCH_CONFIG_DIR": str(config),
                    **(settings or {}),
                },
            )
            try:
                yield Stage(folder, broker, receiver, service, url)
            finally:
                service.stop()


@contextlib.contextmanager
def server(folder: Path) -> Iterator[servers.Postgres]:
    """Start a PostgreSQL of our own, in which databases can be made."""
    started = servers.Postgres(folder)
    started.start()
    try:
        yield started
    finally:
        started.stop()


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Start a PostgreSQL of our own and yield the URL of an empty database."""
    with server(folder) as started:
        yield started.create("bench")
