"""The auditor: nothing stays late, and the world outside hears a heartbeat only while that is so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from alerts.auditor import Auditor
from alerts.channels import Channels
from alerts.courier import Courier
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from tests.campuses import with_phones
from tests.servers import Receiver
from tests.unit.alerts.making import extreme, finding, happened, later, paths, take, told


@pytest.fixture
async def courier(database: Database, clock: ManualClock, campus: Campus) -> AsyncIterator[Courier]:
    channels = Channels(allow_private=True)
    yield Courier(database, clock, channels, lambda: {campus.id: campus})
    channels.close()


@pytest.fixture
def auditor(database: Database, clock: ManualClock, courier: Courier, campus: Campus) -> Auditor:
    return Auditor(database, clock, courier, lambda: {campus.id: campus})


async def test_a_step_in_time_is_left_to_the_courier(database: Database, auditor: Auditor, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    assert await auditor.look(later(61)) == 0
    assert auditor.findings.restarted == 0
    assert len(await told(database, alert.id)) == 3


async def test_a_step_that_is_late_is_carried_out_and_counted(
    database: Database, auditor: Auditor, campus: Campus
) -> None:
    alert = await take(database, campus, extreme())
    assert await auditor.look(later(63)) == 0, "nothing stays late"
    assert auditor.findings.restarted == 1
    assert len(await told(database, alert.id)) > 3
    assert "restarted" in await happened(database, alert.id)


async def test_what_a_courier_that_stands_still_leaves_lying_is_late(
    database: Database, auditor: Auditor, courier: Courier, campus: Campus
) -> None:
    await take(database, campus, finding())
    assert await auditor.look(later(1)) == 0
    assert await auditor.look(later(30)) == 1
    courier.status.looked_at = later(29)
    assert await auditor.look(later(31)) == 0, "a courier at work may well wait for an endpoint"


async def a_second(clock: ManualClock) -> None:
    """Let a second pass, and whoever waits for it do something: who is not asleep yet misses a jump."""
    clock.jump(1)
    await asyncio.sleep(0.01)


async def test_the_heartbeat_is_heard_while_nothing_is_late_and_then_no_more(
    database: Database, clock: ManualClock, courier: Courier, receiver: Receiver
) -> None:
    campus = with_phones(receiver.port)
    beat = f"http://127.0.0.1:{receiver.port}/beat"
    auditor = Auditor(database, clock, courier, lambda: {campus.id: campus}, heartbeat_url=beat)
    running = asyncio.create_task(auditor.run())
    await receiver.wait_for(1)
    clock.jump(1)
    await asyncio.sleep(0.1)
    assert paths(receiver) == ["/beat"], "not more often than every half minute"
    while len(receiver.received) < 2:
        await a_second(clock)
    assert auditor.findings.beat_at is not None
    await take(database, campus, finding(), now=clock.now())
    while not auditor.findings.late:
        await a_second(clock)
    heard = len(receiver.received)
    for _ in range(40):
        await a_second(clock)
    assert len(receiver.received) == heard
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_heartbeat_that_nobody_takes_stops_nothing(
    database: Database, clock: ManualClock, courier: Courier, campus: Campus
) -> None:
    auditor = Auditor(database, clock, courier, lambda: {campus.id: campus}, heartbeat_url="http://127.0.0.1:1/beat")
    running = asyncio.create_task(auditor.run())
    second_beat = clock.now() + timedelta(seconds=31)
    while auditor.findings.looked_at is None or auditor.findings.looked_at < second_beat:
        await a_second(clock)
    assert auditor.findings.beat_at is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
