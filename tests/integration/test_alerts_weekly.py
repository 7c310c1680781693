"""The report of the week goes out once, whatever happens to the service around its time."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import outbox, week
from alerts.channels import Channels
from alerts.courier import Courier
from alerts.outbox import NO_ALERT, DeliveryRow
from alerts.week_report import Report
from alerts.weekly import KEEP, ReportRow, Weekly, purge
from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from tests.campuses import LINCOLN, lincoln, with_phones
from tests.servers import Receiver
from tests.unit.alerts.making import finding, look, take

MONDAY = datetime(2026, 11, 30, 13, tzinfo=UTC)
"""Seven in the morning in Chicago: the report of 23 to 29 November is due."""
WEEK = timedelta(weeks=1)


def at(database: Database, campus: Campus, now: datetime) -> Weekly:
    """A service that has just been started at this time."""
    return Weekly(database, ManualClock(now), lambda: {campus.id: campus})


async def started(database: Database, campus: Campus, *, weeks: int = 1) -> None:
    """The service ran first so many weeks ago."""
    await at(database, campus, MONDAY - weeks * WEEK).look()


async def reports(database: Database) -> list[DeliveryRow]:
    async with database.reading() as session:
        return await outbox.of_alerts(session, [NO_ALERT])


async def weeks(database: Database) -> dict[str, str]:
    """What became of each week."""
    async with database.reading() as session:
        rows = await session.execute(select(ReportRow.monday, ReportRow.state).order_by(ReportRow.monday))
        return {row.monday: row.state for row in rows}


async def test_at_its_time_every_administrator_gets_it_in_the_lowest_lane(database: Database, campus: Campus) -> None:
    await started(database, campus)
    service = at(database, campus, MONDAY - timedelta(seconds=1))
    await service.look()
    assert await reports(database) == [], "not a second too early"
    await at(database, campus, MONDAY).look()
    [row] = await reports(database)
    assert (row.person, row.endpoint, row.lane, row.kind) == ("diaz", "diaz-phone", "bulk", "report")
    assert row.text.startswith("Weekly report · Lincoln High School · 23 Nov to 29 Nov 2026\n")
    assert await weeks(database) == {"2026-11-16": "first", "2026-11-23": "sent"}
    async with database.reading() as session:
        [deed] = await audit.find(session, subject="report:lincoln/2026-11-23")
    assert deed.action == "report.send"


async def test_a_campus_begins_with_the_first_whole_week_it_has_lived_through(
    database: Database, campus: Campus
) -> None:
    await at(database, campus, MONDAY + timedelta(days=2)).look()
    assert await reports(database) == []
    await at(database, campus, MONDAY + WEEK).look()
    assert [row.text.partition("\n")[0] for row in await reports(database)] == [
        "Weekly report · Lincoln High School · 30 Nov to 6 Dec 2026"
    ]


async def test_a_restart_repeats_nothing(database: Database, campus: Campus) -> None:
    await started(database, campus)
    for minutes in (0, 1, 60, 60 * 24 * 6):
        service = at(database, campus, MONDAY + timedelta(minutes=minutes))
        await service.look()
        await service.look()
    assert len(await reports(database)) == 1


async def test_two_services_send_it_once(database: Database, campus: Campus) -> None:
    await started(database, campus)
    await asyncio.gather(*(at(database, campus, MONDAY).look() for _ in range(4)))
    assert len(await reports(database)) == 1


async def test_a_crash_before_the_commit_drops_nothing(
    database: Database, campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("a defect")

    await started(database, campus)
    with monkeypatch.context() as patched:
        patched.setattr(week, "read", breaks)
        with pytest.raises(RuntimeError):
            await at(database, campus, MONDAY).look()
    await at(database, campus, MONDAY).look()
    assert len(await reports(database)) == 1


async def test_one_campus_holds_up_no_other(
    sqlite_database: Database, campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = week.read

    async def breaks(session: AsyncSession, known: Campus, of: date, now: datetime) -> Report:
        if known.id == "adams":
            raise RuntimeError("a defect")
        return await read(session, known, of, now)

    adams = lincoln(campus={**LINCOLN["campus"], "id": "adams"})
    both, clock = {"adams": adams, "lincoln": campus}, ManualClock(MONDAY - WEEK)
    service = Weekly(sqlite_database, clock, lambda: both)
    await service.look()
    monkeypatch.setattr(week, "read", breaks)
    clock.jump(WEEK)
    with pytest.raises(RuntimeError):
        await service.look()
    assert [row.campus for row in await reports(sqlite_database)] == ["lincoln"]


async def test_what_comes_late_says_when_it_was_due(database: Database, campus: Campus) -> None:
    await started(database, campus)
    await at(database, campus, MONDAY + timedelta(days=3)).look()
    [row] = await reports(database)
    assert "This report is late: it was due on Mon 30 Nov 07:00." in row.text


async def test_weeks_without_a_report_are_told_in_the_next_one(database: Database, campus: Campus) -> None:
    await started(database, campus, weeks=4)
    await at(database, campus, MONDAY - 3 * WEEK).look()
    await at(database, campus, MONDAY).look()
    *_, row = await reports(database)
    assert "No report was sent of 9 Nov to 15 Nov 2026, 16 Nov to 22 Nov 2026:" in row.text
    assert list((await weeks(database)).values()) == ["first", "sent", "skipped", "skipped", "sent"]
    await at(database, campus, MONDAY + WEEK).look()
    assert "No report was sent" not in (await reports(database))[-1].text


async def test_where_nobody_can_be_reached_the_next_report_says_so(database: Database, campus: Campus) -> None:
    await started(database, campus)
    await at(database, lincoln(people=LINCOLN["people"][:2], shifts=[], calendar={}), MONDAY).look()
    assert await reports(database) == []
    async with database.reading() as session:
        row = (await session.execute(select(ReportRow).where(ReportRow.monday == "2026-11-23"))).scalar_one()
    assert (row.state, row.detail) == ("unreached", "nobody can be reached: role:admin")
    await at(database, campus, MONDAY + WEEK).look()
    assert "No report was sent of 23 Nov to 29 Nov 2026:" in (await reports(database))[-1].text


async def test_the_campus_says_when_and_to_whom_or_that_it_wants_none(database: Database) -> None:
    policy = {"id": "weekly-report", "steps": [{"notify": ["role:principal"]}], "weekly": "fri 16:30"}
    friday, none = lincoln(policies=[policy]), lincoln(policies=[{**policy, "weekly": None}])
    due = datetime(2026, 12, 4, 22, 30, tzinfo=UTC)
    await at(database, friday, due - WEEK).look()
    await at(database, none, due).look()
    await at(database, friday, due - timedelta(minutes=1)).look()
    assert await reports(database) == []
    await at(database, friday, due).look()
    [row] = await reports(database)
    assert (row.endpoint, row.text.partition("\n")[0].rpartition(" · ")[2]) == ("okafor-phone", "23 Nov to 29 Nov 2026")


async def test_an_endpoint_that_is_known_to_be_dead_is_passed_over(database: Database) -> None:
    mail = {"id": "diaz-mail", "url": "json://127.0.0.1:9/mail", "via": "email"}
    diaz = {**LINCOLN["people"][2], "endpoints": [*LINCOLN["people"][2]["endpoints"], mail]}
    campus = lincoln(people=[*LINCOLN["people"][:2], diaz])
    await started(database, campus)
    await at(database, campus, MONDAY).look()
    async with database.transaction() as session:
        place = {"campus": "lincoln", "person": "diaz", "endpoint": "diaz-mail"}
        await outbox.mark_endpoints(session, [{**place, "state": "red", "since": MONDAY, "detail": "answered 410"}])
    await at(database, campus, MONDAY + WEEK).look()
    assert [row.endpoint for row in await reports(database)] == ["diaz-mail", "diaz-phone"]


async def test_the_courier_brings_it_and_tries_again_where_it_fails(database: Database, receiver: Receiver) -> None:
    campus, clock = with_phones(receiver.port), ManualClock(MONDAY)
    await started(database, campus)
    await at(database, campus, MONDAY).look()
    alert = await take(database, campus, finding(severity="minor"), now=MONDAY - timedelta(hours=1))
    channels = Channels(allow_private=True)
    courier = Courier(
        database, clock, channels, lambda: {campus.id: campus}, public_url="https://h.example", chance=random.Random(1)
    )
    receiver.status = 503
    await courier.send_due(clock.now())
    receiver.status = 200
    clock.jump(10)
    await courier.send_due(clock.now())
    channels.close()
    sent = [each.json for each in receiver.received if "Weekly report" in each.json["title"]]
    assert [each["title"] for each in sent] == ["Weekly report · Lincoln High School · 23 Nov to 29 Nov 2026"] * 2
    assert "Alerts: 0 (0)" in sent[0]["message"]
    assert "/a/" not in sent[0]["message"], "there is nothing to take"
    assert [row.state for row in await reports(database)] == ["accepted"]
    assert (await look(database, alert.id)).is_open


async def test_after_a_year_it_is_forgotten(database: Database, campus: Campus) -> None:
    await started(database, campus)
    await at(database, campus, MONDAY).look()
    async with database.transaction() as session:
        await purge(session, MONDAY + KEEP)
    assert len(await reports(database)) == 1
    async with database.transaction() as session:
        await purge(session, MONDAY + KEEP + timedelta(seconds=1))
    assert await reports(database) == []
    assert await weeks(database) == {}
