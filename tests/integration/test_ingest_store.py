"""The site's own mappings: versions, their order, and what is in force together with those that ship."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select, update

from core import documents
from core.database import Database
from core.errors import NotFound
from ingest import store
from ingest.mapping import Mapping, read_mappings, shipped
from tests.conftest import START

ACME = """
id: acme
match: {topic: "acme/{device}/report"}
source: acme/{device}
emit: door.position
value: {path: reed, map: {SHUT: closed, AJAR: open}}
"""


def mapping(name: str, *, path: str = "reed") -> Mapping:
    text = ACME.replace("id: acme", f"id: {name}").replace("path: reed", f"path: {path}")
    (found,) = read_mappings(documents.parse(text))
    return found


async def save(database: Database, *mappings: Mapping, dry_run: bool = False) -> list[tuple[str, str]]:
    async with database.transaction() as session:
        changes = await store.save(session, mappings, now=START, by="test", dry_run=dry_run)
    return [(each.what, each.id) for each in changes]


async def order(database: Database) -> list[str]:
    async with database.reading() as session:
        return [each.id for each in await store.load(session)]


async def test_what_is_written_is_read_again_and_the_same_again_changes_nothing(database: Database) -> None:
    assert await save(database, mapping("a"), mapping("b"), dry_run=True) == [("added", "a"), ("added", "b")]
    assert await order(database) == []
    assert await save(database, mapping("a"), mapping("b")) == [("added", "a"), ("added", "b")]
    assert await save(database, mapping("a"), mapping("b")) == []
    async with database.reading() as session:
        first = await store.revision(session)
        assert (await store.load(session))[0].match("acme/7/report") == {"device": "7"}
    assert await save(database, mapping("a", path="state.reed")) == [("changed", "a")]
    async with database.reading() as session:
        assert await store.revision(session) == first + 1
        assert [(each.id, each.version) for each in await store.stored(session)] == [("a", 2), ("b", 1)]


async def test_they_stand_in_the_order_of_their_files(database: Database) -> None:
    await save(database, mapping("c"), mapping("a"))
    assert await order(database) == ["c", "a"]
    # Another file's stands behind, and the first file goes on as it was.
    await save(database, mapping("b"))
    assert await save(database, mapping("c"), mapping("a")) == []
    assert await order(database) == ["c", "a", "b"]
    # One that comes to stand between two others does so.
    await save(database, mapping("c"), mapping("n"), mapping("b"))
    assert [each for each in await order(database) if each != "a"] == ["c", "n", "b"]


async def test_the_sites_come_before_those_that_ship_and_may_stand_in_for_one(database: Database) -> None:
    replaced = shipped()[0].id
    await save(database, mapping("acme"), mapping(replaced))
    async with database.transaction() as session:
        found = [each.id for each in await store.in_force(session)]
        await store.delete(session, replaced, now=START, by="test")
        later = [each.id for each in await store.in_force(session)]
    assert found == ["acme", replaced, *(each.id for each in shipped()[1:])]
    assert later == ["acme", *(each.id for each in shipped())]


async def test_what_was_deleted_is_gone_and_may_come_again(database: Database) -> None:
    await save(database, mapping("acme"))
    async with database.transaction() as session:
        await store.delete(session, "acme", now=START, by="test")
    assert await order(database) == []
    with pytest.raises(NotFound, match="no mapping 'acme' of this site"):
        async with database.transaction() as session:
            await store.delete(session, "acme", now=START, by="test")
    assert await save(database, mapping("acme")) == [("added", "acme")]
    async with database.reading() as session:
        rows = (await session.execute(select(store.MappingRow).order_by(store.MappingRow.version))).scalars()
        assert [(row.version, row.document is None) for row in rows] == [(1, False), (2, True), (3, False)]


async def test_one_that_can_no_longer_be_read_does_not_take_the_others_along(database: Database) -> None:
    await save(database, mapping("a"), mapping("b"))
    async with database.transaction() as session:
        broken = msgspec.json.encode({"id": "a", "emit": "door.colour"}).decode()
        await session.execute(update(store.MappingRow).where(store.MappingRow.id == "a").values(document=broken))
    assert await order(database) == ["b"]
