"""The journal: every message once, repeats known for a day, and nothing that was truly said twice taken for one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace as changed

from core import journal
from core.database import Database
from core.messages import AttendanceEntered, DoorClosed, DoorOpened, Message, VisitorCheckedIn
from tests.conftest import START
from tests.unit.core.said import said

DAY = timedelta(hours=24)


async def append(database: Database, *messages: Message) -> list[Message]:
    async with database.transaction() as session:
        return await journal.append(session, messages)


async def rows(database: Database, **filters: Any) -> list[journal.MessageRow]:
    async with database.reading() as session:
        return await journal.find(session, **filters)


def later(message: Message, by: timedelta, **changes: Any) -> Message:
    """Return the same words, heard later."""
    return changed(message, received_at=message.received_at + by, **changes)


# ------------------------------------------------------------------------------------------------ repeats
async def test_what_is_new_comes_back_in_its_order(database: Database) -> None:
    messages = [said(DoorOpened, n) for n in range(5)]
    assert await append(database, *messages) == messages
    assert [journal.read(row) for row in reversed(await rows(database))] == messages


async def test_nothing_appended_is_nothing(database: Database) -> None:
    assert await append(database) == []


async def test_a_repeat_with_the_same_id_is_left_out(database: Database) -> None:
    message = said(DoorOpened, 0)
    await append(database, message)
    assert await append(database, later(message, timedelta(minutes=5)), said(DoorClosed, 1)) != []
    assert [row.kind for row in await rows(database)] == ["door.closed", "door.opened"]


async def test_a_repeat_within_the_batch_is_left_out(database: Database) -> None:
    message, other = said(DoorOpened, 0), said(DoorClosed, 1)
    assert await append(database, message, other, message, other, message) == [message, other]
    assert len(await rows(database)) == 2


async def test_the_readings_of_one_payload_are_told_apart_by_their_part(database: Database) -> None:
    first = said(DoorOpened, 0)
    second = said(DoorClosed, 0, message_id=first.message_id, part=1)
    assert await append(database, first, second) == [first, second]
    assert await append(database, first, second) == []


@pytest.mark.parametrize("field", ["campus", "source"])
async def test_the_same_id_from_elsewhere_is_another_message(database: Database, field: str) -> None:
    message = said(DoorOpened, 0)
    other = changed(message, **{field: "elsewhere"})
    assert await append(database, message, other) == [message, other]


async def test_ids_that_only_look_alike_when_joined_are_different(database: Database) -> None:
    one = said(DoorOpened, 0, source="door/a", message_id="b1")
    other = said(DoorOpened, 0, source="door/ab", message_id="1")
    assert await append(database, one, other) == [one, other]


# ----------------------------------------------------------------------------------------------- 24 hours
@pytest.mark.parametrize(
    ("after", "is_repeat"),
    [(timedelta(0), True), (DAY - timedelta(microseconds=1), True), (DAY, False), (timedelta(days=3), False)],
)
async def test_a_repeat_is_known_for_a_day(database: Database, after: timedelta, is_repeat: bool) -> None:
    message = said(DoorOpened, 0)
    await append(database, message)
    again = later(message, after)
    assert await append(database, again) == ([] if is_repeat else [again])
    assert len(await rows(database)) == (1 if is_repeat else 2)


async def test_after_a_day_the_newer_one_is_remembered(database: Database) -> None:
    message = said(DoorOpened, 0)
    await append(database, message)
    await append(database, later(message, DAY))
    assert await append(database, later(message, DAY + timedelta(hours=23))) == []
    assert len(await append(database, later(message, 2 * DAY))) == 1


# ---------------------------------------------------------------------------------------------- anonymous
def anonymous(at: float = 0, **fields: Any) -> Message:
    """Return a reading without id or time of its own: only a fingerprint of what it said."""
    return said(AttendanceEntered, at, message_id="~fingerprint", identified=False, **fields)


async def test_an_anonymous_reading_may_be_said_twice_in_the_same_words(database: Database) -> None:
    messages = [anonymous(0), anonymous(1)]
    assert await append(database, messages[0]) == [messages[0]]
    assert await append(database, messages[1]) == [messages[1]]
    assert len(await rows(database)) == 2


async def test_also_twice_in_one_batch(database: Database) -> None:
    messages = [anonymous(0), anonymous(0), anonymous(0)]
    assert await append(database, *messages) == messages
    assert len(await rows(database)) == 3


async def test_an_anonymous_reading_that_its_sender_marks_as_sent_before_is_a_repeat(database: Database) -> None:
    await append(database, anonymous(0))
    assert await append(database, anonymous(1, redelivered=True)) == []


async def test_one_that_was_marked_so_but_never_arrived_is_new(database: Database) -> None:
    message = anonymous(0, redelivered=True)
    assert await append(database, message) == [message]


async def test_a_repeat_is_known_also_of_the_second_of_two_equal_readings(database: Database) -> None:
    await append(database, anonymous(0), anonymous(1))
    assert await append(database, anonymous(2, redelivered=True)) == []
    assert len(await rows(database)) == 2


# ------------------------------------------------------------------------------------------------ reading
async def test_a_message_is_read_as_it_was_written(database: Database) -> None:
    message = said(
        VisitorCheckedIn, 0, name="Zoë O'Neil ✓", screening="clear", expected_out=START, seq=7, boot="b", skewed=True
    )
    await append(database, message)
    (row,) = await rows(database)
    assert journal.read(row) == message
    assert (row.campus, row.kind, row.key, row.at) == ("lincoln", "visitor.checked_in", "v-7", START)


async def test_what_was_said_since_comes_in_order_of_receipt_and_without_the_bound(database: Database) -> None:
    late = said(DoorClosed, 5)
    messages = [said(DoorOpened, 10), late, said(DoorOpened, 20), said(DoorOpened, 30, campus="other")]
    await append(database, *messages)
    async with database.reading() as session:
        found = await journal.since(session, "lincoln", late.at)
    assert found == [messages[0], messages[2]]


async def test_what_was_received_between_two_instants_has_its_begin_and_not_its_end(database: Database) -> None:
    messages = [said(DoorOpened, n) for n in range(12)]
    await append(database, *messages, said(DoorOpened, 5, campus="other"))
    async with database.reading() as session:
        found = [m async for m in journal.between(session, instant(3), instant(9), campus="lincoln", chunk=2)]
        everywhere = [m async for m in journal.between(session, instant(5), instant(6))]
    assert found == messages[3:9]
    assert len(everywhere) == 2


def instant(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("filters", "seconds"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"kind": "door.opened"}, [2, 0]),
        ({"kind": "door.*"}, [3, 2, 0]),
        ({"kind": "door_*"}, []),
        ({"key": "main"}, [2]),
        ({"since": instant(2)}, [4, 3, 2]),
        ({"until": instant(2)}, [1, 0]),
        ({"campus": "other"}, [4]),
        ({"limit": 2}, [4, 3]),
    ],
)
async def test_messages_are_found_by_what_they_are(
    database: Database, filters: dict[str, Any], seconds: list[int]
) -> None:
    await append(
        database,
        said(DoorOpened, 0),
        said(VisitorCheckedIn, 1),
        said(DoorOpened, 2, door="main"),
        said(DoorClosed, 3),
        said(VisitorCheckedIn, 4, campus="other"),
    )
    assert [(row.at - START).total_seconds() for row in await rows(database, **filters)] == seconds


async def test_a_listing_goes_on_where_it_stopped_while_more_arrives(database: Database) -> None:
    await append(database, *(said(DoorOpened, n) for n in range(5)))
    first = await rows(database, limit=2)
    await append(database, said(DoorOpened, 99))
    rest = await rows(database, before=journal.Position(first[-1].at, first[-1].id))
    assert [(row.at - START).total_seconds() for row in [*first, *rest]] == [4, 3, 2, 1, 0]


async def test_a_listing_goes_on_among_messages_of_one_instant(database: Database) -> None:
    at_once = [said(DoorOpened, 1, message_id=f"m{n}") for n in range(3)]
    await append(database, *at_once, said(DoorOpened, 1, message_id="m3", campus="other"))
    seen: list[int] = []
    before: journal.Position | None = None
    while found := await rows(database, before=before, limit=1):
        seen.append(found[0].id)
        before = journal.Position(found[0].at, found[0].id)
    assert len(seen) == 4
    assert seen == sorted(seen, reverse=True)


async def test_the_newest_come_first_by_event_time_however_late_they_came(database: Database) -> None:
    await append(database, said(DoorOpened, 5), said(DoorOpened, 9, campus="other"), said(DoorOpened, 2))
    assert [(row.at - START).total_seconds() for row in await rows(database)] == [9, 5, 2]


async def test_what_is_old_is_purged_and_counted(database: Database) -> None:
    await append(database, *(said(DoorOpened, n) for n in range(5)))
    async with database.transaction() as session:
        assert await journal.purge(session, instant(3)) == 3
    assert len(await rows(database)) == 2


async def test_a_large_batch_is_written_at_once(database: Database) -> None:
    messages = [said(DoorOpened, n) for n in range(3000)]
    assert await append(database, *messages) == messages
    assert [journal.read(row) for row in reversed(await rows(database, limit=5000))] == messages
    assert await append(database, *messages) == []
