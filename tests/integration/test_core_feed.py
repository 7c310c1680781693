"""What the pages are told: numbered, in order, and never a number twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from core import feed
from core.database import Database
from core.feed import News
from tests.conftest import START


def door(position: str) -> News:
    return News(campus="lincoln", topic="door", data={"id": "gym-east", "position": position})


async def publish(database: Database, *news: News, hours: float = 0) -> None:
    async with database.transaction() as session:
        await feed.publish(session, news, START + timedelta(hours=hours))


async def read(database: Database, last_id: int = 0, **options: int) -> list[str]:
    async with database.reading() as session:
        found = await feed.after(session, last_id, **options)
    return [msgspec.json.decode(row.data)["position"] for row in found]


async def latest(database: Database) -> int:
    async with database.reading() as session:
        return await feed.last_id(session)


async def test_a_page_that_was_away_catches_up_from_its_last_number(database: Database) -> None:
    assert await latest(database) == 0
    await publish(database, door("open"), door("closed"))
    seen = await latest(database)
    await publish(database)
    await publish(database, door("open"))
    assert await read(database) == ["open", "closed", "open"]
    assert await read(database, seen) == ["open"]
    assert await read(database, await latest(database)) == []


async def test_catching_up_may_be_done_in_portions(database: Database) -> None:
    await publish(database, *(door(str(n)) for n in range(7)))
    assert await read(database, limit=3) == ["0", "1", "2"]


async def test_news_is_seen_only_once_it_is_true(database: Database) -> None:
    async with database.transaction() as session:
        await feed.publish(session, [door("open")], START)
        assert await read(database) == []
    assert await read(database) == ["open"]


async def test_numbers_appear_in_their_order_however_many_publish(database: Database) -> None:
    seen: list[int] = []

    async def publish_slowly(name: str) -> None:
        async with database.transaction() as session:
            await feed.publish(session, [door(name)], START)
            await asyncio.sleep(0.005)

    async def watch() -> None:
        while len(seen) < 12:
            async with database.reading() as session:
                seen.extend(row.id for row in await feed.after(session, seen[-1] if seen else 0))
            await asyncio.sleep(0.001)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(watch())
        for n in range(12):
            group.create_task(publish_slowly(str(n)))
    assert seen == sorted(seen)
    assert len(await read(database)) == 12


async def test_what_is_old_is_forgotten(database: Database) -> None:
    await publish(database, door("open"))
    await publish(database, door("closed"), hours=2)
    async with database.transaction() as session:
        await feed.purge(session, START + timedelta(hours=1))
    assert await read(database) == ["closed"]


async def test_a_number_is_never_given_out_twice(database: Database) -> None:
    await publish(database, door("open"), door("closed"))
    seen = await latest(database)
    async with database.transaction() as session:
        await feed.purge(session, START + timedelta(days=1))
    await publish(database, door("open"))
    assert await read(database, seen) == ["open"]


def test_a_topic_nobody_listens_to_cannot_be_told() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"campus": "lincoln", "topic": "weather", "data": {}}, News)
