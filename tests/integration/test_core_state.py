"""What is true now, as rows: written over, found by what it is, and read back as it was."""

from __future__ import annotations

import pytest

from core import state
from core.database import Database
from core.facts import CampusFacts, DeviceFacts, DoorFacts, Facts, GatheringFacts, VisitFacts
from tests.conftest import START

EVERYTHING: list[Facts] = [
    CampusFacts(id="lincoln", state="secure", by="okafor"),
    DeviceFacts(id="d-1", online=True, battery_pct=80, skewed=3),
    DoorFacts(id="gym-east", heard_at=START, position="open", position_at=START, position_heard_at=START),
    DoorFacts(id="main"),
    GatheringFacts(id="concert", counts={"spectator": -2, "staff": 3}, baseline_at=START),
    VisitFacts(id="v-1", state="in", name="Zoë", expected_out=START),
    VisitFacts(id="v-2", state="out", checked_out_by="auto"),
]


async def save(database: Database, *facts: Facts, campus: str = "lincoln") -> None:
    async with database.transaction() as session:
        await state.save(session, campus, facts)


async def test_facts_of_every_kind_are_read_as_they_were_written(database: Database) -> None:
    await save(database, *EVERYTHING)
    async with database.reading() as session:
        assert await state.load(session, "lincoln") == EVERYTHING


async def test_newer_facts_take_the_place_of_the_older(database: Database) -> None:
    await save(database, DoorFacts(id="main", position="open"), DoorFacts(id="gym-east", position="open"))
    await save(database, DoorFacts(id="main", position="closed"))
    await save(database)
    async with database.reading() as session:
        assert await state.get(session, "lincoln", "door", "main") == DoorFacts(id="main", position="closed")
        assert await state.get(session, "lincoln", "door", "gym-east") == DoorFacts(id="gym-east", position="open")


async def test_what_nobody_has_told_us_about_is_not_there(database: Database) -> None:
    await save(database, DoorFacts(id="main"))
    async with database.reading() as session:
        assert await state.get(session, "lincoln", "door", "gym-east") is None
        assert await state.get(session, "lincoln", "device", "main") is None
        assert await state.get(session, "other", "door", "main") is None


@pytest.mark.parametrize(
    ("entity", "level", "ids"),
    [
        ("door", None, ["gym-east", "main"]),
        ("door", "open", ["gym-east"]),
        ("door", "closed", []),
        ("visit", "in", ["v-1"]),
        ("campus", "secure", ["lincoln"]),
        ("gathering", None, ["concert"]),
    ],
)
async def test_facts_are_found_by_kind_and_level(
    database: Database, entity: str, level: str | None, ids: list[str]
) -> None:
    await save(database, *EVERYTHING)
    async with database.reading() as session:
        assert [facts.id for facts in await state.load(session, "lincoln", entity, level=level)] == ids


async def test_two_campuses_do_not_see_each_other(database: Database) -> None:
    await save(database, DoorFacts(id="main", position="open"))
    await save(database, DoorFacts(id="main", position="closed"), campus="other")
    async with database.reading() as session:
        assert await state.load(session, "other") == [DoorFacts(id="main", position="closed")]
        assert await state.load(session, "lincoln") == [DoorFacts(id="main", position="open")]
