"""What cannot be read is kept, found again, replayed and in the end forgotten; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.database import Database
from core.messages import Heard
from ingest import quarantine
from ingest.quarantine import Unread
from tests.conftest import START

DOOR = "campus/lincoln/door/gym-east"


def unread(reason: str = "bad_json", payload: bytes = b"{", *, campus: str | None = "lincoln", **heard: bool) -> Unread:
    return Unread(Heard(DOOR, payload, **heard), campus, reason)


async def keep(database: Database, *items: Unread, after: float = 0.0) -> None:
    async with database.transaction() as session:
        await quarantine.keep(session, items, START + timedelta(seconds=after))


async def test_a_batch_is_kept_as_it_came(database: Database) -> None:
    await keep(database, unread(), unread("invalid_field: position", b"\xff\x00", retained=True, trial_only=True))
    await keep(database)
    async with database.reading() as session:
        second, first = await quarantine.find(session)
        assert await quarantine.get(session, first.id) is not None
        assert await quarantine.get(session, 10**9) is None
    assert (first.topic, first.reason, first.payload, first.size, first.received_at) == (
        DOOR,
        "bad_json",
        b"{",
        1,
        START,
    )
    assert (first.retained, first.replayed_at, first.is_whole) == (False, None, True)
    assert second.heard == Heard(DOOR, b"\xff\x00", retained=True, trial_only=True)


async def test_what_is_too_large_is_cut_and_its_size_noted(database: Database) -> None:
    await keep(database, unread("too_large", b"x" * 100_000))
    async with database.reading() as session:
        (row,) = await quarantine.find(session)
    assert (len(row.payload), row.size, row.is_whole) == (64 * 1024, 100_000, False)


async def test_no_text_is_too_odd_to_be_kept(database: Database) -> None:
    odd = Unread(Heard("a\0b\ud800" + "x" * 5000, b"\0"), None, "invalid_field: \0" + "y" * 5000)
    await keep(database, odd)
    async with database.reading() as session:
        (row,) = await quarantine.find(session)
    assert row.topic.startswith("a�b?xxx")
    assert (len(row.topic), len(row.reason), row.campus) == (1000, 300, None)


async def test_rows_are_found_by_what_they_are(database: Database) -> None:
    await keep(
        database, unread("bad_json"), unread("unknown_entity: no door 'x'"), unread("unknown_entity: no door 'y'")
    )
    await keep(database, unread("bad_json", campus="annex"), unread("bad_json_like", campus=None), after=60)

    async def reasons(**wanted: object) -> list[str]:
        async with database.reading() as session:
            return [row.reason for row in await quarantine.find(session, **wanted)]

    assert len(await reasons()) == 5
    assert await reasons(campus="annex") == ["bad_json"]
    assert await reasons(reason="unknown_entity") == ["unknown_entity: no door 'y'", "unknown_entity: no door 'x'"]
    assert await reasons(reason="bad_json") == ["bad_json", "bad_json"]
    assert len(await reasons(since=START + timedelta(seconds=60))) == 2
    assert len(await reasons(until=START + timedelta(seconds=60))) == 3
    assert await reasons(limit=1) == ["bad_json_like"]


async def test_a_listing_goes_on_where_it_stopped(database: Database) -> None:
    await keep(database, *(unread(f"bad_json: {number}") for number in range(5)))
    async with database.reading() as session:
        page = await quarantine.find(session, limit=2)
        rest = await quarantine.find(session, before_id=page[-1].id)
    assert [row.reason[-1] for row in [*page, *rest]] == ["4", "3", "2", "1", "0"]


async def test_what_was_replayed_is_counted_no_more(database: Database) -> None:
    await keep(database, unread("bad_json"), unread("unknown_entity: a"), unread("unknown_entity: b", campus="annex"))
    async with database.transaction() as session:
        newest, *_ = await quarantine.find(session, reason="bad_json")
        await quarantine.mark_replayed(session, newest.id, START + timedelta(hours=1))
    async with database.reading() as session:
        assert await quarantine.count_by_reason(session) == {"unknown_entity": 2}
        assert await quarantine.count_by_reason(session, campus="annex") == {"unknown_entity": 1}
        (row,) = await quarantine.find(session, reason="bad_json")
    assert row.replayed_at == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("before", "most", "left"), [(30.0, 100, 2), (0.0, 100, 4), (0.0, 3, 3), (0.0, 0, 0), (30.0, 1, 1), (90.0, 100, 0)]
)
async def test_the_old_and_the_too_many_are_forgotten(database: Database, before: float, most: int, left: int) -> None:
    await keep(database, unread(), unread())
    await keep(database, unread(), unread(), after=60)
    async with database.transaction() as session:
        gone = await quarantine.purge(session, START + timedelta(seconds=before), most)
    async with database.reading() as session:
        assert len(await quarantine.find(session)) == left
    assert gone == 4 - left
