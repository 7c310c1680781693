"""A past of any size, written straight into a database: messages, and the alerts with all that belongs to them.

The proportions are believable and the rows are such as the service itself writes; only nobody has lived through it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import msgspec
from sqlalchemy import Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import policies
from alerts.alert import Alert
from alerts.outbox import AttemptRow, DeliveryRow
from alerts.store import AlertRow, EventRow
from core import audit
from core.audit import AuditRow
from core.database import Base, Database
from core.facts import VisitFacts
from core.feed import FeedRow
from core.findings import SEVERITIES
from core.messages import KINDS
from core.state import FactsRow
from ingest.quarantine import QuarantineRow

JOURNAL: Final = timedelta(days=89)
"""How far back messages reach: what `RETENTION_MESSAGES` leaves, less a day."""
ALERTS: Final = timedelta(days=30)
FEED: Final = timedelta(days=7)
PIECE: Final = 5_000
DOORS: Final = 40
VISITS_EACH: Final = 6
"""Readings of one visit."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = ("campus", "kind", "key", "at", "received_at", "dedupe", "data")
_RULES: Final = ("door-held-open", "door-propped", "door-forced", "visitor-overstay", "sensor-silent")
_PEOPLE: Final = ("reyes", "okafor", "diaz")


@dataclass(frozen=True, kw_only=True)
class Past:
    """How much of it there is, on which campuses, and when it ends."""

    campuses: Sequence[str]
    rows: int
    until: datetime

    @property
    def alerts(self) -> int:
        """One for every thousand messages of their time, as in a simulated month (docs/month.md)."""
        return max(round(self.rows * (ALERTS / JOURNAL) / 1000), 20)

    @property
    def quarantined(self) -> int:
        """One in fifty; the service keeps no more than a hundred thousand."""
        return min(self.rows // 50, 100_000)

    @property
    def visits(self) -> int:
        """One in a hundred messages begins one."""
        return self.rows // 100


async def fill(url: str, past: Past) -> None:
    """Write the past into a migrated database that nobody uses meanwhile."""
    database = Database(url)
    try:
        await _messages(database, past)
        async with database.reading() as session:
            latest = await session.execute(select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1))
        for table, rows in _rest(past, latest.scalar() or audit.GENESIS):
            await _write(database, table, rows)
        if (
            not database.is_sqlite
        ):  # the server does this by itself, some minutes later, in the middle of what is measured
            async with database.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(text("VACUUM ANALYZE"))
    finally:
        await database.close()


# ------------------------------------------------------------------------------------------------------ messages
async def _messages(database: Database, past: Past) -> None:
    """Write the journal: without its indexes, which are made anew behind it, as any loader would."""
    async with database.engine.begin() as connection:
        indexes = await without_indexes(connection, "messages", is_sqlite=database.is_sqlite)
    if database.is_sqlite:
        await database.close()  # what it holds open would be in the way; it opens anew
        with closing(sqlite3.connect(str(database.engine.url.database), isolation_level=None)) as connection_:
            with suppress(sqlite3.OperationalError):  # somebody has it open: then everything is written twice
                connection_.execute("PRAGMA journal_mode=OFF")
            for pragma in ("synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
                connection_.execute(f"PRAGMA {pragma}")
            connection_.execute("BEGIN")
            marks = ", ".join("?" * len(_FIELDS))
            rows = ((*row[:3], _micros(row[3]), _micros(row[4]), *row[5:]) for row in readings(past))
            connection_.executemany(f"INSERT INTO messages ({', '.join(_FIELDS)}) VALUES ({marks})", rows)
            connection_.execute("COMMIT")
            for each in indexes:
                connection_.execute(each)
        return
    async with database.engine.begin() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await raw.copy_records_to_table("messages", records=readings(past), columns=_FIELDS)
        await connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        for each in indexes:
            await connection.execute(text(each))


async def without_indexes(connection: AsyncConnection, table: str, *, is_sqlite: bool) -> list[str]:
    """Drop the plain indexes of a table; return the words that make them again."""
    told = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :table"
        if is_sqlite
        else "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :table AND indexname LIKE 'ix%'"
    )
    found = (await connection.execute(text(told), {"table": table})).all()
    for name, _ in found:
        await connection.execute(text(f'DROP INDEX "{name}"'))
    return [sql for _, sql in found]


