"""The self-test takes the way of every alert, and says how long each part took."""

from __future__ import annotations

import random

import pytest

from alerts import links, presses, selftest
from alerts.channels import Channels
from alerts.courier import Courier
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.errors import NotFound
from tests.campuses import with_phones
from tests.servers import Receiver
from tests.unit.alerts.making import deliveries, later, look

PUBLIC = "https://hallwatch.example.org"


async def test_from_the_sensor_to_the_thumb(database: Database, receiver: Receiver, clock: ManualClock) -> None:
    campus, channels = with_phones(receiver.port), Channels(allow_private=True)
    courier = Courier(
        database, clock, channels, lambda: {campus.id: campus}, public_url=PUBLIC, chance=random.Random(1)
    )
    clock.jump(0.25)
    async with database.transaction() as session:
        alert = await selftest.begin(
            session, campus, "diaz-phone", heard_at=later(), who="token:the admin", now=clock.now()
        )
    clock.jump(0.5)
    await courier.send_due(clock.now())
    channels.close()
    [push] = receiver.received
    assert push.path == "/diaz", "the one endpoint it is for"
    assert push.json["title"].startswith("TEST · MODERATE · A self-test")
    clock.jump(4)
    token = push.json["message"].rpartition("/")[2]
    async with database.transaction() as session:
        link = await links.use(session, token, clock.now())
        await presses.press(
            session, alert.id, "ack", who="person:diaz", generation=link.generation, campus=campus, now=clock.now()
        )
    async with database.reading() as session:
        [found] = await selftest.timings(session, "lincoln")
    assert (found.known_s, found.accepted_s, found.answered_s, found.passed) == (0.25, 0.5, 4.0, True)


async def test_until_somebody_presses_it_has_not_passed(database: Database, campus: Campus) -> None:
    async with database.transaction() as session:
        alert = await selftest.begin(session, campus, "reyes-phone", heard_at=later(), who="user:x", now=later(1))
        [found] = await selftest.timings(session, "lincoln")
    assert (found.known_s, found.accepted_s, found.answered_s, found.passed) == (1.0, None, None, False)
    [row] = await deliveries(database, alert.id)
    assert (row.endpoint, row.lane, row.kind) == ("reyes-phone", "self-test", "test")
    assert (await look(database, alert.id)).exercise == "test"


async def test_there_is_none_for_an_endpoint_that_is_not(database: Database, campus: Campus) -> None:
    async with database.transaction() as session:
        with pytest.raises(NotFound, match="nobody-phone"):
            await selftest.begin(session, campus, "nobody-phone", heard_at=later(), who="user:x", now=later(1))
