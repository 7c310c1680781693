"""Pre-flight: the nightly round and the start of a shift, with real sends to a local receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from alerts import links, outbox, preflight, store
from alerts.channels import Channels
from alerts.preflight import NIGHT, CheckRow, Preflight
from core.calendar import resolve_local
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from tests.campuses import CALM_HOUR, LINCOLN, calm_zone, lincoln, with_phones
from tests.conftest import START
from tests.servers import Receiver
from tests.unit.alerts.making import paths

PUBLIC = "https://hallwatch.example.org"
Make = Callable[..., Preflight]


@pytest.fixture
async def make(database: Database, clock: ManualClock) -> AsyncIterator[Make]:
    channels = Channels(allow_private=True)
    yield lambda campus, public_url=PUBLIC: Preflight(
        database, clock, channels, lambda: {campus.id: campus}, public_url=public_url
    )
    channels.close()


def to(clock: ManualClock, hour: int, minute: int, campus: Campus, days: int = 1) -> datetime:
    """Move to an hour of a coming day by the campus's clock."""
    day = (START + timedelta(days=days)).astimezone(campus.zone_info).date()
    when = resolve_local(datetime.combine(day, NIGHT.replace(hour=hour, minute=minute)), campus.zone_info)
    clock.jump(when - clock.now())
    return when


async def checks(database: Database, kind: str) -> list[CheckRow]:
    async with database.reading() as session:
        return await preflight.find(session, campus="lincoln", kind=kind)


async def open_rules(database: Database) -> list[str]:
    async with database.reading() as session:
        return [alert.rule for alert in await store.find(session, state="open")]


async def test_at_night_every_endpoint_is_tried_once_and_a_text_message_only_knocked_at(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    look = make(campus)
    await look.look()
    assert receiver.received == [], "not by day"
    to(clock, 3, 30, campus)
    await look.look()
    await look.look()
    await make(campus).look()
    assert sorted(paths(receiver)) == ["/diaz", "/okafor", "/reyes"]
    assert all("Nothing has happened" in each.json["message"] for each in receiver.received)
    found = {row.endpoint: (row.outcome, row.detail) for row in await checks(database, "nightly")}
    assert found["reyes-sms"] == ("accepted", "its host answers; nothing was sent")
    assert len(found) == 4


async def test_an_endpoint_that_does_not_work_is_red_and_an_alert_until_it_works(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    receiver.behaviour = {"/diaz": (404, 0.0)}
    to(clock, 3, 31, campus)
    await make(campus).look()
    async with database.reading() as session:
        health = {each.endpoint: each.state for each in await outbox.endpoints(session, "lincoln")}
        [alert] = await store.find(session, state="open")
    assert health == {"diaz-phone": "red", "okafor-phone": "ok", "reyes-phone": "ok", "reyes-sms": "ok"}
    assert alert.text == "diaz-phone of Ms. Diaz does not work: answered 404 Not Found"
    receiver.behaviour.clear()
    to(clock, 3, 31, campus, days=2)
    await make(campus).look()
    assert await open_rules(database) == []


async def test_the_start_of_a_shift_asks_and_a_press_answers(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    look = make(campus)
    to(clock, 7, 0, campus)
    await look.look()
    await make(campus).look()
    [asked] = receiver.received
    link = asked.json["message"].splitlines()[-1]
    assert link.startswith(f"{PUBLIC}/a/")
    clock.jump(60)
    async with database.transaction() as session:
        found = await links.use(session, link.rpartition("/")[2], clock.now())
        assert found.check is not None
        await preflight.answered(session, found.check, clock.now())
    clock.jump(600)
    await look.look()
    [row] = await checks(database, "shift")
    assert (row.person, row.state) == ("reyes", "answered")
    assert await open_rules(database) == []


async def test_who_does_not_answer_is_an_alert_until_they_do(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    look = make(campus)
    to(clock, 7, 0, campus)
    await look.look()
    clock.jump(599)
    await look.look()
    assert await open_rules(database) == []
    clock.jump(1)
    await look.look()
    assert await open_rules(database) == ["shift-unanswered"]
    [row] = await checks(database, "shift")
    clock.jump(30)
    async with database.transaction() as session:
        await preflight.answered(session, row.id, clock.now())
    await look.look()
    assert await open_rules(database) == []
    assert (await checks(database, "shift"))[0].state == "answered"


async def test_without_a_public_address_nobody_is_expected_to_answer(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    look = make(campus, public_url=None)
    to(clock, 7, 0, campus)
    await look.look()
    clock.jump(1200)
    await look.look()
    assert (await checks(database, "shift"))[0].state == "sent"
    assert await open_rules(database) == []


@pytest.mark.parametrize("days", [4, 2], ids=["a Saturday", "Thanksgiving"])
async def test_nobody_is_asked_on_a_day_without_a_shift(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock, days: int
) -> None:
    campus = with_phones(receiver.port)
    to(clock, 7, 0, campus, days=days)
    await make(campus).look()
    assert receiver.received == []


def test_a_shift_of_somebody_without_an_endpoint_asks_nobody(clock: ManualClock) -> None:
    campus = lincoln(people=[{**each, "endpoints": []} for each in LINCOLN["people"]])
    when = to(clock, 7, 0, campus)
    assert list(preflight.shifts_due(campus, when)) == []


@pytest.mark.parametrize("hour", range(24))
def test_at_the_calm_hour_in_which_services_are_tried_nothing_is_due(hour: int) -> None:
    now = START.replace(hour=hour, minute=59)
    campus = lincoln(campus={**LINCOLN["campus"], "timezone": calm_zone(now)})
    assert now.astimezone(campus.zone_info).hour == CALM_HOUR
    assert [*preflight.nightly_due(campus, now), *preflight.shifts_due(campus, now)] == []