def readings(past: Past) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the journal in order of receipt, evenly over its time."""
    step = JOURNAL / past.rows
    began = past.until - JOURNAL
    forms = {campus: _Forms(campus) for campus in past.campuses}
    for number in range(past.rows):
        at = began + number * step
        place, turn = number % len(past.campuses), number // len(past.campuses)
        campus = past.campuses[place]
        kind, key, form = forms[campus].form(turn)
        said = at.isoformat()
        # The form was written by the journal's own encoder; only what differs from reading to reading is put in.
        data = form.replace("@id", f"m{number}").replace("@at", said).replace("@visit", key)
        yield campus, kind, key, at, at, os.urandom(16), data


class _Forms:
    """What a campus says: mostly doors, a visit now and then, counters, heartbeats."""

    def __init__(self, campus: str) -> None:
        doors = [f"door-{number}" for number in range(DOORS)]
        self._doors = [
            [(kind, door, _form(kind, campus, f"door/{door}", door=door)) for kind in ("door.opened", "door.closed")]
            for door in doors
        ]
        visit: dict[str, Any] = {"visit": "@visit", "station": "lobby"}
        told: list[tuple[str, dict[str, Any]]] = [
            ("visitor.preregistered", {"name": "Pat Doe", "host": "Ms. Ito", "type": "visitor"}),
            ("visitor.screened", {"screening": "clear"}),
            ("visitor.checked_in", {"name": "Pat Doe", "host": "Ms. Ito", "zone": "lobby", "badge": "7"}),
            ("badge.scanned", {"zone": "gym"}),
            ("escort.assigned", {"escort": "diaz"}),
            ("visitor.checked_out", {"method": "person"}),
        ]
        self._visits = [(kind, _form(kind, campus, "visitor/lobby", **visit, **more)) for kind, more in told]
        gathering = "winter-concert"
        self._counted = _form("attendance.entered", campus, f"attendance/{gathering}", gathering=gathering)
        self._heartbeats = [
            (device, _form("device.heartbeat", campus, f"device/{device}", device=device))
            for device in (f"{door}-contact" for door in doors)
        ]

    def form(self, turn: int) -> tuple[str, str, str]:
        """Return kind, key and form of the campus's reading number `turn`."""
        tens, ones = divmod(turn, 10)
        if ones < 7:
            cycle = tens * 7 + ones
            return self._doors[cycle // 2 % DOORS][cycle % 2]
        if ones == 7:
            kind, form = self._visits[tens % VISITS_EACH]
            return kind, f"v-{tens // VISITS_EACH}", form
        if ones == 8:
            return "attendance.entered", "winter-concert", self._counted
        device, form = self._heartbeats[tens % DOORS]
        return "device.heartbeat", device, form


def _form(kind: str, campus: str, source: str, **body: Any) -> str:
    said = {"campus": campus, "source": source, "message_id": "@id", **body}
    message = msgspec.convert({**said, "at": _EPOCH, "received_at": _EPOCH}, KINDS[kind])
    return msgspec.json.encode(message).decode().replace("1970-01-01T00:00:00Z", "@at")


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


# ---------------------------------------------------------------------------------------------------- all the rest
def _rest(past: Past, latest: str) -> Iterator[tuple[Table, Iterator[dict[str, Any]]]]:
    yield _table(AlertRow), _alerts(past)
    yield _table(EventRow), _events(past)
    yield _table(DeliveryRow), _deliveries(past)
    yield _table(AttemptRow), _attempts(past)
    yield _table(AuditRow), _deeds(past, latest)
    yield _table(FeedRow), _news(past)
    yield _table(QuarantineRow), _unread(past)
    yield _table(FactsRow), _visits(past)


def _table(row: type[Base]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)
    return table


async def _write(database: Database, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    async with database.transaction() as session:
        while piece := list(islice(rows, PIECE)):
            await session.execute(insert(table), piece)


def _opened_at(past: Past, number: int) -> datetime:
    return past.until - ALERTS + number * (ALERTS / past.alerts)


def _alerts(past: Past) -> Iterator[dict[str, Any]]:
    """Yield alerts, all of them taken; the last twenty are open, the others were closed after a while."""
    policy = policies.to_plain(policies.default_policies()["moderate"])
    for number in range(past.alerts):
        at = _opened_at(past, number)
        key = f"door-{number % DOORS}"
        is_open = number >= past.alerts - 20
        over = None if is_open else at + timedelta(minutes=7)
        alert = Alert(
            campus=past.campuses[number % len(past.campuses)],
            rule=_RULES[number % len(_RULES)],
            key=key,
            entity="door",
            code=f"{'ABCDEFGH'[number % 8]}{number // 100}-{number % 100:02}",
            severity=SEVERITIES[number * 7 % 20 // 6],
            title="A door stands open",
            text=f"Door {key} has been open for a minute",
            because={"params": {"patience": "60s"}, "values": {"door.position": "open"}, "messages": []},
            began_at=at,
            opened_at=at,
            heard_at=at,
            condition="active" if is_open else "cleared",
            cleared_at=over,
            acknowledged_by="person:reyes",
            acknowledged_at=at + timedelta(seconds=40),
            closed_by=None if is_open else "person:reyes",
            closed_at=over,
            disposition=None if is_open else ("real", "nuisance", "unknown")[number % 3],
            policy=policy,
            noticed_at=at,
        )
        yield {name: value for name, value in msgspec.structs.asdict(alert).items() if name != "id"}


def _events(past: Past) -> Iterator[dict[str, Any]]:
    for number in range(past.alerts):
        at = _opened_at(past, number)
        for place, event in enumerate(("opened", "notify", "repeated", "acknowledged", "cleared", "closed")):
            moment = at + timedelta(seconds=20 * place)
            yield {"alert": number + 1, "at": moment, "event": event, "who": "hallwatch", "text": event, "data": {}}


def _deliveries(past: Past) -> Iterator[dict[str, Any]]:
    for number in range(past.alerts):
        at = _opened_at(past, number)
        for step, person in enumerate(_PEOPLE):
            yield {
                "alert": number + 1,
                "campus": past.campuses[number % len(past.campuses)],
                "generation": 1,
                "step": step,
                "tier": 0,
                "person": person,
                "endpoint": f"{person}-phone",
                "via": "push",
                "lane": "normal",
                "kind": "alert",
                "priority": 1,
                "until": "ack",
                "msg_type": "Alert",
                "text": "",
                "state": "accepted",
                "due_at": None,
                "expires_at": at + timedelta(hours=1),
                "attempts": 1,
                "reason": "",
                "created_at": at,
            }


def _attempts(past: Past) -> Iterator[dict[str, Any]]:
    for number in range(past.alerts * len(_PEOPLE)):
        at = _opened_at(past, number // len(_PEOPLE)) + timedelta(seconds=1)
        yield {"delivery": number + 1, "at": at, "outcome": "accepted", "detail": ""}


def _deeds(past: Past, previous: str) -> Iterator[dict[str, Any]]:
    """Yield the audit record: a chain, as it has to be, behind the row whose hash is `previous`."""
    for number in range(past.alerts * 3):
        alert, deed = divmod(number, 3)
        action = ("alert.acknowledged", "alert.note", "alert.closed")[deed]
        at = _opened_at(past, alert) + timedelta(seconds=30 * deed)
        said = (previous, at, "person:reyes", action, f"alert:{alert + 1}", "{}")
        previous = audit.digest(*said)
        yield {**dict(zip(audit.COLUMNS, said, strict=True)), "hash": previous}


def _news(past: Past) -> Iterator[dict[str, Any]]:
    """Yield a week of the feed: what doors said in it."""
    count = int(past.rows * (FEED / JOURNAL))
    for number in range(count):
        campus = past.campuses[number % len(past.campuses)]
        at = past.until - FEED + number * (FEED / count)
        data = {"campus": campus, "id": f"door-{number % DOORS}", "position": "open", "heard_at": at.isoformat()}
        yield {"campus": campus, "topic": "door", "at": at, "data": msgspec.json.encode(data).decode()}


def _unread(past: Past) -> Iterator[dict[str, Any]]:
    for number in range(past.quarantined):
        campus = past.campuses[number % len(past.campuses)]
        reason = ("bad_json", "unknown_entity: no door", "invalid_field: position")[number % 3]
        yield {
            "campus": campus,
            "topic": f"campus/{campus}/door/nowhere-{number % 50}",
            "reason": reason,
            "payload": b'{"position": "ajar"}',
            "size": 20,
            "retained": False,
            "trial_only": False,
            "received_at": past.until - ALERTS + number * (ALERTS / past.quarantined),
            "replayed_at": None,
        }


def _visits(past: Past) -> Iterator[dict[str, Any]]:
    """Yield the visits that are kept; one in two hundred is still here."""
    for number in range(past.visits):
        at = past.until - timedelta(hours=1)
        is_in = number % 200 == 0
        facts = VisitFacts(
            id=f"v-{number:07}",
            state="in" if is_in else "out",
            state_at=at,
            name="Pat Doe",
            host="Ms. Ito",
            zone="lobby",
            heard_at=at if is_in else at - number % 300 * timedelta(days=1),
            checked_out_by=None if is_in else "person",
        )
        yield {
            "campus": past.campuses[number % len(past.campuses)],
            "entity": "visit",
            "id": facts.id,
            "level": facts.level,
            "heard_at": facts.heard_at,
            "data": msgspec.json.encode(facts).decode(),
        }
