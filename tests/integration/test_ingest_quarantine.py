"""What cannot be read is kept, found again, replayed and in the end forgotten; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.database import Database
from core.messages import Heard
from ingest import quarantine
from ingest.quarantine import Again, Unread
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
    assert second.again == Again(
        DOOR, b"\xff\x00", True, True, second.id, True, received_at=START, reason="invalid_field: position"
    )


async def test_what_is_too_large_is_cut_and_its_size_noted(database: Database) -> None:
    await keep(database, unread("too_large", b"x" * 100_000))
    async with database.reading() as session:
        (row,) = await quarantine.find(session)
    assert (len(row.payload), row.size, row.is_whole) == (1024, 100_000, False)


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
        await quarantine.mark_replayed(session, [newest.id], START + timedelta(hours=1))
    async with database.reading() as session:
        assert await quarantine.count_by_reason(session) == {"unknown_entity": 2}
        assert await quarantine.count_by_reason(session, campus="annex") == {"unknown_entity": 1}
        (row,) = await quarantine.find(session, reason="bad_json")
    assert row.replayed_at == START + timedelta(hours=1)


async def test_what_waits_for_a_replay_is_handed_out_in_its_order(database: Database) -> None:
    await keep(database, *(unread(f"unknown_entity: {number}") for number in range(4)))
    await keep(database, unread("unknown_entity: large", b"x" * 100_000), unread("bad_json"))
    async with database.transaction() as session:
        newest = await quarantine.newest(session)
        first, second = await quarantine.waiting(session, reason="unknown_entity", up_to=newest, limit=2)
        await quarantine.mark_replayed(session, [first.id], START)
        left = await quarantine.waiting(session, reason="unknown_entity", up_to=newest, limit=5)
        assert await quarantine.count_waiting(session, reason="unknown_entity", up_to=newest) == 3
        assert await quarantine.count_waiting(session, reason="unknown_entity", up_to=second.id) == 1
        assert await quarantine.count_waiting(session, reason="unknown_entity", campus="annex", up_to=newest) == 0
    assert [row.reason[-1] for row in (first, *left)] == ["0", "1", "2", "3"]


async def test_what_a_replay_cannot_read_either_is_as_old_as_it_was(database: Database) -> None:
    await keep(database, unread())
    async with database.transaction() as session:
        (row,) = await quarantine.find(session)
        await quarantine.keep(session, [Unread(row.again, "lincoln", "bad_json")], START + timedelta(days=29))
        assert [each.received_at for each in await quarantine.find(session)] == [START, START]


@pytest.mark.parametrize(
    ("before", "rows", "size", "left"),
    [
        (30.0, 100, 10_000, 2),
        (0.0, 100, 10_000, 4),
        (0.0, 3, 10_000, 3),
        (0.0, 0, 10_000, 0),
        (30.0, 1, 10_000, 1),
        (90.0, 100, 10_000, 0),
        (0.0, 100, 4000, 4),
        (0.0, 100, 3999, 3),
        (0.0, 100, 999, 0),
    ],
)
async def test_the_old_the_too_many_and_the_too_large_are_forgotten(
    database: Database, before: float, rows: int, size: int, left: int
) -> None:
    await keep(database, unread(payload=b"x" * 1000), unread(payload=b"x" * 1000))
    await keep(database, unread(payload=b"x" * 1000), unread(payload=b"x" * 1000), after=60)
    async with database.transaction() as session:
        newest, *_ = await quarantine.find(session)
        up_to = await quarantine.overflow(session, max_rows=rows, max_bytes=size)
        gone = await quarantine.purge(session, START + timedelta(seconds=before), up_to=up_to)
        assert [row.id for row in await quarantine.find(session)] == [newest.id - n for n in range(left)]
    assert gone == 4 - left


async def test_a_purge_goes_in_pieces_the_oldest_first(database: Database) -> None:
    await keep(database, *(unread(f"bad_json: {number}") for number in range(5)))
    async with database.transaction() as session:
        newest, *_ = await quarantine.find(session)
        assert await quarantine.purge(session, START, up_to=newest.id - 1, limit=3) == 3
        assert [row.reason[-1] for row in await quarantine.find(session)] == ["4", "3"]
        assert await quarantine.purge(session, START, up_to=newest.id - 1, limit=3) == 1
        assert await quarantine.purge(session, START, up_to=newest.id - 1, limit=3) == 0
