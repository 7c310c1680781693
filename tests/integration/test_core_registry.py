"""The campus in the database: loaded as it was saved, saved twice without a change, and its secrets sealed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import registry
from core.campus import Campus
from core.database import Database
from core.errors import BadInput
from core.registry import Change, ReferenceRow
from core.vault import Vault
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START


async def save(database: Database, vault: Vault, campus: Campus, **options: Any) -> list[Change]:
    async with database.transaction() as session:
        return await registry.save(session, vault, campus, **{"now": START, "by": "person:okafor", **options})


async def load(database: Database, vault: Vault, campus: str = "lincoln") -> Campus | None:
    async with database.reading() as session:
        return await registry.load(session, vault, campus)


async def revision(database: Database) -> int:
    async with database.reading() as session:
        return await registry.revision(session)


async def test_a_campus_is_loaded_as_it_was_saved(database: Database, vault: Vault, campus: Campus) -> None:
    changes = await save(database, vault, campus)
    assert {change.what for change in changes} == {"added"}
    assert await load(database, vault) == campus


async def test_the_same_campus_again_changes_nothing(database: Database, vault: Vault, campus: Campus) -> None:
    await save(database, vault, campus)
    before = await revision(database)
    assert await save(database, vault, campus, now=START + timedelta(days=1)) == []
    assert await save(database, vault, lincoln()) == []
    assert await revision(database) == before


async def test_what_changes_is_told_before_and_after(database: Database, vault: Vault, campus: Campus) -> None:
    await save(database, vault, campus)
    doors = [{**LINCOLN["doors"][0], "name": "Front"}, *LINCOLN["doors"][1:3], {"id": "roof", "name": "Roof"}]
    changes = await save(database, vault, lincoln(doors=doors))
    found = {(change.what, change.part, change.id): change for change in changes}
    assert set(found) == {("changed", "doors", "main"), ("added", "doors", "roof"), ("removed", "doors", "office")}
    renamed = found["changed", "doors", "main"]
    assert (renamed.before["name"], renamed.after["name"]) == ("Main entrance", "Front")
    assert await load(database, vault) == lincoln(doors=doors)


async def test_what_was_removed_may_come_back(database: Database, vault: Vault, campus: Campus) -> None:
    await save(database, vault, campus)
    await save(database, vault, lincoln(watch_list=[], on_call=[]))
    without = await load(database, vault)
    assert without is not None
    assert (without.watch_list, without.on_call) == ((), ())
    await save(database, vault, campus)
    assert await load(database, vault) == campus


async def test_a_dry_run_says_what_would_change_and_changes_nothing(
    database: Database, vault: Vault, campus: Campus
) -> None:
    changes = await save(database, vault, campus, dry_run=True)
    assert len(changes) > 10
    assert await load(database, vault) is None
    assert await revision(database) == 0


async def test_every_change_has_the_next_revision_and_its_author(
    database: Database, vault: Vault, campus: Campus
) -> None:
    assert await revision(database) == 0
    await save(database, vault, campus)
    await save(database, vault, lincoln(on_call=["diaz"]), by="person:reyes", now=START + timedelta(hours=1))
    assert await revision(database) == 2
    async with database.reading() as session:
        rows = (await session.execute(select(ReferenceRow).where(ReferenceRow.revision == 2))).scalars().all()
    assert [(row.part, row.changed_by, row.changed_at) for row in rows] == [
        ("on_call", "person:reyes", START + timedelta(hours=1))
    ]


async def test_a_removal_has_a_revision_too(database: Database, vault: Vault, campus: Campus) -> None:
    await save(database, vault, campus)
    await save(database, vault, lincoln(watch_list=[]))
    assert await revision(database) == 2


async def test_secrets_are_sealed_in_the_table_and_open_only_with_the_key(
    database: Database, vault: Vault, campus: Campus
) -> None:
    await save(database, vault, campus)
    async with database.reading() as session:
        stored = "\n".join(row.document or "" for row in (await session.execute(select(ReferenceRow))).scalars().all())
    for secret in ("json://", "Alex Planted Secret", "call the office"):
        assert secret not in stored
    assert "sealed:" in stored
    assert "Officer Reyes" in stored
    with pytest.raises(BadInput, match="HALLWATCH_SECRET_KEY"):
        await load(database, Vault("another-secret-another-secret-another"))


async def test_a_watch_list_name_that_looks_sealed_does_no_harm(database: Database, vault: Vault) -> None:
    campus = lincoln(watch_list=[{"id": "w-1", "kind": "banned", "name": "sealed:court order", "aliases": ["sealed:"]}])
    await save(database, vault, campus)
    assert await load(database, vault) == campus


async def test_campuses_are_kept_apart(database: Database, vault: Vault, campus: Campus) -> None:
    other = lincoln(campus={**LINCOLN["campus"], "id": "adams"}, watch_list=[])
    await save(database, vault, campus)
    await save(database, vault, other)
    async with database.reading() as session:
        assert await registry.campus_ids(session) == ["adams", "lincoln"]
        assert await registry.load_all(session, vault) == [other, campus]
    assert await load(database, vault, "nowhere") is None


async def test_a_day_that_is_staffed_around_the_clock_can_be_loaded_again(database: Database, vault: Vault) -> None:
    campus = lincoln(
        calendar={"week": {"mon": "open"}, "day_types": {"open": {"staffed": "00:00-24:00", "school": "22:00-06:00"}}}
    )
    await save(database, vault, campus)
    assert await load(database, vault) == campus


async def test_the_changes_come_in_a_steady_order(database: Database, vault: Vault, campus: Campus) -> None:
    await save(database, vault, campus)
    removed = await save(
        database,
        vault,
        lincoln(doors=[], devices=[], gatherings=[], calendar={}, zones=[]),
    )
    places = [(change.part, change.id) for change in removed if change.what == "removed"]
    assert places == sorted(places)
    assert len(places) >= 8


async def test_some_parts_are_read_anew_and_the_rest_is_left_as_it_was(
    database: Database, vault: Vault, campus: Campus
) -> None:
    people = [{**LINCOLN["people"][0], "name": "Sergeant Reyes"}, *LINCOLN["people"][1:]]
    later = lincoln(people=people, shifts=[], zones=[], doors=[], devices=[], gatherings=[], calendar={})
    async with database.transaction() as session:
        await registry.save(session, vault, campus, now=START, by="the test")
        await registry.save(session, vault, later, now=START, by="the test")
    async with database.reading() as session:
        found = await registry.renewed(session, vault, campus, ("people", "shifts", "calendar"))
    assert (found.people, found.shifts, found.calendar) == (later.people, (), later.calendar)
    assert found.people_by_id["reyes"].name == "Sergeant Reyes"
    assert found.doors == campus.doors
    assert not found.is_staffed(START), "what was worked out before is worked out anew"
