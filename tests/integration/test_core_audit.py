"""The record of deeds: nothing in it can be changed or taken out without being noticed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from sqlalchemy import delete, update

from core import audit
from core.audit import GENESIS, AuditRow
from core.database import Database
from tests.conftest import START


async def record(database: Database, *subjects: str, **fields: Any) -> None:
    async with database.transaction() as session:
        for subject in subjects:
            await audit.record(
                session,
                **{"at": START, "actor": "person:reyes", "action": "acknowledged", **fields, "subject": subject},
            )


async def verify(database: Database) -> int | None:
    async with database.reading() as session:
        return await audit.verify(session)


async def rows(database: Database, **filters: Any) -> list[AuditRow]:
    async with database.reading() as session:
        return await audit.find(session, **filters)


async def test_an_empty_record_is_whole(database: Database) -> None:
    assert await verify(database) is None


async def test_every_deed_is_chained_to_the_one_before(database: Database) -> None:
    await record(database, "alert:1", "alert:2", detail={"code": "K7-42", "note": "Zoë ✓"})
    await record(database, "alert:1")
    third, second, first = await rows(database)
    assert first.previous == GENESIS
    assert (second.previous, third.previous) == (first.hash, second.hash)
    assert len({first.hash, second.hash, third.hash}) == 3
    assert await verify(database) is None


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "person:diaz"},
        {"action": "resolved"},
        {"subject": "alert:9"},
        {"detail": '{"note":"nothing happened"}'},
        {"at": START.replace(year=2025)},
        {"previous": "f" * 64},
        {"hash": "f" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_row_that_is_changed_breaks_the_chain(database: Database, change: dict[str, Any]) -> None:
    await record(database, "alert:1", "alert:2", "alert:3")
    middle = (await rows(database))[1].id
    async with database.transaction() as session:
        await session.execute(update(AuditRow).where(AuditRow.id == middle).values(**change))
    assert await verify(database) == middle


@pytest.mark.parametrize("place", [0, 1])
async def test_a_row_that_is_taken_out_breaks_the_chain_at_the_next(database: Database, place: int) -> None:
    await record(database, "alert:1", "alert:2", "alert:3")
    ids = [row.id for row in reversed(await rows(database))]
    async with database.transaction() as session:
        await session.execute(delete(AuditRow).where(AuditRow.id == ids[place]))
    assert await verify(database) == ids[place + 1]


async def test_a_row_that_was_changed_and_hashed_anew_breaks_the_chain_behind_it(database: Database) -> None:
    await record(database, "alert:1", "alert:2", "alert:3")
    _, middle, _ = await rows(database)
    async with database.transaction() as session:
        row = await session.get_one(AuditRow, middle.id)
        row.actor = "person:diaz"
        row.hash = audit.digest(row.previous, row.at, row.actor, row.action, row.subject, row.detail)
    assert await verify(database) == middle.id + 1


async def test_a_deed_that_is_rolled_back_leaves_no_trace(database: Database) -> None:
    await record(database, "alert:1")
    with contextlib.suppress(ZeroDivisionError):
        async with database.transaction() as session:
            await audit.record(session, at=START, actor="hallwatch", action="purged", subject="messages")
            _ = 1 / 0
    await record(database, "alert:2")
    assert await verify(database) is None
    assert [row.subject for row in await rows(database)] == ["alert:2", "alert:1"]


async def test_deeds_done_at_once_make_one_chain(database: Database) -> None:
    await asyncio.gather(*(record(database, f"alert:{n}", f"alert:{n}") for n in range(8)))
    assert len(await rows(database)) == 16
    assert await verify(database) is None


async def test_deeds_are_found_by_their_subject_the_newest_first(database: Database) -> None:
    await record(database, "alert:1", "alert:2", "alert:1", "alert:1")
    found = await rows(database, subject="alert:1", limit=2)
    rest = await rows(database, subject="alert:1", before_id=found[-1].id)
    assert [row.subject for row in [*found, *rest]] == ["alert:1"] * 3
    assert [row.id for row in [*found, *rest]] == sorted((row.id for row in [*found, *rest]), reverse=True)
