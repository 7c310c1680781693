"""What is older than the settings allow is forgotten at night, in pieces; the quarantine is bounded at any time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app import retention
from app.metrics import Metrics
from app.retention import Retention, next_night
from core import feed, journal, state
from core.campus import Campus, write_duration
from core.clock import ManualClock
from core.database import Base, Database
from core.facts import DoorFacts, VisitFacts
from core.messages import DoorOpened, Heard
from core.settings import Settings
from ingest import quarantine
from tests.conftest import START
from tests.servers import ROOT

DAY = timedelta(days=1)
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## What is forgotten")[2].partition("\n## ")[0]
TABLE = dict(re.findall(r"^\| (\w+) \| (.+) \|$", PAGE, re.MULTILINE))


def opened(number: int, at: datetime) -> DoorOpened:
    return DoorOpened(
        campus="lincoln", source="door/main", message_id=f"m-{number}", at=at, received_at=at, door="main", device=None
    )


def keeper(database: Database, clock: ManualClock, campus: Campus, **settings: Any) -> Retention:
    metrics = Metrics()
    return Retention(database, clock, Settings(**settings), campuses=lambda: {campus.id: campus}, metrics=metrics)


async def count(database: Database, row: type[Base]) -> int:
    async with database.reading() as session:
        return (await session.execute(select(func.count()).select_from(row))).scalar_one()


async def test_every_kind_goes_at_its_own_age(database: Database, clock: ManualClock, campus: Campus) -> None:
    async with database.transaction() as session:
        await journal.append(session, [opened(n, START - n * DAY) for n in (1, 89, 91, 200)])
        news = feed.News(campus="lincoln", topic="door", data={})
        await feed.publish(session, [news], START - 8 * DAY)
        await feed.publish(session, [news], START - 6 * DAY)
        for days in (29, 31):
            unread = quarantine.Unread(Heard("x", b"{"), None, "bad_json")
            await quarantine.keep(session, [unread], START - days * DAY)
        facts = [
            VisitFacts(id="old", name="Pat Doe", state="out", heard_at=START - 401 * DAY),
            VisitFacts(id="new", name="Sam Roe", state="out", heard_at=START - 399 * DAY),
            DoorFacts(id="main", position="closed", heard_at=START - 500 * DAY),
        ]
        await state.save(session, "lincoln", facts)
    gone = await keeper(database, clock, campus).purge(START)
    assert gone == {"messages": 2, "quarantine": 1, "visits": 1, "alerts": 0, "feed": 1}
    async with database.reading() as session:
        assert [each.id for each in await state.load(session, "lincoln")] == ["main", "new"]
    assert await keeper(database, clock, campus).purge(START) == dict.fromkeys(gone, 0)


async def test_what_could_not_be_read_is_kept_no_longer_than_messages(
    database: Database, clock: ManualClock, campus: Campus
) -> None:
    async with database.transaction() as session:
        await quarantine.keep(session, [quarantine.Unread(Heard("x", b"{"), None, "bad_json")], START - 8 * DAY)
    gone = await keeper(database, clock, campus, retention_messages="7d").purge(START)
    assert gone["quarantine"] == 1


async def test_it_goes_in_pieces_that_let_others_in_between(
    database: Database, clock: ManualClock, campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 10)
    async with database.transaction() as session:
        await journal.append(session, [opened(n, START - 91 * DAY) for n in range(35)])
    gone = await keeper(database, clock, campus).purge(START)
    assert gone["messages"] == 35
    assert await count(database, journal.MessageRow) == 0


async def test_it_happens_soon_after_the_start_and_then_every_night(
    sqlite_database: Database, clock: ManualClock, campus: Campus
) -> None:
    keep = keeper(sqlite_database, clock, campus)

    async def left_of(age: timedelta) -> int:
        async with sqlite_database.transaction() as session:
            await journal.append(session, [opened(hash(clock.now()), clock.now() - age)])
        await keep.look()
        return await count(sqlite_database, journal.MessageRow)

    assert await left_of(91 * DAY) == 1
    clock.jump(timedelta(minutes=10))
    assert await left_of(91 * DAY) == 0
    clock.jump(timedelta(hours=18))
    assert await left_of(91 * DAY) == 1
    clock.jump(timedelta(hours=1))
    assert await left_of(91 * DAY) == 0


async def test_the_quarantine_is_bounded_at_any_time(
    database: Database, clock: ManualClock, campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "QUARANTINE_ROWS", 30)
    monkeypatch.setattr(retention, "CHUNK", 10)
    keep = keeper(database, clock, campus)
    for size in (25, 25):
        async with database.transaction() as session:
            unread = [quarantine.Unread(Heard("x", b"{"), None, f"bad_json: {n}") for n in range(size)]
            await quarantine.keep(session, unread, START)
        await keep.look()
    async with database.reading() as session:
        rows = await quarantine.find(session)
    assert len(rows) == 30
    assert [row.reason for row in rows[-5:]] == [f"bad_json: {n}" for n in (24, 23, 22, 21, 20)]


def test_night_is_the_campuses_own_also_when_the_clocks_change(campus: Campus) -> None:
    known = {campus.id: campus}
    assert next_night(START, known) == datetime(2026, 11, 25, 9, tzinfo=UTC)
    assert next_night(datetime(2026, 11, 25, 9, tzinfo=UTC), known) == datetime(2026, 11, 26, 9, tzinfo=UTC)
    assert next_night(datetime(2027, 3, 13, 9, tzinfo=UTC), known) == datetime(2027, 3, 14, 8, tzinfo=UTC)
    assert next_night(START, {}) == datetime(2026, 11, 25, 3, tzinfo=UTC)


async def test_the_table_has_everything_that_is_purged(
    sqlite_database: Database, clock: ManualClock, campus: Campus
) -> None:
    gone = await keeper(sqlite_database, clock, campus).purge(START)
    TABLE.pop("what", None)
    assert set(gone) == set(TABLE)


def test_the_ages_and_bounds_are_those_of_the_program() -> None:
    settings = Settings()
    for what, duration in (
        ("messages", settings.retention_messages),
        ("visits", settings.retention_visits),
        ("alerts", settings.retention_alerts),
        ("quarantine", retention.QUARANTINE),
        ("feed", retention.FEED),
    ):
        assert f"`{write_duration(duration)}`" in TABLE[what]
    assert f"{retention.QUARANTINE_ROWS:,} payloads" in PAGE
    assert f"{retention.QUARANTINE_BYTES // 1024**2} MiB" in PAGE
