"""One notice for each rule and zone: what comes in company, what never does, and what becomes of its members."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from alerts import desk, flood, outbox
from alerts.alert import Alert
from alerts.channels import Channels
from alerts.courier import LEASE, Courier
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.findings import Finding
from tests.campuses import with_phones
from tests.servers import Receiver
from tests.unit.alerts.making import advice, deliveries, extreme, finding, later, look, paths, step, take

GYM = ("gym-east", "gym-west")
HEADING = "2 alerts: An exterior door stays open too long · Gymnasium · Lincoln High School"


@pytest.fixture
def school(receiver: Receiver) -> Campus:
    return with_phones(receiver.port)


@pytest.fixture
async def courier(database: Database, clock: ManualClock, school: Campus) -> AsyncIterator[Courier]:
    channels = Channels(allow_private=True)
    yield Courier(database, clock, channels, lambda: {school.id: school}, chance=random.Random(7))
    channels.close()


def moderate(key: str, **changes: object) -> Finding:
    return finding(key=key, severity="moderate", text=f"{key} is open", **changes)


async def both(database: Database, school: Campus) -> tuple[Alert, Alert]:
    """Two doors of the gym are held open."""
    first, second = [await take(database, school, moderate(key)) for key in GYM]
    return first, second


def titles(receiver: Receiver) -> list[str]:
    return [each.json["title"] for each in receiver.received]


async def send(courier: Courier, clock: ManualClock, seconds: float) -> int:
    """Let time pass and send what is due then."""
    clock.jump(seconds)
    return await courier.send_due(clock.now())


async def test_each_rule_and_zone_is_one_notice_that_names_its_count_and_its_members(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    first, second = await both(database, school)
    lobby = await take(database, school, moderate("main"))
    other = await take(database, school, moderate("gym-east", rule="sensor-tampered", title="A sensor is opened"))
    assert await send(courier, clock, 30) == 3
    assert titles(receiver)[0] == f"{HEADING} · {first.code} {second.code}"
    for alert in (first, second):
        assert f"{alert.code} · MODERATE · {alert.text}" in receiver.received[0].json["message"]
    assert [lobby.code in titles(receiver)[1], other.code in titles(receiver)[2]] == [True, True]
    assert paths(receiver) == ["/reyes"] * 3


async def test_what_a_rule_calls_its_group_stands_for_the_rule(
    database: Database, school: Campus, courier: Courier, clock: ManualClock
) -> None:
    for rule in ("door-held-open", "door-propped"):
        await take(database, school, moderate(GYM[0], rule=rule, advice=advice(group="doors")))
    assert await send(courier, clock, 30) == 1


async def test_nothing_extreme_or_severe_is_grouped_and_none_of_it_waits(
    database: Database, school: Campus, courier: Courier, receiver: Receiver
) -> None:
    await both(database, school)
    grave = [await take(database, school, make(key=key)) for make in (extreme, finding) for key in ("main", "office")]
    rows = await deliveries(database, *(alert.id for alert in grave))
    assert {(row.due_at, row.company) for row in rows} == {(later(0), "")}
    await courier.send_due(later(0))
    assert len(receiver.received) == len(rows), "each by itself"
    assert not any("alerts" in title or "MODERATE" in title for title in titles(receiver))


async def test_what_grows_extreme_leaves_its_group_and_goes_at_once(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    first, second = await both(database, school)
    await take(database, school, finding(severity="extreme", at=later(5)), now=later(5))
    await send(courier, clock, 5)
    assert all("EXTREME" in title and first.code in title for title in titles(receiver))
    told = len(receiver.received)
    await send(courier, clock, 25)
    assert [second.code in title for title in titles(receiver)[told:]] == [True]


async def test_who_takes_one_of_a_group_does_not_silence_the_others(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    first, second = await both(database, school)
    await send(courier, clock, 30)
    async with database.transaction() as session:
        await desk.acknowledge(session, first.id, who="person:reyes", now=later(60))
    assert (await look(database, second.id)).acknowledged_by is None
    await step(database, school, later(600))
    assert await send(courier, clock, 600) == 1
    assert receiver.received[-1].path == "/diaz"
    assert second.code in titles(receiver)[-1]
    assert first.code not in titles(receiver)[-1]


async def test_one_that_is_taken_before_its_group_is_told_is_left_out(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    first, second = await both(database, school)
    async with database.transaction() as session:
        await desk.acknowledge(session, first.id, who="person:diaz", now=later(10))
    await send(courier, clock, 30)
    assert titles(receiver)[0].endswith(second.code)
    [row] = await deliveries(database, first.id)
    assert (row.state, row.reason) == ("cancelled", "diaz has it")


async def test_a_group_that_fails_is_tried_again_as_one(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    first, second = await both(database, school)
    receiver.status = 500
    await send(courier, clock, 30)
    receiver.status = 200
    assert await send(courier, clock, 2) == 1
    assert titles(receiver) == [titles(receiver)[0]] * 2
    assert [row.state for row in await deliveries(database, first.id, second.id)] == ["accepted", "accepted"]


async def test_a_group_whose_sender_died_comes_again_as_the_same_to_the_same(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    await both(database, school)
    clock.jump(30)
    async with database.transaction() as session:
        held = await outbox.claim_due(
            session, "normal", clock.now(), limit=9, lease=LEASE, ahead=timedelta(seconds=30), most=20
        )
    assert [(row.endpoint, row.state) for row in held] == [("reyes-phone", "leased")] * 2
    assert await courier.send_due(clock.now()) == 0
    assert await send(courier, clock, LEASE.total_seconds()) == 1
    assert titles(receiver)[0].startswith(HEADING)


async def test_a_correction_of_one_goes_to_those_who_were_told_of_it(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    first, second = await both(database, school)
    await send(courier, clock, 30)
    await take(database, school, moderate("main", at=later(40)), now=later(40))
    async with database.transaction() as session:
        said = await desk.correct(session, first.id, who="person:diaz", text="It was the painter", now=later(50))
        nobody = await desk.correct(session, second.id + 1, who="person:diaz", text="Neither", now=later(50))
    assert (said.text, nobody.text) == ("sent to reyes", "nobody had been told: there is nobody to correct")
    await send(courier, clock, 20)
    assert paths(receiver) == ["/reyes", "/reyes"]
    assert "CORRECTION" in titles(receiver)[1]
    assert "It was the painter" in titles(receiver)[1]
    assert (first.code in titles(receiver)[1], second.code in titles(receiver)[1]) == (True, False)


async def test_a_drill_stands_in_no_group_with_what_is_live(
    database: Database, school: Campus, courier: Courier, receiver: Receiver, clock: ManualClock
) -> None:
    await take(database, school, moderate(GYM[0]))
    await take(database, school, moderate(GYM[1], exercise="drill"))
    assert await send(courier, clock, 30) == 2
    assert [title.startswith("DRILL") for title in titles(receiver)] == [False, True]


async def test_a_drill_of_many_alerts_delays_nothing_live(database: Database, school: Campus) -> None:
    for number in range(15):
        await take(database, school, moderate(f"door-{number}", exercise="drill"))
    async with database.reading() as session:
        assert await flood.floods(session, "lincoln", later(1)) == []
    live = await take(database, school, moderate("main"), now=later(1))
    assert [(row.lane, row.due_at) for row in await deliveries(database, live.id)] == [("normal", later(31))]
