"""The event stream: nothing is missed, whoever was away and however often the service restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import delete

from api import live as live_module
from api.live import Live
from api.routes import stream
from core import feed
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.feed import FeedRow, News
from core.vault import Vault
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


@pytest.fixture
async def small_desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def tell(database: Database, *words: str, topic: str = "alert", campus: str = "lincoln") -> None:
    async with database.transaction() as session:
        news = [News(campus=campus, topic=topic, data={"word": word}) for word in words]  # type: ignore[arg-type]
        await feed.publish(session, news, START)


@contextlib.asynccontextmanager
async def listening(database: Database) -> AsyncIterator[tuple[Live, asyncio.Event, asyncio.Event]]:
    news, closing = asyncio.Event(), asyncio.Event()
    live = Live(database, news, closing)
    yield live, news, closing
    closing.set()
    await live.close()


async def take(live: Live, last_id: int, count: int, seconds: float = 5.0) -> list[str]:
    """Return the words of the next `count` rows."""
    found: list[str] = []
    async with asyncio.timeout(seconds), contextlib.aclosing(live.listen(last_id)) as rows:
        async for told in rows:
            data = msgspec.json.decode(told.data)
            found.append(data.get("word") or data["what"])
            if len(found) == count:
                break
    return found


async def test_a_listener_hears_what_is_told_from_now_on(desk: Desk) -> None:
    database = desk.house.database
    await tell(database, "old")
    async with listening(database) as (live, news, _):
        listener = asyncio.create_task(take(live, await live.newest(), 2))
        await asyncio.sleep(0.05)
        await tell(database, "one", "two")
        news.set()
        assert await listener == ["one", "two"]


async def test_one_who_was_away_reads_on_from_the_last_number(desk: Desk) -> None:
    database = desk.house.database
    await tell(database, "one", "two", "three")
    async with listening(database) as (live, _, _):
        first = await live.newest() - 2
        assert await take(live, first, 2) == ["two", "three"]
    await tell(database, "four")
    async with listening(database) as (restarted, _, _):
        assert await take(restarted, first, 3) == ["two", "three", "four"]


async def test_many_listeners_cost_one_reader(small_desk: Desk) -> None:
    database = small_desk.house.database
    async with listening(database) as (live, news, _):
        listeners = [asyncio.create_task(take(live, 0, 3)) for _ in range(50)]
        await asyncio.sleep(0.1)
        await tell(database, "one", "two", "three")
        news.set()
        assert await asyncio.gather(*listeners) == [["one", "two", "three"]] * 50
        assert live._reader is not None


async def test_news_from_another_process_are_found_without_a_nudge(small_desk: Desk) -> None:
    database = small_desk.house.database
    async with listening(database) as (live, _, _):
        listener = asyncio.create_task(take(live, 0, 1))
        await asyncio.sleep(0.05)
        await tell(database, "from elsewhere")
        assert await listener == ["from elsewhere"]


async def test_one_who_is_far_behind_reads_from_the_database(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "KEPT", 3)
    database = small_desk.house.database
    words = [str(number) for number in range(700)]
    async with listening(database) as (live, news, _):
        near = asyncio.create_task(take(live, 0, 700))
        await asyncio.sleep(0.05)
        await tell(database, *words)
        news.set()
        assert await near == words
        assert await take(live, 0, 700) == words
        assert len(live._recent) == 3


async def test_one_who_missed_more_than_is_kept_is_told_to_start_anew(desk: Desk) -> None:
    database = desk.house.database
    await tell(database, "one", "two", "three")
    async with database.transaction() as session:
        first = (await feed.after(session, 0, 1))[0].id
        await session.execute(delete(FeedRow).where(FeedRow.id <= first + 1))
    async with listening(database) as (live, _, _):
        assert await take(live, first, 1) == ["reset"]
        assert await take(live, first + 1, 1) == ["three"]
        assert await take(live, first + 999, 1) == ["reset"]


async def test_a_feed_that_begins_anew_is_noticed_by_those_who_listen(small_desk: Desk) -> None:
    database = small_desk.house.database
    await tell(database, *"abcdef")
    async with listening(database) as (live, news, _):
        listener = asyncio.create_task(take(live, await live.newest(), 2))
        await asyncio.sleep(0.05)
        async with database.transaction() as session:
            await session.execute(delete(FeedRow))
        news.set()
        await asyncio.sleep(0.1)
        await tell(database, "again")
        news.set()
        assert await listener == ["reset", "again"]


async def test_listening_ends_when_the_service_does(small_desk: Desk) -> None:
    async with listening(small_desk.house.database) as (live, news, closing):
        listener = asyncio.create_task(take(live, 0, 1))
        await asyncio.sleep(0.05)
        closing.set()
        news.set()
        assert await asyncio.wait_for(listener, 2) == []


async def test_a_listener_must_come_back_now_and_then(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LASTS_S", 0.2)
    async with listening(small_desk.house.database) as (live, _, _):
        assert await take(live, 0, 1) == []


async def events(lines: AsyncIterator[str], count: int) -> list[dict[str, str]]:
    """Return the next events as their fields; comments are left out."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(10):
        async for line in lines:
            name, colon, value = line.partition(": ")
            if colon and name:
                fields[name] = value
            elif not line:
                if "data" in fields:
                    found.append(fields)
                fields = {}
            if len(found) == count:
                return found
    return found


