"""Twelve endpoints that hang, three that refuse and a slow one among forty: the others are told as if they were alone.

All of them are of one provider, which is the hardest case: its seats and its breaker are shared.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from statistics import quantiles

from sqlalchemy import select

from alerts.channels import Channels
from alerts.courier import Courier
from alerts.notices import word_test
from alerts.outbox import AttemptRow, DeliveryRow
from core.campus import Campus
from core.clock import SystemClock
from core.database import Database
from tests.campuses import LINCOLN, lincoln
from tests.servers import Receiver
from tests.unit.alerts.making import extreme, take

KINDS = ["hung"] * 12 + ["refusing"] * 3 + ["slow"] + ["well"] * 24
BEHAVIOUR = {"hung": (200, 60.0), "refusing": (410, 0.0), "slow": (200, 2.0), "well": (200, 0.0)}
ALERTS = 10


def forty(receiver: Receiver) -> Campus:
    people = []
    for number, kind in enumerate(KINDS):
        name = f"{kind}-{number}"
        receiver.behaviour[f"/{name}"] = BEHAVIOUR[kind]
        endpoint = {"id": name, "url": receiver.url(name)}
        people.append({"id": name, "name": name, "role": "maintenance", "endpoints": [endpoint]})
    policy = {"id": "extreme", "steps": [{"notify": ["role:maintenance"]}]}
    return lincoln(people=[*LINCOLN["people"], *people], policies=[policy])


async def accepted(database: Database, kind: str) -> list[tuple[int, datetime]]:
    """Which alerts the providers of this kind took, and when that was known."""
    query = (
        select(DeliveryRow.alert, AttemptRow.at)
        .join(AttemptRow, AttemptRow.delivery == DeliveryRow.id)
        .where(DeliveryRow.endpoint.startswith(kind), AttemptRow.outcome == "accepted")
    )
    async with database.reading() as session:
        return [(alert, at) for alert, at in await session.execute(query)]


async def test_the_healthy_are_told_within_three_seconds_of_the_commit(database: Database, receiver: Receiver) -> None:
    campus, clock, channels = forty(receiver), SystemClock(), Channels(allow_private=True)
    courier = Courier(database, clock, channels, lambda: {campus.id: campus})
    # Loading the services takes a moment after the start, which is not what is measured here.
    await channels.send(receiver.url("first"), word_test("Lincoln", "first"), lane="self-test")
    running = asyncio.create_task(courier.run())
    committed: dict[int, datetime] = {}
    for number in range(ALERTS):
        alert = await take(database, campus, extreme(key=f"d{number}", at=clock.now()), now=clock.now())
        committed[alert.id] = clock.now()
        courier.nudge()
        await asyncio.sleep(0.3)
    due = ALERTS * KINDS.count("well")
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while len(await accepted(database, "well")) < due:
                await asyncio.sleep(0.2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    channels.close()
    took = [(at - committed[alert]).total_seconds() for alert, at in await accepted(database, "well")]
    assert len(took) == due, "every one of them, and none twice"
    assert quantiles(took, n=20)[-1] < 3.0
    assert len(await accepted(database, "slow")) > 0, "the slow one is told, too"
    assert await accepted(database, "hung") == []
    assert len({each.path for each in receiver.received if each.path.startswith("/hung")}) == 12, "they were tried"
