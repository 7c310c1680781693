"""Looks at what the service stands on: broker, database, clock, endpoints, disk; says what to do where it fails."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
from sqlalchemy import text

from alerts.channels import Channels
from app import migrate
from core import registry
from core.campus import Campus
from core.clock import Clock, SystemClock
from core.database import Database
from core.errors import BadInput, HallwatchError
from core.settings import Settings
from core.vault import Vault
from ingest.mqtt import Address

SMALL = 1024**3
"""Bytes of free disk below which the journal will soon have no room."""
MOST_SKEW = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Found:
    """How one part is, in words that say what to do."""

    part: str
    ok: bool
    words: str


async def examine(settings: Settings) -> list[Found]:
    """Look at every part; one that cannot be looked at is a part that fails."""
    clock = SystemClock()
    database = Database(settings.database_url)
    try:
        looks: list[tuple[str, Callable[[], Awaitable[str]]]] = [
            ("secret key", lambda: _secret(settings)),
            ("database", lambda: _database(database)),
            ("tables", lambda: _tables(database)),
            ("clock", lambda: _clock(database, clock)),
            ("broker", lambda: _broker(settings)),
            ("campuses", lambda: _campuses(database, settings)),
            ("endpoints", lambda: _endpoints(database, settings)),
            ("disk", lambda: _disk(settings)),
        ]
        return [await _look(part, look) for part, look in looks]
    finally:
        await database.close()


async def _look(part: str, look: Callable[[], Awaitable[str]]) -> Found:
    try:
        async with asyncio.timeout(20):
            return Found(part, True, await look())
    except TimeoutError:
        return Found(part, False, "no answer within 20 s")
    except (HallwatchError, OSError) as error:
        return Found(part, False, str(error))


async def _secret(settings: Settings) -> str:
    settings.require_secret()
    return "set, and long enough"


async def _database(database: Database) -> str:
    async with database.reading() as session:
        await session.execute(text("SELECT 1"))
    return "SQLite answers" if database.is_sqlite else "PostgreSQL answers"


async def _tables(database: Database) -> str:
    found, newest = await migrate.current(database), migrate.newest()
    if found is None:
        raise BadInput("there are none yet; run: hallwatch db upgrade")
    if found != newest:
        raise BadInput(f"at revision {found}, this version needs {newest}; run: hallwatch db upgrade")
    return f"at revision {found}"


async def _clock(database: Database, clock: Clock) -> str:
    now = clock.now()
    if database.is_sqlite:
        return f"{now:%Y-%m-%d %H:%M:%S} UTC; keep it right with an NTP service"
    async with database.reading() as session:
        there: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    apart = abs(there.astimezone(UTC) - now)
    if apart > MOST_SKEW:
        raise BadInput(f"{apart.total_seconds():.0f} s away from the database's; start an NTP service on both machines")
    return f"{now:%Y-%m-%d %H:%M:%S} UTC, as on the database's machine"


async def _broker(settings: Settings) -> str:
    if settings.mqtt_url == "embedded":
        return f"the embedded one, started by serve on port {settings.mqtt_embedded_port}; for trials only"
    where = Address.parse(settings.mqtt_url, ca_file=settings.mqtt_ca_file)
    try:
        async with aiomqtt.Client(
            where.host,
            where.port,
            username=where.user,
            password=where.password,
            identifier=f"{settings.mqtt_client_id}-doctor",
            tls_params=aiomqtt.TLSParameters(
                ca_certs=str(settings.mqtt_ca_file) if settings.mqtt_ca_file else None,
                certfile=str(settings.mqtt_cert_file) if settings.mqtt_cert_file else None,
                keyfile=str(settings.mqtt_key_file) if settings.mqtt_key_file else None,
            )
            if where.tls
            else None,
            timeout=10,
        ):
            return f"{where} lets us in"
    except aiomqtt.MqttError as error:
        raise BadInput(f"{where}: {error}; is it running, are name and password right?") from None


async def _stored(database: Database, settings: Settings) -> list[Campus]:
    if await migrate.current(database) is None:
        raise BadInput("nothing to look at before the tables are there")
    async with database.reading() as session:
        return await registry.load_all(session, Vault(settings.require_secret()))


async def _campuses(database: Database, settings: Settings) -> str:
    campuses = await _stored(database, settings)
    if not campuses:
        raise BadInput("there is none; write a campus file and run: hallwatch load FILE")
    return ", ".join(f"{each.id} ({len(each.doors)} doors, {len(each.people)} people)" for each in campuses)


async def _endpoints(database: Database, settings: Settings) -> str:
    channels = Channels(allow_private=settings.allow_private_endpoints)
    try:
        wrong: list[str] = []
        count = 0
        for campus in await _stored(database, settings):
            for person in campus.people:
                for endpoint in person.endpoints:
                    count += 1
                    wrong += [f"{endpoint.id}: {problem.message}" for problem in channels.validate(endpoint.url)]
        if wrong:
            raise BadInput("; ".join(wrong))
        if not count:
            raise BadInput("nobody has one: nobody would be told; add endpoints to the people of the campus file")
        return f"{count} can be used; whether they ring, only a test send shows"
    finally:
        channels.close()


async def _disk(settings: Settings) -> str:
    url = settings.database_url
    place = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else Path.cwd()
    free = shutil.disk_usage(place if place.exists() else Path.cwd()).free
    if free < SMALL:
        raise BadInput(f"only {free // 1024**2} MiB free; the journal needs room, or a shorter RETENTION_MESSAGES")
    return f"{free / 1024**3:.0f} GiB free"
