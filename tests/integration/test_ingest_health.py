"""How well devices are heard: counted in memory, written with the batch, and read again after a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from core.database import Database
from core.messages import Heard, Message
from ingest import health
from ingest.health import Health, Tally
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import decoder

READER = decoder([lincoln()])
DEVICE = "gym-east-contact"


def read(now: datetime = START, **said: Any) -> tuple[Heard, list[Message]]:
    heard = Heard("campus/lincoln/door/gym-east", msgspec.json.encode({"position": "open"} | said))
    return heard, READER.decode(heard, now)


async def note(database: Database, *heard: tuple[Heard, list[Message]], known: Health | None = None) -> Tally:
    """Count what was heard as new, in one batch, and return what was written about the device."""
    counters = known or Health()
    touched: set[tuple[str, str]] = set()
    for each, messages in heard:
        counters.count(each, messages, {id(message) for message in messages}, touched)
    async with database.transaction() as session:
        await counters.save(session, touched)
    async with database.reading() as session:
        return (await health.load(session, "lincoln"))[DEVICE]


async def test_messages_are_counted_and_the_last_is_remembered(database: Database) -> None:
    tally = await note(database, read(), read(START + timedelta(seconds=5)))
    assert (tally.messages, tally.last_seen) == (2, START + timedelta(seconds=5))
    assert (tally.duplicates, tally.late, tally.skewed, tally.lost, tally.clock_offset) == (0, 0, 0, 0, None)


async def test_repeats_are_no_messages_of_their_own(database: Database) -> None:
    counters = Health()
    heard, messages = read()
    counters.count(heard, messages, set(), set())
    tally = await note(database, read(), known=counters)
    assert (tally.messages, tally.duplicates) == (1, 1)


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ([1, 2, 3], 0),
        ([1, 2, 5], 2),
        ([1, 4, 2, 3], 0),
        ([1, 5, 3, 6], 2),
        ([7, 1, 2], 0),
        ([900, 1, 3], 1),
        ([1, 100_000, 100_002], 1),
        ([2**60, 1, 2], 0),
        ([-5, 1, 3], 1),
    ],
)
async def test_gaps_in_the_numbers_are_losses_and_what_was_only_late_is_none(
    sqlite_database: Database, numbers: list[int], lost: int
) -> None:
    tally = await note(sqlite_database, *(read(seq=number) for number in numbers))
    assert tally.lost == lost


async def test_a_device_that_starts_anew_has_lost_nothing(database: Database) -> None:
    tally = await note(database, read(seq=900, boot="a"), read(seq=1, boot="b"), read(seq=3, boot="b"))
    assert (tally.lost, tally.seq, tally.boot) == (1, 3, "b")


async def test_the_clock_is_off_by_the_median_of_what_it_says(database: Database) -> None:
    offsets = [-1.0, -1.2, -300.0, -0.9, -1.1]
    said = [read(id=str(n), at=(START + timedelta(seconds=off)).isoformat()) for n, off in enumerate(offsets)]
    tally = await note(database, *said)
    assert tally.clock_offset == timedelta(seconds=-1.1)
    assert (tally.skewed, tally.late) == (0, 3)


async def test_a_clock_that_cannot_be_believed_is_measured_all_the_same(database: Database) -> None:
    tally = await note(database, *(read(id=str(n), at="2026-11-24T15:00:00Z") for n in range(3)))
    assert (tally.clock_offset, tally.skewed) == (timedelta(hours=1), 3)
    event = {"specversion": "1.0", "time": "2026-11-24T15:00:00Z", "data": {"position": "open"}}
    tally = await note(database, read(**event))
    assert tally.clock_offset == timedelta(hours=1)


async def test_only_the_latest_count_for_the_clock(database: Database) -> None:
    said = [read(id=str(n), at="2026-11-24T15:00:00Z") for n in range(20)]
    better = [read(id=str(n), at="2026-11-24T13:59:59Z") for n in range(20, 25)]
    tally = await note(database, *said, *better)
    assert len(tally.offsets) == health.OFFSETS
    assert tally.clock_offset == timedelta(seconds=-1)


async def test_counting_goes_on_where_it_stopped(database: Database) -> None:
    await note(database, read(seq=1), read(seq=2))
    async with database.reading() as session:
        again = await health.restore(session)
    tally = await note(database, read(seq=5), known=again)
    assert (tally.messages, tally.lost, tally.seq) == (3, 2, 5)


async def test_what_speaks_for_no_device_is_not_counted(database: Database) -> None:
    heard = Heard("campus/lincoln/campus/state", b'{"state": "secure"}')
    touched: set[tuple[str, str]] = set()
    Health().count(heard, READER.decode(heard, START), set(), touched)
    assert touched == set()


async def test_devices_not_heard_for_long_are_forgotten(database: Database) -> None:
    await note(database, read())
    async with database.transaction() as session:
        await health.forget(session, START)
        assert len(await health.load(session, "lincoln")) == 1
        await health.forget(session, START + timedelta(seconds=1))
        assert await health.load(session, "lincoln") == {}
