"""Five hundred listeners on one process: everybody hears everything that is theirs, in order, and soon."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from api import access
from core import feed
from core.campus import Campus
from core.clock import ManualClock, stopwatch
from core.database import Database
from core.feed import News, Topic
from core.vault import Vault
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk

LISTENERS = 500
EVENTS = 20
PATIENCE_S = 90.0
"""For a machine that has other things to do; on an idle one it is a matter of a second or two."""


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def tell(desk: Desk, *told: tuple[str, Topic, int]) -> None:
    news = [News(campus=campus, topic=topic, data={"n": number}) for campus, topic, number in told]
    async with desk.house.database.transaction() as session:
        await feed.publish(session, news, START)
    desk.house.news.set()


@contextlib.asynccontextmanager
async def listening(address: str, token: str, last_id: int = 0) -> AsyncIterator[asyncio.StreamReader]:
    """A listener as small as one can be: a socket. Yields once the stream has begun."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    asked = f"GET /api/v1/stream?last_id={last_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(asked.encode())
    await writer.drain()
    assert b" 200 " in await reader.readline()
    while not (await reader.readline()).startswith(b": hallwatch"):
        pass
    try:
        yield reader
    finally:
        writer.close()


async def heard(reader: asyncio.StreamReader, until: int) -> list[int]:
    """Return the numbers that a listener hears, up to one."""
    found: list[int] = []
    while not found or found[-1] != until:
        line = await reader.readline()
        if line.startswith(b"data: "):
            found.append(msgspec.json.decode(line[6:])["n"])
    return found


@pytest.mark.timeout(240)
async def test_five_hundred_listeners_hear_everything_in_order(desk: Desk) -> None:
    async with desk.served() as address, contextlib.AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S * 2):
        readers = []
        for _ in range(LISTENERS // 50):
            some = (stack.enter_async_context(listening(address, desk.tokens["viewer"])) for _ in range(50))
            readers += await asyncio.gather(*some)
        started = stopwatch()
        for number in range(EVENTS):
            await tell(desk, ("lincoln", "door", number))
        found = await asyncio.gather(*(heard(reader, EVENTS - 1) for reader in readers))
        assert stopwatch() - started < PATIENCE_S
        # A page is still served meanwhile.
        async with desk.client("viewer") as client:
            assert (await client.get("/api/v1/alerts")).status_code == 200
    assert found == [list(range(EVENTS))] * LISTENERS


async def test_each_hears_what_is_theirs_to_hear(desk: Desk) -> None:
    async with desk.house.database.transaction() as session:
        now = desk.house.clock.now()
        scoped = await access.create_token(session, name="x", role="sro", campuses=["lincoln"], now=now)
    told: list[tuple[str, Topic, int]] = [
        ("lincoln", "alert", 1),
        ("lincoln", "delivery", 2),
        ("washington", "alert", 3),
        ("", "system", 4),
    ]
    expected = {
        desk.tokens["viewer"]: [1, 3, 4],
        desk.tokens["sro"]: [1, 2, 3, 4],
        desk.tokens["tester"]: [1, 2, 3, 4],
        scoped: [1, 2, 4],
    }
    async with desk.served() as address, asyncio.timeout(60):
        await tell(desk, *told)
        for token, numbers in expected.items():
            async with listening(address, token) as reader:
                assert await heard(reader, 4) == numbers
