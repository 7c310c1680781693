"""The database: one transaction at a time decides, times keep their instant, and trouble is said in words."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from core import feed
from core.database import Database, driver_url, is_postgresql
from core.errors import Unavailable
from core.feed import FeedRow, News
from tests import servers
from tests.conftest import START


def news(number: int = 0) -> News:
    return News(campus="lincoln", topic="system", data={"number": number})


async def count(database: Database) -> int:
    async with database.reading() as session:
        return len(await feed.after(session, 0))


async def test_a_transaction_is_kept_as_a_whole(database: Database) -> None:
    async with database.transaction() as session:
        await feed.publish(session, [news(1)], START)
        await feed.publish(session, [news(2)], START)
    assert await count(database) == 2


async def test_a_transaction_that_raises_leaves_nothing_behind(database: Database) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with database.transaction() as session:
            await feed.publish(session, [news()], START)
            _ = 1 / 0
    assert await count(database) == 0


async def test_what_is_written_while_reading_is_not_kept(database: Database) -> None:
    async with database.reading() as session:
        await feed.publish(session, [news()], START)
    assert await count(database) == 0


async def test_a_glance_sees_what_is_committed_and_keeps_nothing(database: Database) -> None:
    async with database.transaction() as session:
        await feed.publish(session, [news(1)], START)
        async with database.glance() as beside:
            assert await feed.after(beside, 0) == []
    async with database.glance() as session:
        assert len(await feed.after(session, 0)) == 1
        await session.execute(text("DELETE FROM feed"))
    assert await count(database) == 1


async def test_a_writer_waits_for_another_process_without_holding_up_the_loop(
    sqlite_database: Database,
) -> None:
    assert await count(sqlite_database) == 0
    path = sqlite_database.url.removeprefix("sqlite+aiosqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        async with sqlite_database.transaction() as session:
            await feed.publish(session, [news()], START)

    writing = asyncio.create_task(write())
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(writing, 5)
    assert await count(sqlite_database) == 1


async def test_many_writers_at_once_wait_for_each_other(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as session:
            await feed.publish(session, [news(number)], START)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(write(number) for number in range(20)))
    assert await count(database) == 20


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-6)), ZoneInfo("Europe/Berlin")])
async def test_a_time_keeps_its_instant_to_the_microsecond(database: Database, zone: ZoneInfo) -> None:
    at = datetime(2026, 11, 1, 1, 30, 0, 123456, tzinfo=zone)
    async with database.transaction() as session:
        await feed.publish(session, [news()], at)
    async with database.reading() as session:
        (row,) = await feed.after(session, 0)
    assert row.at == at
    assert row.at.tzinfo is UTC


async def test_times_before_1970_are_times_too(database: Database) -> None:
    at = datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=UTC)
    async with database.transaction() as session:
        await feed.publish(session, [news()], at)
        assert (await session.execute(select(FeedRow.at).where(FeedRow.at <= at))).scalars().all() == [at]


async def test_a_time_without_its_zone_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="a stored time needs its zone"):
        async with database.transaction() as session:
            await feed.publish(session, [news()], START.replace(tzinfo=None))


async def test_a_session_knows_what_it_speaks_to(database: Database) -> None:
    async with database.reading() as session:
        assert is_postgresql(session) is not database.is_sqlite


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///hallwatch.db", "sqlite+aiosqlite:///hallwatch.db"),
        ("sqlite:////var/lib/hallwatch/hallwatch.db", "sqlite+aiosqlite:////var/lib/hallwatch/hallwatch.db"),
        ("postgresql://user:p%40ss@host:5433/db", "postgresql+asyncpg://user:p%40ss@host:5433/db"),
        ("postgres://host/db", "postgresql+asyncpg://host/db"),
    ],
)
def test_the_driver_is_our_choice(url: str, driver: str) -> None:
    assert driver_url(url) == driver


async def test_sqlite_writes_to_the_disk_before_it_says_so(sqlite_database: Database) -> None:
    async with sqlite_database.reading() as session:
        connection = await session.connection()
        found = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    async with database.transaction() as session:
        await feed.publish(session, [news()], START)
        async with asyncio.timeout(5):
            assert await count(database) == 0
    assert await count(database) == 1


async def test_a_place_that_cannot_be_opened_is_said_in_words(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/such/folder/hallwatch.db")
    with pytest.raises(Unavailable, match="database: unable to open database file"):
        async with database.transaction():
            pass
    await database.close()
    await asyncio.sleep(0.1)  # the driver's thread still has to say that it ended, and needs this loop for it


async def test_a_full_disk_speaks_for_the_database_until_something_is_written(sqlite_database: Database) -> None:
    async with sqlite_database.transaction() as session:
        await session.execute(text("PRAGMA max_page_count=1"))
    with pytest.raises(Unavailable, match="full"):
        async with sqlite_database.transaction() as session:
            await feed.publish(session, [news() for _ in range(1000)], START)
    assert "full" in sqlite_database.refused
    assert await count(sqlite_database) == 0
    async with sqlite_database.transaction() as session:
        await session.execute(text("PRAGMA max_page_count=100000"))
        await feed.publish(session, [news()], START)
    assert sqlite_database.refused == ""


async def test_a_server_that_is_not_there_is_said_in_words() -> None:
    database = Database(f"postgresql://user:a-secret@127.0.0.1:{servers.free_port()}/hallwatch")
    with pytest.raises(Unavailable, match=r"database: .*Connect call failed") as error:
        async with database.transaction():
            pass
    assert "a-secret" not in str(error.value)
    await database.close()


async def test_a_database_that_is_not_there_is_said_in_words(postgres: servers.Postgres) -> None:
    database = Database(postgres.url("no_such_database"))
    with pytest.raises(Unavailable, match='database: database "no_such_database" does not exist'):
        async with database.transaction():
            pass
    await database.close()


async def test_a_host_that_has_no_address_is_said_in_words() -> None:
    database = Database("postgresql://user@no-such-host.invalid/hallwatch")
    with pytest.raises(Unavailable, match="database: "):
        async with database.transaction():
            pass
    await database.close()


async def test_waiting_for_another_writer_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/hallwatch.db")
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE t (x INTEGER)"))
    with contextlib.closing(sqlite3.connect(tmp_path / "hallwatch.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def write() -> None:
            async with database.transaction() as session:
                await session.execute(text("INSERT INTO t VALUES (1)"))

        writing = asyncio.create_task(write())
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not writing.done()
        other.execute("COMMIT")
    await writing
    async with database.reading() as session:
        assert (await session.execute(text("SELECT count(*) FROM t"))).scalar_one() == 1
    await database.close()