async def test_the_stream_speaks_to_browsers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    database = desk.house.database
    headers = {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    async with desk.served() as url, httpx.AsyncClient(base_url=url, headers=headers) as client:
        async with client.stream("GET", "/api/v1/stream") as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["Cache-Control"] == "no-store"
            lines = answer.aiter_lines()
            start = [await anext(lines) for _ in range(3)]
            assert ": hallwatch" in start
            assert "retry: 2000" in start
            await tell(database, "one", topic="door")
            await tell(database, "two", topic="system", campus="")
            desk.house.news.set()
            one, two = await events(lines, 2)
            assert (one["event"], two["event"]) == ("door", "system")
            assert msgspec.json.decode(one["data"]) == {
                "campus": "lincoln",
                "at": "2026-11-24T14:00:00Z",
                "word": "one",
            }
            async with asyncio.timeout(5):
                while await anext(lines) != ": alive":
                    pass
        async with client.stream("GET", "/api/v1/stream", headers={"Last-Event-ID": one["id"]}) as answer:
            (again,) = await events(answer.aiter_lines(), 1)
            assert again == two
        query: dict[str, Any] = {"last_id": int(one["id"]) - 1, "topic": ["door", "alert"], "campus": "lincoln"}
        await tell(database, "elsewhere", topic="door", campus="other")
        await tell(database, "three", topic="alert")
        async with client.stream("GET", "/api/v1/stream", params=query) as answer:
            found = await events(answer.aiter_lines(), 2)
            assert [msgspec.json.decode(each["data"])["word"] for each in found] == ["one", "three"]
        assert (await client.get("/api/v1/stream", headers={"Last-Event-ID": "rubbish"})).status_code == 422
        assert (await client.get("/api/v1/stream", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_the_stream_ends_with_the_service(small_desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {small_desk.tokens['viewer']}"}
    async with httpx.AsyncClient(headers=headers) as client, contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(10):
            async with small_desk.served() as url:
                answer = await stack.enter_async_context(client.stream("GET", f"{url}/api/v1/stream"))
                lines = answer.aiter_lines()
                await anext(lines)
            assert "" in [line async for line in lines]


async def test_old_numbers_still_work_after_the_feed_was_purged(small_desk: Desk) -> None:
    database = small_desk.house.database
    await tell(database, "one", "two")
    async with database.transaction() as session:
        await feed.purge(session, START - timedelta(days=1))
    async with listening(database) as (live, _, _):
        assert await take(live, 0, 2) == ["one", "two"]
